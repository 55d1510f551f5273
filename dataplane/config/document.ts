// Reads a bootstrap's text (YAML or JSON) and finds the line and column of a field path in it again, so
// that every error names its place. Called by load-bootstrap; knows nothing of what the fields mean.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import { errorText } from '../../common/coded-error.ts';
import { err, ok, type Result } from '../../common/result.ts';

/** 1-based. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** Where an error is: the file as the user named it, and a position when one is known. */
export interface DocumentPosition {
  readonly file: string;
  readonly position: TextPosition | null;
}

/** A parsed text. `value` is JSON-like: aliases and merge keys are resolved. */
export interface ConfigDocument {
  readonly value: unknown;
  /**
   * The position of `path` (`static_resources.clusters[0].name`, snake or camel keys in the text), or of
   * its nearest ancestor that is in the text.
   */
  locate(path: string): DocumentPosition;
}

/** Aliases may expand to at most that many nodes each: a few lines must not become gigabytes. */
const MAX_ALIAS_COUNT = 200;

/** Splits `a.b[0]["c.d"]` into its steps. */
export function pathSteps(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  for (const match of path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) {
    if (match[1] !== undefined) steps.push(Number(match[1]));
    else if (match[2] !== undefined) steps.push(match[2].replace(/\\(.)/g, '$1'));
    else steps.push(match[3]!);
  }
  return steps;
}

/** Parses one text. Errors are complete lines: `file:line:column message`. */
export function parseConfigText(file: string, text: string): Result<ParsedDocument, string[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    merge: true,
    strict: true,
  });
  if (document.errors.length > 0) {
    return err(
      document.errors.map((error) => {
        const at = lines.linePos(error.pos[0]);
        return `${file}:${at.line}:${at.col} ${error.message.split('\n')[0]}`;
      }),
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
  } catch (thrown) {
    return err([`${file}:1:1 ${errorText(thrown)}`]);
  }
  return ok(new ParsedDocument(file, value, document, lines));
}

/** One text with its syntax tree. */
export class ParsedDocument implements ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  readonly document: Document;
  readonly #lines: LineCounter;

  constructor(file: string, value: unknown, document: Document, lines: LineCounter) {
    this.file = file;
    this.value = value;
    this.document = document;
    this.#lines = lines;
  }

  locate(path: string): DocumentPosition {
    let found: Found = { at: this.document.contents, node: this.document.contents };
    for (const step of pathSteps(path)) {
      const next = this.step(found.node, step);
      if (next === null) break;
      found = next;
    }
    return this.positionOf(found);
  }

  /** One step down, through aliases and merge keys; null = not in the text. */
  step(from: Node | null, step: string | number): Found | null {
    const node = this.#resolve(from);
    if (isSeq(node)) {
      const item = typeof step === 'number' ? node.items[step] : undefined;
      return item === undefined ? null : this.#found(item, item);
    }
    if (!isMap(node)) return null;
    const name = String(step);
    for (const pair of node.items) {
      const key = keyText(pair);
      if (key === name || snakeCase(key) === name) return this.#found(pair.key, pair.value);
    }
    for (const pair of node.items) {
      if (keyText(pair) !== '<<') continue;
      const merged = this.#resolve(pair.value as Node | null);
      for (const source of isSeq(merged) ? merged.items : [merged]) {
        const found = this.step(source as Node | null, step);
        if (found !== null) return found;
      }
    }
    return null;
  }

  positionOf(found: Found): DocumentPosition {
    const offset = found.at?.range?.[0];
    if (offset === undefined) return { file: this.file, position: null };
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, position: { line, column: col } };
  }

  #found(at: unknown, node: unknown): Found {
    // The library types keys and items as unknown; parseDocument makes nodes of all of them.
    return { at: at as Node | null, node: node as Node | null };
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.document) ?? null) : node;
  }
}

/** What a step led to: `at` is the place to show (a key or a list item), `node` where to go on. */
interface Found {
  readonly at: Node | null;
  readonly node: Node | null;
}

function keyText(pair: Pair): string {
  if (!isScalar(pair.key)) return '';
  const { value } = pair.key;
  // The library makes a symbol of a merge key.
  return typeof value === 'symbol' ? (value.description ?? '') : String(value);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Two texts as one document, `over` merged over `base` as protobuf merges messages: lists are joined,
 * messages merged field by field, anything else replaced. An Any is replaced as a whole.
 */
export class MergedDocument implements ConfigDocument {
  readonly value: unknown;
  readonly #base: ParsedDocument;
  readonly #over: ParsedDocument;

  constructor(base: ParsedDocument, over: ParsedDocument) {
    this.value = merge(base.value, over.value);
    this.#base = base;
    this.#over = over;
  }

  locate(path: string): DocumentPosition {
    let base: Found | null = rootOf(this.#base);
    let over: Found | null = rootOf(this.#over);
    for (const step of pathSteps(path)) {
      // Items of `over` stand behind those of `base`.
      const baseItems: number = base !== null && isSeq(base.node) ? base.node.items.length : 0;
      const overStep = typeof step === 'number' ? step - baseItems : step;
      const nextBase: Found | null = base === null ? null : this.#base.step(base.node, step);
      const nextOver: Found | null = over === null ? null : this.#over.step(over.node, overStep);
      if (nextBase === null && nextOver === null) break;
      base = nextBase;
      over = nextOver;
    }
    return over !== null ? this.#over.positionOf(over) : this.#base.positionOf(base!);
  }
}

function rootOf(document: ParsedDocument): Found {
  return { at: document.document.contents, node: document.document.contents };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(base: unknown, over: unknown): unknown {
  if (over === null || over === undefined) return base;
  if (Array.isArray(base) && Array.isArray(over)) return [...base, ...over];
  if (!isObject(base) || !isObject(over) || '@type' in over) return over;
  const merged: Record<string, unknown> = { ...base };
  // The two texts may spell one field differently (snake, camel); map keys come out as they went in.
  const spelling = new Map(Object.keys(base).map((key) => [snakeCase(key), key]));
  for (const [key, value] of Object.entries(over)) {
    const name = spelling.get(snakeCase(key)) ?? key;
    merged[name] = name in merged ? merge(merged[name], value) : value;
  }
  return merged;
}
