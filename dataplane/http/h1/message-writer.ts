// Writes the body of one message in its framing, and watches that it keeps to its Content-Length: a
// body longer or shorter than announced would desynchronise the connection (response splitting), so
// the codec closes it instead. Shared by ServerStream and ClientStream.

import type { Connection } from '../../api/connection.ts';
import type { HeaderFields, Trailers } from '../../api/headers.ts';
import { Framing, headerLines } from './encoder.ts';

/** State of the message being written; one per stream, armed by the head. */
export class MessageWriter {
  /** On the wire so far, heads and framing included. */
  bytes = 0;
  readonly #connection: Connection;
  #framing: Framing = Framing.None;
  /** Length: bytes still to come. */
  #remaining = 0;
  /** HEAD, 204, 304: the head may announce a body, but none is sent. */
  #suppressBody = false;
  #isTunnel = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Writes a head; `contentLength` only with Framing.Length. */
  head(text: string, framing: Framing, contentLength: number, suppressBody: boolean): void {
    this.#framing = framing;
    this.#remaining = contentLength;
    this.#suppressBody = suppressBody;
    this.text(text);
  }

  /** What is written from here on has no framing, and its end is the FIN of this direction. */
  startTunnel(): void {
    this.#framing = Framing.UntilClose;
    this.#suppressBody = false;
    this.#isTunnel = true;
  }

  /** Writes text that is not body: an informational head. */
  text(text: string): void {
    this.bytes += text.length;
    this.#connection.write(text);
  }

  /** False: more than Content-Length said (the excess was not written). */
  data(data: Buffer): boolean {
    const { length } = data;
    if (length === 0 || this.#suppressBody) return true;
    if (this.#framing === Framing.Length) {
      if (length > this.#remaining) return false;
      this.#remaining -= length;
      this.bytes += length;
      this.#connection.write(data);
      return true;
    }
    if (this.#framing === Framing.None) return false;
    if (this.#framing === Framing.Chunked) {
      const size = `${length.toString(16)}\r\n`;
      this.#connection.write(size);
      this.#connection.write(data);
      this.#connection.write('\r\n');
      this.bytes += size.length + length + 2;
    } else {
      this.#connection.write(data);
      this.bytes += length;
    }
    return true;
  }

  /** Ends the body; `trailers` null = none. False: less than Content-Length said. */
  end(trailers: Trailers | null): boolean {
    if (this.#isTunnel) {
      this.#connection.endWrite();
      return true;
    }
    if (this.#suppressBody) return true;
    if (this.#framing === Framing.Chunked) this.text(lastChunk(trailers));
    return this.#framing !== Framing.Length || this.#remaining === 0;
  }
}

/** Envoy's header_key_format does not reach trailers. */
function lastChunk(trailers: HeaderFields | null): string {
  if (trailers === null || trailers.length === 0) return '0\r\n\r\n';
  return `0\r\n${headerLines(trailers, 'lower')}\r\n`;
}
