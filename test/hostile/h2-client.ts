// The HTTP/2 client of suite C: frames by hand, as FrameClient, and what the rows ask for.

import { CLIENT_START, GET } from '../fakes/http2.ts';
import { FrameClient } from '../fakes/http2-client.ts';
import type { HostileScene } from './harness.ts';

const ENOUGH_MS = 10_000;

export class RawHttp2Client extends FrameClient {
  /** `start` null = the preface is the caller's business. */
  static open(scene: HostileScene, start: Buffer | null = CLIENT_START): RawHttp2Client {
    const client = new RawHttp2Client(scene.connect());
    if (start !== null) client.send(start);
    return client;
  }

  /** Reads nothing until `true`. */
  setReading(reads: boolean): void {
    if (reads) this.socket.resume();
    else this.socket.pause();
  }

  /** As FrameClient, but no longer than the connection lives. */
  override async until(holds: () => boolean, timeoutMs = ENOUGH_MS): Promise<boolean> {
    await super.until(() => holds() || this.isClosed, timeoutMs);
    return holds();
  }

  untilClosed(timeoutMs = ENOUGH_MS): Promise<boolean> {
    return this.until(() => this.isClosed, timeoutMs);
  }

  /** Code of the last GOAWAY, -1 = none came. */
  goawayCode(): number {
    return this.goAways.at(-1)?.[1] ?? -1;
  }

  /** Code of a stream's RST_STREAM, -1 = none came. */
  resetCode(id: number): number {
    return this.stream(id).reset ?? -1;
  }

  /** Of the last head; 0 = no answer yet. */
  status(id: number): number {
    return Number(this.stream(id).heads.at(-1)?.[0]?.slice(':status: '.length) ?? 0);
  }

  hasEnded(id: number): boolean {
    return this.stream(id).ended;
  }

  /** A good request on this connection; true = it was answered with 200. */
  async good(id: number): Promise<boolean> {
    this.send(this.peer.headers(id, 5, [...GET.slice(0, 7), '/good']));
    await this.until(() => this.hasEnded(id));
    return this.status(id) === 200;
  }
}
