// A radix tree over the paths of one virtual host's routes. A look-up walks the request's path once and meets,
// on the way, every route whose path could match; of those that do match, the first in the user's order wins.
// So the answer is that of a scan from the top, at a cost that does not grow with the number of routes (regex
// routes hang where their literal beginning ends).
//
//   ''── '/' ─┬─ 'api/' ─┬─ 'v1' [7: prefix]          routes of a node: number * 4 + kind, ascending
//             │          └─ 'v2' [3: exact, 9: prefix]
//             └─ 'health' [0: exact]

import type { RouteMatchData } from '../api/config/route.ts';
import type { CompiledRegex } from '../matcher/regex.ts';

const Kind = { Prefix: 0, Exact: 1, Separated: 2, Regex: 3 } as const;
const KIND_BITS = 2;
const KIND_MASK = 3;
const SLASH = 0x2f;

/** A route without a path (`connect`) has no place here. */
type PathKind = Exclude<RouteMatchData['path']['kind'], 'connect'>;

const kindOf: Readonly<Record<PathKind, number>> = {
  prefix: Kind.Prefix,
  path: Kind.Exact,
  path_separated_prefix: Kind.Separated,
  safe_regex: Kind.Regex,
};

/** What else must hold for the route with that number; asked only when its path matches. */
export interface RouteConditions<C> {
  holds(route: number, context: C): boolean;
}

class PathNode {
  readonly label: string;
  /** First characters of the children's labels, at the same places. */
  keys: string;
  children: PathNode[];
  routes: number[] | null;

  constructor(label: string) {
    this.label = label;
    this.keys = '';
    this.children = noChildren;
    this.routes = null;
  }
}

/** Leaves share it; a node gets its own list with its first child. */
const noChildren: PathNode[] = [];

/** See the file head. Routes must be added in their order. */
export class PathIndex {
  #root = new PathNode('');
  /** By route number. */
  readonly #regexes: (CompiledRegex | undefined)[] = [];

  /** `path` = what a matching path is, or begins with; for a regex its literal beginning. */
  add(route: number, kind: PathKind, path: string, regex: CompiledRegex | null): void {
    if (regex !== null) this.#regexes[route] = regex;
    const node = this.#nodeOf(path);
    node.routes ??= [];
    node.routes.push((route << KIND_BITS) | kindOf[kind]);
  }

  /** The first matching route below `limit`, or `limit`. `path` is without query. */
  find<C>(path: string, limit: number, conditions: RouteConditions<C>, context: C): number {
    let best = limit;
    let node = this.#root;
    let at = 0;
    for (;;) {
      if (node.routes !== null) {
        best = this.#firstOf(node.routes, path, at, best, conditions, context);
      }
      if (at === path.length) return best;
      const place = node.keys.indexOf(path[at]!);
      if (place === -1) return best;
      node = node.children[place]!;
      if (!path.startsWith(node.label, at)) return best;
      at += node.label.length;
    }
  }

  #firstOf<C>(
    routes: readonly number[],
    path: string,
    at: number,
    best: number,
    conditions: RouteConditions<C>,
    context: C,
  ): number {
    for (let i = 0; i < routes.length; i++) {
      const code = routes[i]!;
      const route = code >>> KIND_BITS;
      if (route >= best) return best;
      switch (code & KIND_MASK) {
        case Kind.Exact:
          if (at !== path.length) continue;
          break;
        case Kind.Separated:
          if (at !== path.length && path.charCodeAt(at) !== SLASH) continue;
          break;
        case Kind.Regex:
          if (!this.#regexes[route]!.matches(path)) continue;
          break;
      }
      if (conditions.holds(route, context)) return route;
    }
    return best;
  }

  #nodeOf(path: string): PathNode {
    let node = this.#root;
    let parent: PathNode = node;
    let place = -1;
    let at = 0;
    for (;;) {
      if (at === path.length) return node;
      place = node.keys.indexOf(path[at]!);
      if (place === -1) {
        const leaf = new PathNode(path.slice(at));
        addChild(node, leaf);
        return leaf;
      }
      parent = node;
      node = node.children[place]!;
      const common = commonLength(node.label, path, at);
      if (common < node.label.length) node = split(parent, place, common);
      at += common;
    }
  }
}

function addChild(node: PathNode, child: PathNode): void {
  if (node.children === noChildren) node.children = [];
  node.keys += child.label[0]!;
  node.children.push(child);
}

function commonLength(label: string, path: string, at: number): number {
  const length = Math.min(label.length, path.length - at);
  let common = 0;
  while (common < length && label.charCodeAt(common) === path.charCodeAt(at + common)) common++;
  return common;
}

/** Puts a node for the first `common` characters between `parent` and its child; returns it. */
function split(parent: PathNode, place: number, common: number): PathNode {
  const lower = parent.children[place]!;
  const upper = new PathNode(lower.label.slice(0, common));
  const rest = new PathNode(lower.label.slice(common));
  rest.keys = lower.keys;
  rest.children = lower.children;
  rest.routes = lower.routes;
  addChild(upper, rest);
  parent.children[place] = upper;
  return upper;
}
