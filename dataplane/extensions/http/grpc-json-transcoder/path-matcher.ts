// Finds the binding of a request's method and path among those of all services: a tree of path segments, in
// which literals go before `*` and `*` before `**`, with every way tried before giving up.

import type { HttpBindingData, UrlUnescapeSpec } from './data.ts';
import { unescapeUrl } from './url-unescape.ts';

/** What a rule of that HTTP method matches any of. */
const ANY_METHOD = '*';

class PathNode {
  readonly literals = new Map<string, PathNode>();
  star: PathNode | null = null;
  doubleStar: PathNode | null = null;
  /** This node stands for `**`: it may take another segment. */
  readonly isDoubleStar: boolean;
  /** By HTTP method and verb: `POST:archive`. */
  readonly bindings = new Map<string, HttpBindingData>();

  constructor(isDoubleStar: boolean) {
    this.isDoubleStar = isDoubleStar;
  }

  child(segment: string): PathNode {
    if (segment === '*') {
      this.star ??= new PathNode(false);
      return this.star;
    }
    if (segment === '**') {
      this.doubleStar ??= new PathNode(true);
      return this.doubleStar;
    }
    let node = this.literals.get(segment);
    if (node === undefined) {
      node = new PathNode(false);
      this.literals.set(segment, node);
    }
    return node;
  }

  bindingFor(key: string): HttpBindingData | null {
    return this.bindings.get(key) ?? this.bindings.get(ANY_METHOD) ?? null;
  }
}

/** A binding and the segments of the path that it matched. */
export interface PathMatch {
  readonly binding: HttpBindingData;
  readonly segments: readonly string[];
}

export class PathMatcher {
  readonly #root = new PathNode(false);
  readonly #verbs = new Set<string>();
  readonly #matchesUnregisteredVerbs: boolean;

  constructor(bindings: readonly HttpBindingData[], matchesUnregisteredVerbs: boolean) {
    this.#matchesUnregisteredVerbs = matchesUnregisteredVerbs;
    for (const binding of bindings) {
      let node = this.#root;
      for (const segment of binding.segments) node = node.child(segment);
      node.bindings.set(keyOf(binding.httpMethod, binding.verb), binding);
      if (binding.verb !== '') this.#verbs.add(binding.verb);
    }
  }

  /** `path` without its query. Null = no binding. */
  match(httpMethod: string, path: string): PathMatch | null {
    let end = path.length;
    let verb = '';
    const colon = path.lastIndexOf(':');
    if (colon > path.lastIndexOf('/')) {
      const found = path.slice(colon + 1);
      if (this.#matchesUnregisteredVerbs || this.#verbs.has(found)) {
        verb = found;
        end = colon;
      }
    }
    while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--;
    const segments = end <= 1 ? [] : path.slice(1, end).split('/');
    const binding = find(this.#root, segments, 0, keyOf(httpMethod, verb));
    return binding === null ? null : { binding, segments };
  }
}

function keyOf(httpMethod: string, verb: string): string {
  return verb === '' ? httpMethod : `${httpMethod}:${verb}`;
}

/** Steps are at most nodes times segments: every node is reached in one way only, but for `**`'s loop. */
function find(
  node: PathNode,
  segments: readonly string[],
  at: number,
  key: string,
): HttpBindingData | null {
  if (at === segments.length) {
    return node.bindingFor(key) ?? node.doubleStar?.bindingFor(key) ?? null;
  }
  const literal = node.literals.get(segments[at]!);
  const found = literal === undefined ? null : find(literal, segments, at + 1, key);
  if (found !== null) return found;
  if (node.isDoubleStar) return findBelowDoubleStar(node, segments, at + 1, key);
  return (
    (node.star === null ? null : find(node.star, segments, at + 1, key)) ??
    (node.doubleStar === null ? null : find(node.doubleStar, segments, at + 1, key))
  );
}

/** A loop where recursion would be as deep as the path has segments. */
function findBelowDoubleStar(
  node: PathNode,
  segments: readonly string[],
  from: number,
  key: string,
): HttpBindingData | null {
  for (let at = from; at < segments.length; at++) {
    const literal = node.literals.get(segments[at]!);
    const found = literal === undefined ? null : find(literal, segments, at + 1, key);
    if (found !== null) return found;
  }
  return node.bindingFor(key);
}

/** What a variable of the matched template holds, decoded. Null = it is no UTF-8. */
export function variableValue(
  { start, end }: { readonly start: number; readonly end: number },
  segments: readonly string[],
  spec: UrlUnescapeSpec,
): string | null {
  const stop = end >= 0 ? end : segments.length + end + 1;
  const isWhole = end >= 0 && stop - start <= 1;
  return unescapeUrl(
    segments.slice(start, stop).join('/'),
    isWhole ? 'ALL_CHARACTERS' : spec,
    false,
  );
}
