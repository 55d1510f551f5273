// The body of one response on its way to the client: gRPC frames become JSON, or the bytes of a
// google.api.HttpBody. Made by filter.ts when a gRPC response begins; keeps no more than one message, within a
// limit, and for a call without a stream its JSON.

import { FRAME_HEADER_BYTES } from '../../_shared/grpc/frame-scanner.ts';
import type { MethodData, PrintOptionsData } from './data.ts';
import { FrameReader } from './frames.ts';
import { unwrapHttpBody } from './http-body.ts';
import type { JsonWriter } from './json-writer.ts';
import type { MessageSchema } from './schema.ts';

/** Why a body cannot go on. */
export const ResponseFailure = {
  None: 0,
  TooLarge: 1,
  /** A message that is not what its type says. */
  Invalid: 2,
  /** No gRPC frames. */
  BadFrames: 3,
} as const;
export type ResponseFailure = (typeof ResponseFailure)[keyof typeof ResponseFailure];

/** What comes before a message, between two, behind each, and at the end of a stream. */
interface StreamStyle {
  readonly first: string;
  readonly next: string;
  readonly behind: string;
  readonly end: string;
  readonly empty: string;
}

const STYLES: Readonly<Record<PrintOptionsData['streamStyle'], StreamStyle>> = {
  array: { first: '[', next: ',', behind: '', end: ']', empty: '[]' },
  newline: { first: '', next: '', behind: '\n', end: '', empty: '' },
  sse: { first: 'data: ', next: 'data: ', behind: '\n\n', end: '', empty: '' },
};

const NO_BYTES = Buffer.alloc(0);

export class ResponseBody {
  failure: ResponseFailure = ResponseFailure.None;
  /** Of all failures but TooLarge. */
  error = '';
  /** Of the first HttpBody; null = none has come. */
  contentType: string | null = null;
  /** JSON of a call without a stream, or what came since the last `take`. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #hasMessage = false;
  #isEnded = false;
  readonly #frames = new FrameReader();
  readonly #isStreaming: boolean;
  readonly #httpBodyPath: readonly number[] | null;
  readonly #output: MessageSchema;
  readonly #writer: JsonWriter;
  readonly #style: StreamStyle;
  readonly #limitBytes: number;

  /** `limitBytes`: of one frame, 0 = none. */
  constructor(
    { isServerStreaming }: MethodData,
    httpBodyPath: readonly number[] | null,
    output: MessageSchema,
    writer: JsonWriter,
    streamStyle: PrintOptionsData['streamStyle'],
    limitBytes: number,
  ) {
    this.#isStreaming = isServerStreaming;
    this.#httpBodyPath = httpBodyPath;
    this.#output = output;
    this.#writer = writer;
    this.#style = STYLES[streamStyle];
    this.#limitBytes = limitBytes;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#frames.bytes + this.#pieceBytes;
  }

  /** Takes a piece of the body. False = `failure`. */
  push(data: Buffer): boolean {
    const frames = this.#frames;
    frames.push(data);
    for (;;) {
      const message = frames.next();
      if (message === null) return this.#isWithin(frames.bytes);
      if (!this.#isWithin(FRAME_HEADER_BYTES + message.length)) return false;
      if (frames.flags !== 0)
        return this.#badFrames(`Unsupported gRPC frame flag: ${frames.flags}`);
      if (this.#hasMessage && !this.#isStreaming) continue;
      const isGood = this.#httpBodyPath === null ? this.#json(message) : this.#httpBody(message);
      if (!isGood) return false;
      this.#hasMessage = true;
    }
  }

  /** The body is over. False = `failure`. */
  finish(): boolean {
    const error = this.#frames.endError();
    if (error !== '') return this.#badFrames(error);
    if (this.#isStreaming && this.#httpBodyPath === null && !this.#isEnded) {
      const text = this.#hasMessage ? this.#style.end : this.#style.empty;
      if (text !== '') this.#add(Buffer.from(text));
    }
    this.#isEnded = true;
    return true;
  }

  /** What can go to the client now; empty when nothing can. */
  take(): Buffer {
    const pieces = this.#pieces;
    if (pieces.length === 0) return NO_BYTES;
    this.#pieces = [];
    this.#pieceBytes = 0;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  #json(message: Buffer): boolean {
    const { out } = this.#writer;
    out.reset();
    if (this.#isStreaming) out.latin1(this.#hasMessage ? this.#style.next : this.#style.first);
    if (!this.#writer.write(this.#output, message)) {
      this.failure = ResponseFailure.Invalid;
      this.error = this.#writer.error;
      return false;
    }
    if (this.#isStreaming) out.latin1(this.#style.behind);
    this.#add(out.take());
    return true;
  }

  #httpBody(message: Buffer): boolean {
    // An empty message says nothing about its body.
    if (message.length === 0) return true;
    const body = unwrapHttpBody(message, this.#httpBodyPath!);
    if (body === null) {
      this.failure = ResponseFailure.Invalid;
      this.error = 'unexpected EOF';
      return false;
    }
    this.contentType ??= body.contentType;
    if (body.data.length > 0) this.#add(body.data);
    return true;
  }

  #isWithin(bytes: number): boolean {
    if (this.#limitBytes === 0 || bytes <= this.#limitBytes) return true;
    this.failure = ResponseFailure.TooLarge;
    return false;
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  #badFrames(error: string): false {
    this.failure = ResponseFailure.BadFrames;
    this.error = error;
    return false;
  }
}
