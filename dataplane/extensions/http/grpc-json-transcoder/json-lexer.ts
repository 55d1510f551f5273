// The tokens of a JSON text, strictly as in RFC 8259. json-reader.ts drives it. The text comes from a client:
// errors are values, in Envoy's words; nesting is bounded by `depth`.

import { isUtf8 } from 'node:buffer';
import type { ByteWriter } from './byte-writer.ts';
import type { ScalarForm } from './scalars.ts';

/** Arrays and objects in each other. */
const MAX_DEPTH = 100;
/** How much of the text an error shows, before and behind its place. */
const CONTEXT_BYTES = 20;
const NO_BYTES = Buffer.alloc(0);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const COMMA = 0x2c;
const COLON = 0x3a;
/** What `peek` gives at the end. */
export const END = -1;

export class JsonLexer {
  /** '' = none. */
  error = '';
  buffer: Buffer = NO_BYTES;
  at = 0;
  /** Place of the last string without its quotes, of the last number or literal. */
  start = 0;
  end = 0;
  /** The last string cannot be taken as it stands. */
  hasEscapes = false;
  /** Arrays and objects that are open. */
  depth = 0;

  /** False when it is no UTF-8. */
  enter(text: Buffer): boolean {
    this.buffer = text;
    this.at = 0;
    this.depth = 0;
    this.error = '';
    return isUtf8(text) || this.fail('Encountered non UTF-8 code points.', text.length);
  }

  /** Lets go of the text. */
  leave(): void {
    this.buffer = NO_BYTES;
  }

  /** The first byte of the next token, which stays, or END. */
  peek(): number {
    const { buffer } = this;
    let { at } = this;
    while (at < buffer.length) {
      const byte = buffer[at]!;
      if (byte > 0x20 || !isSpace(byte)) {
        this.at = at;
        return byte;
      }
      at++;
    }
    this.at = at;
    return END;
  }

  /** Takes `{` or `[`. `where` says which value that is, for the error. */
  open(where: string): boolean {
    this.at++;
    if (++this.depth <= MAX_DEPTH) return true;
    this.error = `Message too deep. Max recursion depth reached ${where}`;
    return false;
  }

  /**
   * The next member of an object that was opened: its key is the last string then. 0 = the object ended,
   * -1 = an error.
   */
  nextKey(isFirst: boolean): 1 | 0 | -1 {
    const byte = this.peek();
    if (byte === CLOSE_BRACE) return this.#close();
    if (!isFirst) {
      if (byte !== COMMA) return this.#expected(', or } after key:value pair.');
      this.at++;
    }
    if (this.peek() !== QUOTE) return this.#expected('an object key or }.');
    if (!this.string()) return -1;
    if (this.peek() !== COLON) return this.#expected(': between key:value pair.');
    this.at++;
    return 1;
  }

  /** Whether another element follows in an array that was opened. 0 = it ended, -1 = an error. */
  nextElement(isFirst: boolean): 1 | 0 | -1 {
    const byte = this.peek();
    if (byte === CLOSE_BRACKET) return this.#close();
    if (isFirst) return 1;
    if (byte !== COMMA) return this.#expected(', or ] after array value.');
    this.at++;
    return 1;
  }

  /** Takes a string. */
  string(): boolean {
    const { buffer } = this;
    const start = this.at + 1;
    this.hasEscapes = false;
    for (let i = start; i < buffer.length; i++) {
      const byte = buffer[i]!;
      if (byte === QUOTE) {
        this.start = start;
        this.end = i;
        this.at = i + 1;
        return true;
      }
      if (byte === BACKSLASH) {
        this.hasEscapes = true;
        i = this.#escapeEnd(i);
        if (i === -1) return false;
      } else if (byte < 0x20) return this.fail('Control characters must be escaped.', i);
    }
    return this.fail('Closing quote expected in string.', buffer.length);
  }

  /** The last string, decoded. */
  text(): string {
    const { buffer, start, end } = this;
    if (!this.hasEscapes) return buffer.toString('utf8', start, end);
    // Checked by `string`: it is a JSON string.
    return JSON.parse(buffer.toString('utf8', start - 1, end + 1)) as string;
  }

  /** Writes the last string as UTF-8. */
  writeText(out: ByteWriter): void {
    if (this.hasEscapes) out.utf8(this.text());
    else out.bytes(this.buffer, this.start, this.end);
  }

  /** The last number or literal as it stands. */
  literal(): string {
    return this.buffer.toString('latin1', this.start, this.end);
  }

  /** The last string with its quotes, the last number or literal. */
  shownToken(): string {
    const { buffer, start, end } = this;
    return buffer[start - 1] === QUOTE
      ? buffer.toString('utf8', start - 1, end + 1)
      : buffer.toString('utf8', start, end);
  }

