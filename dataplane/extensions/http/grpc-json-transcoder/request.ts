// The body of one request on its way to the upstream: JSON, or bytes for a google.api.HttpBody, become gRPC
// frames. Made by filter.ts once the method is known; keeps no more than one message, within a limit.

import { ArraySplitter } from './array-splitter.ts';
import { ByteQueue } from './byte-queue.ts';
import { FieldBindings } from './field-bindings.ts';
import { wrapHttpBody } from './http-body.ts';
import type { JsonReader } from './json-reader.ts';
import type { MatchedRequest } from './request-match.ts';

/** Why a body cannot go on. */
export const RequestFailure = { None: 0, TooLarge: 1, Invalid: 2 } as const;
export type RequestFailure = (typeof RequestFailure)[keyof typeof RequestFailure];

const NO_BYTES = Buffer.alloc(0);

export class RequestBody {
  failure: RequestFailure = RequestFailure.None;
  /** Of RequestFailure.Invalid. */
  error = '';
  /** Frames go out as the body comes, instead of one when it is over. */
  readonly isStreaming: boolean;
  readonly #match: MatchedRequest;
  readonly #reader: JsonReader;
  readonly #limitBytes: number;
  readonly #splitter: ArraySplitter | null;
  readonly #text = new ByteQueue();
  /** For the first message only. */
  #bindings: FieldBindings | null;
  #contentType: string;
  #hasSent = false;
  #frames: Buffer[] = [];

  /** `limitBytes`: of one message's text, 0 = none. `contentType`: the client's, for an HttpBody. */
  constructor(match: MatchedRequest, reader: JsonReader, limitBytes: number, contentType: string) {
    this.#match = match;
    this.#reader = reader;
    this.#limitBytes = limitBytes;
    this.#bindings = match.bindings;
    this.#contentType = contentType;
    const { isHttpBodyRequest, method } = match.binding;
    this.isStreaming = method.isClientStreaming;
    this.#splitter = this.isStreaming && !isHttpBodyRequest ? new ArraySplitter() : null;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#splitter === null ? this.#text.length : this.#splitter.bytes;
  }

  /** Takes a piece of the body. False = `failure`. */
  push(data: Buffer): boolean {
    if (this.#splitter !== null) {
      if (!this.#splitter.push(data, takeElement, this)) {
        if (this.failure === RequestFailure.None) this.#invalid(this.#splitter.error);
        return false;
      }
      return this.#isWithin(this.#splitter.bytes);
    }
    if (data.length === 0) return true;
    this.#text.push(data);
    if (!this.#isWithin(this.#text.length)) return false;
    return !this.isStreaming || this.#wrapBody();
  }

  /** The body is over. False = `failure`. */
  finish(): boolean {
    if (this.#splitter !== null) {
      return this.#splitter.finish() || this.#invalid(this.#splitter.error);
    }
    if (this.#match.binding.isHttpBodyRequest) {
      return (this.#hasSent && this.#text.length === 0) || this.#wrapBody();
    }
    return this.addMessage(this.#text.takeAll());
  }

  /** The frames made so far, once; empty when none. */
  takeFrames(): Buffer {
    const frames = this.#frames;
    if (frames.length === 0) return NO_BYTES;
    this.#frames = [];
    return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
  }

  /** One JSON text. */
  addMessage(text: Buffer): boolean {
    if (!this.#isWithin(text.length)) return false;
    const { input, bodyPath } = this.#match.binding;
    const frame = this.#reader.read(input, text, bodyPath, this.#takeBindings());
    if (frame === null) return this.#invalid(this.#reader.error);
    this.#frames.push(frame);
    return true;
  }

  #wrapBody(): boolean {
    const { binding, unknownParameters } = this.#match;
    const tail = wrapHttpBody(
      binding.bodyPath,
      this.#contentType,
      this.#text.takeAll(),
      this.#hasSent ? null : unknownParameters,
    );
    this.#contentType = '';
    this.#hasSent = true;
    const frame = this.#reader.readBindings(this.#takeBindings() ?? new FieldBindings(), tail);
    if (frame === null) return this.#invalid(this.#reader.error);
    this.#frames.push(frame);
    return true;
  }

  #takeBindings(): FieldBindings | null {
    const bindings = this.#bindings;
    this.#bindings = null;
    return bindings;
  }

  #isWithin(bytes: number): boolean {
    if (this.#limitBytes === 0 || bytes <= this.#limitBytes) return true;
    this.failure = RequestFailure.TooLarge;
    return false;
  }

  #invalid(error: string): false {
    this.failure = RequestFailure.Invalid;
    this.error = error;
    return false;
  }
}

function takeElement(body: RequestBody, element: Buffer): boolean {
  return body.addMessage(element);
}
