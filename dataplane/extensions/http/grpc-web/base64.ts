// Base64 as it streams in application/grpc-web-text, in both directions. Called by filter.ts; keeps at most
// three characters or two bytes between pieces.

import { FrameScanner } from '../../_shared/grpc/frame-scanner.ts';

const EMPTY = Buffer.alloc(0);

/** Of the request: RFC 4648 section 4, padding mandatory; it may also end each of several parts of the body. */
export class Base64Decoder {
  /** Characters of a group of four that is not whole. */
  #rest: string;

  constructor() {
    this.#rest = '';
  }

  /** The body ended inside a group. */
  get isIncomplete(): boolean {
    return this.#rest !== '';
  }

  /** The bytes of all whole groups so far (none: empty); null = this is no base64. */
  decode(data: Buffer): Buffer | null {
    const text = this.#rest + data.toString('latin1');
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    const padding = text.indexOf('=');
    if (padding === -1 || padding >= whole - 4) return decodePart(text.slice(0, whole));
    const parts: Buffer[] = [];
    for (let at = 0; at < whole; ) {
      const next = text.indexOf('=', at);
      // To the end of the group that is padded.
      const end = next === -1 || next >= whole ? whole : next - (next % 4) + 4;
      const part = decodePart(text.slice(at, end));
      if (part === null) return null;
      parts.push(part);
      at = end;
    }
    return Buffer.concat(parts);
  }
}

/** Node takes what is no base64, too: only what it would write again the same way is some. */
function decodePart(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

/** Of the response: padding ends each message, as Envoy writes it, but no message is waited for. */
export class Base64Encoder {
  readonly #scanner: FrameScanner;
  /** The bytes of a group of three that is not whole. */
  #rest: Buffer;

  constructor() {
    this.#scanner = new FrameScanner();
    this.#rest = EMPTY;
  }

  /** '' = nothing can be written yet. */
  encode(data: Buffer): string {
    let text = '';
    for (let at = 0; at < data.length; ) {
      const end = this.#scanner.advance(data, at);
      const piece = data.subarray(at, end);
      const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
      const whole = this.#scanner.isBetweenMessages
        ? bytes.length
        : bytes.length - (bytes.length % 3);
      text += bytes.toString('base64', 0, whole);
      // A copy: what was read lies in memory that is read into again.
      this.#rest = whole === bytes.length ? EMPTY : Buffer.from(bytes.subarray(whole));
      at = end;
    }
    return text;
  }

  /** The rest of a body that ends inside a message. */
  flush(): string {
    const text = this.#rest.toString('base64');
    this.#rest = EMPTY;
    return text;
  }
}
