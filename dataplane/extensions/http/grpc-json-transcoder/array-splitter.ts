// The body of a client-streaming call is one JSON array: cuts it into its elements as its bytes come. Called by
// request.ts. Looks no closer at an element than it must to find its end; json-reader.ts reads it.

import { ByteQueue } from './byte-queue.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** Where in the array the bytes are. */
const State = {
  BeforeArray: 0,
  /** Behind `[`: an element or the end. */
  First: 1,
  /** Behind a comma. */
  Element: 2,
  /** In an object or array. */
  Nested: 3,
  String: 4,
  /** In a number or word. */
  Scalar: 5,
  /** Behind an element: a comma or the end. */
  Behind: 6,
  Done: 7,
} as const;
type State = (typeof State)[keyof typeof State];

export class ArraySplitter {
  /** '' = none; in Envoy's words. */
  error = '';
  #state: State = State.BeforeArray;
  /** Brackets that are open in the element. */
  #depth = 0;
  #isEscaped = false;
  readonly #kept = new ByteQueue();

  /** Kept bytes of an element that is not whole yet. */
  get bytes(): number {
    return this.#kept.length;
  }

  /** Hands each element that is whole now to `take`, in order, until it returns false. False = an error. */
  push<T>(data: Buffer, take: (owner: T, element: Buffer) => boolean, owner: T): boolean {
    let start = this.#isInElement() ? 0 : -1;
    for (let i = 0; i < data.length; i++) {
      const byte = data[i]!;
      switch (this.#state) {
        case State.Nested:
          if (byte === QUOTE) this.#state = State.String;
          else if (byte === 0x7b || byte === 0x5b) this.#depth++;
          else if ((byte === 0x7d || byte === 0x5d) && --this.#depth === 0) {
            if (!this.#element(data.subarray(start, i + 1), take, owner)) return false;
          }
          continue;
        case State.String:
          if (this.#isEscaped) this.#isEscaped = false;
          else if (byte === BACKSLASH) this.#isEscaped = true;
          else if (byte === QUOTE) {
            this.#state = State.Nested;
            if (this.#depth > 0) continue;
            if (!this.#element(data.subarray(start, i + 1), take, owner)) return false;
          }
          continue;
        case State.Scalar:
          if (!isSpace(byte) && byte !== COMMA && byte !== 0x5d) continue;
          if (!this.#element(data.subarray(start, i), take, owner)) return false;
          break;
        default:
      }
      if (isSpace(byte)) continue;
      if (!this.#between(byte)) return false;
      if (this.#isInElement()) start = i;
    }
    if (this.#isInElement()) this.#kept.push(data.subarray(start));
    return true;
  }

  /** The body is over. False = it may not be. */
  finish(): boolean {
    switch (this.#state) {
      case State.Done:
        return true;
      case State.BeforeArray:
        // No body is `{}`, as it is for other calls.
        return this.#fail('Expected an array instead of an object');
      case State.Behind:
        return this.#unexpectedEnd('Expected , or ] after array value.');
      case State.String:
        return this.#unexpectedEnd('Closing quote expected in string.');
      case State.Nested:
        return this.#unexpectedEnd('Expected , or } after key:value pair.');
      default:
        return this.#unexpectedEnd('Expected a value or ] within an array.');
    }
  }

  /** A byte that is outside of all elements and no space. */
  #between(byte: number): boolean {
    switch (this.#state) {
      case State.BeforeArray:
        if (byte === 0x5b) {
          this.#state = State.First;
          return true;
        }
        return this.#fail(
          byte === 0x7b
            ? 'Expected an array instead of an object'
            : 'Expected an array instead of a scalar value.',
        );
      case State.First:
        if (byte !== 0x5d) return this.#begin(byte);
        this.#state = State.Done;
        return true;
      case State.Element:
        return this.#begin(byte);
      case State.Behind:
        if (byte !== COMMA && byte !== 0x5d)
          return this.#fail('Expected , or ] after array value.');
        this.#state = byte === COMMA ? State.Element : State.Done;
        return true;
      default:
        return this.#fail('Parsing terminated before end of input.');
    }
  }

  #begin(byte: number): boolean {
    this.#depth = 0;
    if (byte === 0x7b || byte === 0x5b) {
      this.#state = State.Nested;
      this.#depth = 1;
    } else if (byte === QUOTE) this.#state = State.String;
    else if (byte === COMMA || byte === 0x5d || byte === 0x7d) {
      return this.#fail('Expected a value or ] within an array.');
    } else this.#state = State.Scalar;
    return true;
  }

  #element<T>(tail: Buffer, take: (owner: T, element: Buffer) => boolean, owner: T): boolean {
    this.#state = State.Behind;
    if (this.#kept.length === 0) return take(owner, tail);
    this.#kept.push(tail);
    return take(owner, this.#kept.takeAll());
  }

  #isInElement(): boolean {
    return (
      this.#state === State.Nested || this.#state === State.String || this.#state === State.Scalar
    );
  }

  #unexpectedEnd(message: string): false {
    return this.#fail(`Unexpected end of string. ${message}\n\n^`);
  }

  #fail(message: string): false {
    this.error = message;
    return false;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