  /** Takes a number, `true`, `false` or `null`. */
  number(): boolean {
    const { buffer, at } = this;
    let i = at;
    if (buffer[i] === 0x2d) i++;
    const intStart = i;
    i = this.#digits(i);
    if (i === intStart) return this.fail('Unable to parse number.', at);
    if (buffer[intStart] === 0x30 && i > intStart + 1) {
      return this.fail('Octal/hex numbers are not valid JSON values.', at);
    }
    if (buffer[i] === 0x2e) {
      const fractionStart = i + 1;
      i = this.#digits(fractionStart);
      if (i === fractionStart) return this.fail('Unable to parse number.', at);
    }
    if (buffer[i] === 0x65 || buffer[i] === 0x45) {
      i++;
      if (buffer[i] === 0x2b || buffer[i] === 0x2d) i++;
      const exponentStart = i;
      i = this.#digits(i);
      if (i === exponentStart) return this.fail('Unable to parse number.', at);
    }
    this.start = at;
    this.end = i;
    this.at = i;
    if (Number.isFinite(Number(this.literal()))) return true;
    return this.fail('Number exceeds the range of double.', at);
  }

  /** Takes `true`, `false` or `null`; which one says its first byte. */
  word(): boolean {
    const { buffer, at } = this;
    const word = buffer[at] === 0x74 ? 'true' : buffer[at] === 0x66 ? 'false' : 'null';
    this.start = at;
    this.end = at + word.length;
    if (this.literal() !== word) return this.fail('Unexpected token.', at, at);
    this.at = this.end;
    return true;
  }

  /** Passes over a value, whatever it is. */
  skipValue(): boolean {
    switch (this.peek()) {
      case OPEN_BRACE: {
        if (!this.open('in object')) return false;
        for (let isFirst = true; ; isFirst = false) {
          const next = this.nextKey(isFirst);
          if (next !== 1) return next === 0;
          if (!this.skipValue()) return false;
        }
      }
      case OPEN_BRACKET: {
        if (!this.open('in array')) return false;
        for (let isFirst = true; ; isFirst = false) {
          const next = this.nextElement(isFirst);
          if (next !== 1) return next === 0;
          if (!this.skipValue()) return false;
        }
      }
      case QUOTE:
        return this.string();
      default:
        return this.scalar();
    }
  }

  /** Takes anything that is neither string, object nor array. */
  scalar(): boolean {
    const byte = this.peek();
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return this.number();
    if (byte === 0x74 || byte === 0x66 || byte === 0x6e) return this.word();
    if (byte === END) this.#expected('a value.');
    else if (byte >= 0x41 && byte <= 0x7a) this.fail('Unexpected token.', this.at, this.at);
    else this.#expected('a value.');
    return false;
  }

  /** Takes a string, number or word; null = the text is broken. A `null` counts as a word. */
  takeScalar(): ScalarForm | null {
    const first = this.peek();
    if (first === QUOTE) return this.string() ? 'string' : null;
    if (!this.scalar()) return null;
    return first === 0x2d || first <= 0x39 ? 'number' : 'bool';
  }

  /** What takeScalar took. */
  scalarText(form: ScalarForm): string {
    return form === 'string' ? this.text() : this.literal();
  }

  /** Nothing but white space may follow. */
  atEnd(): boolean {
    return this.peek() === END || this.fail('Parsing terminated before end of input.', this.at);
  }

  /** Sets `error`, with what stands there; the excerpt begins at `from`. */
  fail(message: string, at: number, from: number = Math.max(0, at - CONTEXT_BYTES)): false {
    const { buffer } = this;
    const isOver = at >= buffer.length;
    const excerpt = isOver ? '' : buffer.toString('utf8', from, at + CONTEXT_BYTES);
    const before = isOver ? 0 : buffer.toString('utf8', from, at).length;
    this.error = `${message}\n${excerpt}\n${' '.repeat(before)}^`;
    return false;
  }

  #expected(what: string): -1 {
    const isOver = this.at >= this.buffer.length;
    this.fail(`${isOver ? 'Unexpected end of string. ' : ''}Expected ${what}`, this.at);
    return -1;
  }

  #close(): 0 {
    this.at++;
    this.depth--;
    return 0;
  }

  #digits(from: number): number {
    const { buffer } = this;
    let at = from;
    while (buffer[at]! >= 0x30 && buffer[at]! <= 0x39) at++;
    return at;
  }

  /** Checks what stands behind a backslash; returns its last byte, -1 = an error. */
  #escapeEnd(backslash: number): number {
    const { buffer } = this;
    const at = backslash + 1;
    if (buffer[at] !== 0x75) {
      if (at < buffer.length && '"\\/bfnrt'.includes(String.fromCharCode(buffer[at]!))) return at;
      return this.#badEscape('Invalid escape sequence.', backslash);
    }
    const unit = this.#hex(at + 1);
    if (unit === -1) return this.#badEscape('Invalid escape sequence.', backslash);
    if (unit < 0xd800 || unit > 0xdfff) return at + 4;
    if (unit >= 0xdc00) return this.#badEscape('Invalid unicode code point.', backslash);
    if (buffer[at + 5] !== BACKSLASH || buffer[at + 6] !== 0x75) {
      return this.#badEscape('Missing low surrogate.', backslash);
    }
    const low = this.#hex(at + 7);
    if (low >= 0xdc00 && low <= 0xdfff) return at + 10;
    return this.#badEscape('Invalid low surrogate.', backslash);
  }

  #badEscape(message: string, at: number): -1 {
    this.fail(message, at);
    return -1;
  }

  #hex(at: number): number {
    const digits = this.buffer.toString('latin1', at, at + 4);
    return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
