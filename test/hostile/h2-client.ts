// A client that speaks HTTP/2 frames by hand, for suite C: sends what no codec would send and reads what comes back,
// frame by frame.

import type net from 'node:net';
import { FrameType } from '../../dataplane/http/h2/frames.ts';
import { HpackDecoder } from '../../dataplane/http/h2/hpack/decoder.ts';
import { CLIENT_START, type Frame, FramePeer, GET, parseFrames } from '../fakes/http2.ts';
import type { HostileScene } from './harness.ts';

const ENOUGH_MS = 10_000;

export class RawHttp2Client {
  readonly socket: net.Socket;
  readonly peer = new FramePeer();
  /** All that came, oldest first. */
  readonly frames: Frame[] = [];
  /** The proxy ended the connection. */
  isClosed = false;
  readonly #decoder = new HpackDecoder(4096);
  readonly #statuses = new Map<number, number>();
  #partial = Buffer.alloc(0);
  #wake: (() => void) | null = null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true;
        this.#wake?.();
      });
    }
  }

  /** `start` null = the preface is the caller's business. */
  static open(scene: HostileScene, start: Buffer | null = CLIENT_START): RawHttp2Client {
    const client = new RawHttp2Client(scene.connect());
    if (start !== null) client.send(start);
    return client;
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.isClosed) this.socket.write(Buffer.concat(parts));
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#partial, chunk]);
    const frames = parseFrames(bytes).filter((each) => each.payload.length === lengthOf(each));
    const used = frames.reduce((sum, { payload }) => sum + 9 + payload.length, 0);
    this.#partial = bytes.subarray(used);
    for (const each of frames) {
      this.frames.push(each);
      if (each.type !== FrameType.Headers) continue;
      this.#decoder.decode(each.payload, 0, each.payload.length, 1000, 1_000_000);
      const { fields } = this.#decoder;
      if (fields[0] === ':status') this.#statuses.set(each.id, Number(fields[1]));
    }
    this.#wake?.();

    function lengthOf({ payload }: Frame): number {
      // parseFrames cuts the last payload short when it is not whole.
      return bytes.readUIntBE(payload.byteOffset - bytes.byteOffset - 9, 3);
    }
  }

  /** Waits until `isEnough`, or until nothing more can come. False = it never was. */
  async until(isEnough: () => boolean, timeoutMs = ENOUGH_MS): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!isEnough()) {
      const leftMs = deadlineMs - performance.now();
      if (this.isClosed || leftMs <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  async untilClosed(timeoutMs = ENOUGH_MS): Promise<boolean> {
    await this.until(() => this.isClosed, timeoutMs);
    return this.isClosed;
  }

  /** Code of the GOAWAY, -1 = none came. */
  goawayCode(): number {
    return (
      this.frames.findLast(({ type }) => type === FrameType.Goaway)?.payload.readUInt32BE(4) ?? -1
    );
  }

  /** Code of a stream's RST_STREAM, -1 = none came. */
  resetCode(id: number): number {
    const reset = this.frames.find((each) => each.type === FrameType.RstStream && each.id === id);
    return reset === undefined ? -1 : reset.payload.readUInt32BE(0);
  }

  /** 0 = no answer yet. */
  status(id: number): number {
    return this.#statuses.get(id) ?? 0;
  }

  body(id: number): string {
    const data = this.frames.filter((each) => each.type === FrameType.Data && each.id === id);
    return Buffer.concat(data.map(({ payload }) => payload)).toString('latin1');
  }

  hasEnded(id: number): boolean {
    return this.frames.some(
      (each) => each.id === id && each.type <= FrameType.Headers && (each.flags & 1) === 1,
    );
  }

  /** A good request on this connection; true = it was answered with 200. */
  async good(id: number): Promise<boolean> {
    this.send(this.peer.headers(id, 5, [...GET.slice(0, 7), '/good']));
    await this.until(() => this.hasEnded(id));
    return this.status(id) === 200;
  }

  close(): void {
    this.socket.destroy();
  }
}
