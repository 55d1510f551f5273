// Both codecs against each other: whatever the order in which bodies are written, reading is paused, windows shrink
// and grow, streams are reset and bytes arrive, what nobody reset comes whole, and nothing stays behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RecordedRequest, RecordedResponse } from '../../../test/fakes/http1.ts';
import {
  frame,
  Http2ClientHarness,
  Http2ServerHarness,
  http2ClientOptions,
  http2ServerOptions,
} from '../../../test/fakes/http2.ts';
import { type RequestEncoder, type Stream, StreamResetReason } from '../../api/codec.ts';
import { RequestHeaders, ResponseHeaders } from '../../api/headers.ts';
import { POISON, sharedReadSlab } from '../../network/read-slab.ts';
import { FrameType } from './frames.ts';

const WINDOW = 65_535;
const STREAMS = 4;

const commands = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'write',
      'write',
      'write',
      'end',
      'trailers',
      'pause',
      'resume',
      'reset',
      'settings',
      'carry',
      'carry',
      'burst',
    ),
    isClient: fc.boolean(),
    stream: fc.nat({ max: STREAMS - 1 }),
    bytes: fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 40_000 })),
    piece: fc.constantFrom(0, 7, 1000, 20_000),
  }),
  { minLength: 20, maxLength: 80, size: 'max' },
);

/** `use` gets `data` where sockets are read into; it is overwritten behind. */
function lend(data: Buffer, use: (data: Buffer) => void): void {
  const lent = sharedReadSlab.memory.subarray(0, data.length);
  data.copy(lent);
  use(lent);
  lent.fill(POISON);
}

/** One direction of a stream. */
class Direction {
  sent = '';
  trailers: string | null = null;
  isEnded = false;
  hasHead = false;
  pauses = 0;
}

class Exchange {
  readonly encoder: RequestEncoder;
  readonly response: RecordedResponse;
  readonly up = new Direction();
  readonly down = new Direction();
  isReset = false;

  constructor(encoder: RequestEncoder, response: RecordedResponse) {
    this.encoder = encoder;
    this.response = response;
  }
}

class Run {
  readonly client: Http2ClientHarness;
  readonly server: Http2ServerHarness;
  readonly exchanges: Exchange[] = [];

  constructor(bufferLimitBytes: number) {
    const small = { initialStreamWindowSize: WINDOW, initialConnectionWindowSize: 70_000 };
    // Frames of a few bytes are what this is about.
    const protocol = { ...small, maxInboundWindowUpdateFramesPerDataFrameSent: 1000 };
    this.client = new Http2ClientHarness(http2ClientOptions(protocol, { bufferLimitBytes }));
    this.server = new Http2ServerHarness(http2ServerOptions(protocol, { bufferLimitBytes }));
    for (let i = 0; i < STREAMS; i++) {
      const head = new RequestHeaders('POST', `/${i}`, 'a.test', 'http', []);
      const { encoder, response } = this.client.request(head, false);
      this.exchanges.push(new Exchange(encoder, response));
    }
  }

  /** The server's side of exchange `i`, once it has heard of it. */
  request(i: number): RecordedRequest | undefined {
    return this.server.requests.find(({ headers }) => headers?.path === `/${i}`);
  }

  write(i: number, isClient: boolean, bytes: number, end: 'no' | 'data' | 'trailers'): void {
    const exchange = this.exchanges[i]!;
    const direction = isClient ? exchange.up : exchange.down;
    const encoder = isClient ? exchange.encoder : this.request(i)?.encoder;
    if (encoder === undefined || direction.isEnded) return;
    if (!isClient && !direction.hasHead) {
      direction.hasHead = true;
      this.request(i)?.encoder.encodeHeaders(new ResponseHeaders(200, []), false);
    }
    const char = String.fromCharCode(97 + (direction.sent.length % 26));
    const isEnd = end === 'data';
    lend(Buffer.alloc(bytes, char), (data) => encoder.encodeData(data, isEnd));
    direction.sent += char.repeat(bytes);
    direction.isEnded = end !== 'no';
    if (end !== 'trailers') return;
    direction.trailers = 'x-end: yes';
    encoder.encodeTrailers(['x-end', 'yes']);
  }

  pause(i: number, isClient: boolean, disable: boolean): void {
    const exchange = this.exchanges[i]!;
    // What is paused is the other side's body.
    const direction = isClient ? exchange.down : exchange.up;
    const stream: Stream | undefined = isClient ? exchange.encoder : this.request(i)?.encoder;
    if (stream === undefined || (!disable && direction.pauses === 0)) return;
    direction.pauses += disable ? 1 : -1;
    stream.readDisable(disable);
  }

