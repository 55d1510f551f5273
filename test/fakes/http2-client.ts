// An HTTP/2 client on a real socket that is nothing but frames: sends what a test wants, also what no client library
// would, and keeps what comes back by stream.

import { once } from 'node:events';
import net from 'node:net';
import { FrameFlag, FrameType } from '../../dataplane/http/h2/frames.ts';
import { CLIENT_START, type Frame, FramePeer, frame, parseFrames } from './http2.ts';

/** What came back on one stream. */
export interface StreamView {
  /** Heads of 1xx, then the final one, each with its fields in the order of their names. */
  readonly heads: readonly (readonly string[])[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly ended: boolean;
  /** Code of RST_STREAM, null = none came. */
  readonly reset: number | null;
}

class StreamRecord {
  readonly heads: string[][] = [];
  body = '';
  trailers: string[] = [];
  ended = false;
  reset: number | null = null;
}

const HEADER_BYTES = 9;

export class FrameClient {
  readonly peer = new FramePeer();
  /** [last stream, code] of each GOAWAY. */
  readonly goAways: (readonly [number, number])[] = [];
  /** The server's SETTINGS have come, and were acknowledged. */
  hasSettings = false;
  /** The server has ended the connection. */
  isClosed = false;
  /** Streams that were reset. */
  resets = 0;
  protected readonly socket: net.Socket;
  readonly #streams = new Map<number, StreamRecord>();
  #unread: Buffer = Buffer.alloc(0);
  #onChange: () => void = () => {};

  protected constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (data) => this.#read(data));
    socket.on('close', () => {
      this.isClosed = true;
      this.#onChange();
    });
  }

  /** Preface and empty SETTINGS are sent; SETTINGS and PING of the server are acknowledged. */
  static async connect(port: number): Promise<FrameClient> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new FrameClient(socket);
    client.send(CLIENT_START);
    return client;
  }

  /** Goes nowhere once the server has ended the connection. */
  send(...frames: readonly Buffer[]): void {
    if (!this.isClosed) this.socket.write(Buffer.concat(frames));
  }

  /** `more` may hold pseudo headers instead of the usual ones, which then come first. */
  request(id: number, path: string, more: readonly string[] = [], method = 'GET'): Buffer {
    return this.#head(id, path, more, method, FrameFlag.EndHeaders | FrameFlag.EndStream);
  }

  /** The same with a body to come. */
  openRequest(id: number, path: string, more: readonly string[] = [], method = 'POST'): Buffer {
    return this.#head(id, path, more, method, FrameFlag.EndHeaders);
  }

  #head(id: number, path: string, more: readonly string[], method: string, flags: number): Buffer {
    const usual = [':method', method, ':path', path, ':scheme', 'http', ':authority', 'side.test'];
    const isWhole = more[0] === ':method';
    return this.peer.headers(id, flags, isWhole ? more : [...usual, ...more]);
  }

  data(id: number, text: string, endStream = true): Buffer {
    return frame(FrameType.Data, endStream ? FrameFlag.EndStream : 0, id, text);
  }

  rst(id: number, code: number): Buffer {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    return frame(FrameType.RstStream, 0, id, payload);
  }

  stream(id: number): StreamView {
    return this.#record(id);
  }

  /** Resolves when `holds`; false = it did not within `timeoutMs`. */
  async until(holds: () => boolean, timeoutMs = 5000): Promise<boolean> {
    if (holds()) return true;
    let timer: NodeJS.Timeout | undefined;
    const outcome = await new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false);
      this.#onChange = () => {
        if (holds()) resolve(true);
      };
    });
    clearTimeout(timer);
    this.#onChange = () => {};
    return outcome;
  }

  close(): void {
    this.socket.destroy();
  }

  #record(id: number): StreamRecord {
    let record = this.#streams.get(id);
    if (record === undefined) {
      record = new StreamRecord();
      this.#streams.set(id, record);
    }
    return record;
  }

  #read(data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data]);
    let end = 0;
    while (end + HEADER_BYTES <= this.#unread.length) {
      const next = end + HEADER_BYTES + this.#unread.readUIntBE(end, 3);
      if (next > this.#unread.length) break;
      end = next;
    }
    for (const one of parseFrames(this.#unread.subarray(0, end))) this.#onFrame(one);
    this.#unread = this.#unread.subarray(end);
    this.#onChange();
  }

  #onFrame(one: Frame): void {
    const { type, flags, id, payload } = one;
    const isAck = (flags & FrameFlag.Ack) !== 0;
    switch (type) {
      case FrameType.Settings:
        if (isAck) break;
        this.hasSettings = true;
        this.send(frame(FrameType.Settings, FrameFlag.Ack, 0, ''));
        break;
      case FrameType.Ping:
        if (!isAck) this.send(frame(FrameType.Ping, FrameFlag.Ack, 0, payload));
        break;
      case FrameType.Goaway:
        this.goAways.push([payload.readUInt32BE(0), payload.readUInt32BE(4)]);
        break;
      case FrameType.RstStream:
        this.#record(id).reset = payload.readUInt32BE(0);
        this.resets++;
        break;
      case FrameType.Data:
        this.#record(id).body += payload.toString('latin1');
        break;
      case FrameType.Headers:
        this.#onHeaders(this.#record(id), one);
        break;
    }
    const endsStream = type === FrameType.Data || type === FrameType.Headers;
    if (endsStream && (flags & FrameFlag.EndStream) !== 0) this.#record(id).ended = true;
  }

  #onHeaders(record: StreamRecord, one: Frame): void {
    const fields = this.peer.decode(one);
    const lines: string[] = [];
    for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
    lines.sort();
    if (lines[0]?.startsWith(':status: ') === true) record.heads.push(lines);
    else record.trailers = lines;
  }
}
