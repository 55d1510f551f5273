// What a path and a query say about the fields of a request, as a tree over the message. Made per request by
// request-match.ts; json-reader.ts weaves it into the message that it writes and takes out what it used.

import type { FieldSchema } from './schema.ts';

export interface BoundValue {
  readonly field: FieldSchema;
  readonly text: string;
}

export class FieldBindings {
  /** Fields of this message. */
  values: BoundValue[] = [];
  /** The fields in `values`: most fields of a body are in none, and a client may send many of both. */
  readonly #bound = new Set<FieldSchema>();
  readonly #fields: FieldSchema[] = [];
  readonly #children: FieldBindings[] = [];

  /** `path` leads from this message to a field, `text` is its value. */
  add(path: readonly FieldSchema[], text: string): void {
    let node: FieldBindings = this;
    for (let i = 0; i < path.length - 1; i++) node = node.#childFor(path[i]!);
    const field = path.at(-1)!;
    node.values.push({ field, text });
    node.#bound.add(field);
  }

  isEmpty(): boolean {
    return this.values.length === 0 && this.#children.length === 0;
  }

  /** What is said about a message field, which is forgotten here; null = nothing. */
  takeChild(field: FieldSchema): FieldBindings | null {
    const at = this.#fields.indexOf(field);
    if (at === -1) return null;
    this.#fields.splice(at, 1);
    return this.#children.splice(at, 1)[0]!;
  }

  /** The value said about a singular field, which is forgotten; null = none. */
  takeValue(field: FieldSchema): string | null {
    if (!this.#bound.delete(field)) return null;
    let taken = '';
    const left: BoundValue[] = [];
    for (const value of this.values) {
      if (value.field === field) taken = value.text;
      else left.push(value);
    }
    this.values = left;
    return taken;
  }

  /** The message fields that are left, with what is said about them. */
  takeChildren(): readonly (readonly [FieldSchema, FieldBindings])[] {
    const children = this.#fields.map((field, i) => [field, this.#children[i]!] as const);
    this.#fields.length = 0;
    this.#children.length = 0;
    return children;
  }

  #childFor(field: FieldSchema): FieldBindings {
    const at = this.#fields.indexOf(field);
    if (at !== -1) return this.#children[at]!;
    const child = new FieldBindings();
    this.#fields.push(field);
    this.#children.push(child);
    return child;
  }
}