  /** All of it comes while nobody reads. */
  async burst(i: number, isClient: boolean): Promise<void> {
    this.pause(i, !isClient, true);
    this.write(i, isClient, 60_000, 'no');
    await this.carry(isClient, 0);
    this.pause(i, !isClient, false);
    await this.carry(!isClient, 0);
  }

  reset(i: number, isClient: boolean): void {
    const exchange = this.exchanges[i]!;
    const stream: Stream | undefined = isClient ? exchange.encoder : this.request(i)?.encoder;
    if (stream === undefined) return;
    exchange.isReset = true;
    stream.resetStream(StreamResetReason.LocalReset);
  }

  /** As if the other side had sent SETTINGS with a window that is not larger than its true one. */
  settings(toClient: boolean, window: number): void {
    if (this.server.requests.length === 0 || this.client.settings === 0) return;
    const payload = Buffer.from([0, 4, 0, 0, window >>> 8, window & 255]);
    const bytes = frame(FrameType.Settings, 0, 0, payload);
    if (toClient) this.client.codec.onData(bytes, false);
    else this.server.codec.dispatch(bytes, false);
  }

  /** What one side has written goes to the other. Returns how much. */
  async carry(fromClient: boolean, pieceBytes: number): Promise<number> {
    const from = fromClient ? this.client : this.server;
    const bytes = await from.connection.takeOutput();
    const step = pieceBytes === 0 ? 200_000 : pieceBytes;
    for (let at = 0; at < bytes.length; at += step) {
      lend(bytes.subarray(at, at + step), (piece) => {
        if (fromClient) this.server.codec.dispatch(piece, false);
        else this.client.codec.onData(piece, false);
      });
    }
    return bytes.length;
  }

  async carryAll(): Promise<void> {
    while ((await this.carry(true, 0)) + (await this.carry(false, 0)) > 0);
  }

  /** Whatever holds something back lets go, and all streams end. */
  async end(): Promise<void> {
    await this.carryAll();
    this.settings(true, WINDOW);
    this.settings(false, WINDOW);
    for (let i = 0; i < STREAMS; i++) {
      const { up, down } = this.exchanges[i]!;
      while (down.pauses > 0) this.pause(i, true, false);
      while (up.pauses > 0) this.pause(i, false, false);
      this.write(i, true, 0, 'data');
    }
    await this.carryAll();
    for (let i = 0; i < STREAMS; i++) this.write(i, false, 0, 'data');
    await this.carryAll();
  }

  check(): void {
    const { client, server } = this;
    assert.equal(server.brokenBy, '');
    assert.deepEqual(client.errors, []);
    for (let i = 0; i < STREAMS; i++) {
      const { up, down, response, isReset } = this.exchanges[i]!;
      const request = this.request(i);
      if (isReset) continue;
      assert.ok(response.isComplete, `response ${i}`);
      assert.ok(response.body === down.sent, `body of response ${i}`);
      assert.equal(response.trailers, down.trailers);
      // One that was answered before its end is cut off.
      if (request?.isComplete !== true) {
        assert.ok(up.sent.startsWith(request!.body), `part of request ${i}`);
        continue;
      }
      assert.ok(request.body === up.sent, `body of request ${i}`);
      assert.equal(request.trailers, up.trailers);
    }
    for (const { codec, options } of [client, server]) {
      const { streamsActive, pendingSendBytes } = options.stats;
      assert.deepEqual([streamsActive, pendingSendBytes], [0, 0]);
      // Less than half of it is owed at any time.
      assert.ok(
        codec.scheduler.window >= 35_000,
        `${codec.scheduler.window} left of the connection's window`,
      );
    }
  }
}

for (const bufferLimitBytes of [0, 1000, 100_000]) {
  test(`bodies come whole in whatever order things happen, limit ${bufferLimitBytes}`, async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const run = new Run(bufferLimitBytes);
        for (const { kind, isClient, stream, bytes, piece } of steps) {
          if (kind === 'write') run.write(stream, isClient, bytes, 'no');
          else if (kind === 'end') run.write(stream, isClient, bytes, 'data');
          else if (kind === 'trailers') run.write(stream, isClient, bytes, 'trailers');
          else if (kind === 'reset') run.reset(stream, isClient);
          else if (kind === 'settings') run.settings(isClient, bytes);
          else if (kind === 'carry') await run.carry(isClient, piece);
          else if (kind === 'burst') await run.burst(stream, isClient);
          else run.pause(stream, isClient, kind === 'pause');
        }
        await run.end();
        run.check();
      }),
      { numRuns: 100 },
    );
  });
}
