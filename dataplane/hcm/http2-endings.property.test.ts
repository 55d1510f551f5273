// However the streams of an HTTP/2 connection end, in whatever order both sides go on, each request is logged once, its
// filters are told once, and no gauge stays behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HcmScenario, type ScriptedFilter } from '../../test/fakes/hcm.ts';
import { CLIENT_START, FramePeer, frame } from '../../test/fakes/http2.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { FilterDataStatus, FilterHeadersStatus } from '../api/http-filter.ts';
import { FrameFlag, FrameType } from '../http/h2/frames.ts';

const STREAMS = 5;
const UPGRADE = [
  ...[':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http'],
  ...[':authority', 'a.test'],
];
const VERSION = ['sec-websocket-version', '13'];
const POST = [':method', 'POST', ':scheme', 'http', ':authority', 'a.test'];
const SWITCHING = ['upgrade', 'websocket', 'connection', 'upgrade'];

type Step = { kind: (typeof kinds)[number]; stream: number; bytes: number; end: boolean };

const kinds = [
  'open',
  'upgrade',
  'data',
  'data',
  'trailers',
  'rst',
  'window',
  'head',
  'head',
  'body',
  'body',
  'endTrailers',
  'reply',
  'reset',
  'pause',
  'wait',
  'drain',
  'above',
] as const;

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    stream: fc.nat({ max: STREAMS - 1 }),
    bytes: fc.nat({ max: 300 }),
    end: fc.boolean(),
  }),
  { minLength: 10, maxLength: 60, size: 'max' },
);

class Run {
  readonly scenario: HcmScenario;
  readonly #peer = new FramePeer();
  /** By stream. */
  readonly #routers: (ScriptedFilter | undefined)[] = [];
  readonly #hasHead = new Set<number>();
  /** The client sends no more. */
  readonly #hasEnded = new Set<number>();
  #opened = 0;

  constructor() {
    const { http2 } = new HcmScenario().config.data;
    this.scenario = new HcmScenario({
      config: {
        upgrades: [{ type: 'websocket', enabled: true, filters: null }],
        http2: { ...http2, allowConnect: true, streamErrorOnInvalidHttpMessage: true },
        maxRequestsPerIoCycle: 2,
      },
      bufferLimitBytes: 200,
      filters: {
        router: {
          decodeHeaders: (filter) => {
            this.#routers[Number(filter.requestHeaders!.path.slice(1))] = filter;
            return FilterHeadersStatus.StopIteration;
          },
          decodeData: () => FilterDataStatus.StopIterationNoBuffer,
        },
      },
    });
    // Its windows are 100 bytes: most of a body waits.
    const small = frame(FrameType.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 100]));
    this.#send(CLIENT_START, small, frame(FrameType.Settings, FrameFlag.Ack, 0, ''));
  }

  #send(...frames: Buffer[]): void {
    this.scenario.send(Buffer.concat(frames).toString('latin1'));
  }

  do({ kind, stream, bytes, end }: Step): void {
    const id = 2 * stream + 1;
    const flag = end ? FrameFlag.EndStream : 0;
    const callbacks = this.#routers[stream]?.decoderCallbacks;
    const { scenario } = this;
    switch (kind) {
      case 'open':
      case 'upgrade': {
        if (this.#opened === STREAMS) return;
        const at = this.#opened++;
        const isUpgrade = kind === 'upgrade';
        if (end && !isUpgrade) this.#hasEnded.add(at);
        const flags = FrameFlag.EndHeaders | (isUpgrade ? 0 : flag);
        const fields = [...(isUpgrade ? UPGRADE : POST), ':path', `/${at}`, ...VERSION];
        this.#send(this.#peer.headers(2 * at + 1, flags, fields));
        return;
      }
      case 'data':
        if (!this.#maySend(stream, end)) return;
        this.#send(frame(FrameType.Data, flag, id, Buffer.alloc(bytes)));
        return;
      case 'trailers': {
        const flags = FrameFlag.EndHeaders | FrameFlag.EndStream;
        if (this.#maySend(stream, true)) this.#send(this.#peer.headers(id, flags, ['x', 'y']));
        return;
      }
      case 'rst':
        if (!this.#maySend(stream, true) && bytes > 30) return;
        this.#send(frame(FrameType.RstStream, 0, id, '\0\0\0\x08'));
        return;
      case 'window':
        if (stream < this.#opened) this.#send(frame(FrameType.WindowUpdate, 0, id, '\0\0\0\x40'));
        return;
      case 'head': {
        const isUpgrade = this.#routers[stream]?.requestHeaders?.get('upgrade') != null;
        const head = isUpgrade
          ? new ResponseHeaders(101, [...SWITCHING])
          : new ResponseHeaders(200, []);
        if (callbacks !== undefined) this.#hasHead.add(stream);
        callbacks?.encodeHeaders(head, end && !isUpgrade, 'via_upstream');
        return;
      }
      case 'body':
        if (this.#hasHead.has(stream)) callbacks?.encodeData(Buffer.alloc(bytes), end);
        return;
      case 'endTrailers':
        if (this.#hasHead.has(stream)) callbacks?.encodeTrailers(['x', 'y']);
        return;
      case 'reply':
        callbacks?.sendLocalReply(503, 'no', null, 'test');
        return;
      case 'reset':
        callbacks?.resetStream();
        return;
      case 'pause':
        callbacks?.onDecoderFilterAboveWriteBufferHighWatermark();
        if (end) callbacks?.onDecoderFilterBelowWriteBufferLowWatermark();
        return;
      case 'wait':
        scenario.timers.advance(bytes * 2000);
        return;
      case 'drain':
        if (bytes < 20) scenario.timers.advance(3_600_000);
        return;
      case 'above':
        scenario.connection.fillWriteBuffer();
        if (end) scenario.connection.drainWriteBuffer();
        return;
    }
  }

  #maySend(stream: number, end: boolean): boolean {
    if (stream >= this.#opened || this.#hasEnded.has(stream)) return false;
    if (end) this.#hasEnded.add(stream);
    return true;
  }

  check(): void {
    const { scenario } = this;
    assert.deepEqual(scenario.bugs, []);
    const gauges = [
      'http.test.downstream_rq_active',
      'http.test.downstream_cx_active',
      'http.test.downstream_cx_http2_active',
      'http.test.downstream_cx_upgrades_active',
      'http2.streams_active',
      'http2.pending_send_bytes',
    ];
    for (const name of gauges) assert.equal(scenario.stat(name), 0, name);
    assert.equal(scenario.logs.length, scenario.stat('http.test.downstream_rq_total'));
    const ends = scenario.journal.filter((line) => line === 'router.onDestroy');
    assert.equal(ends.length, this.#routers.filter((router) => router !== undefined).length);
  }
}

test('nothing stays behind, however streams end', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const run = new Run();
      for (const step of todo) {
        run.do(step);
        // Requests that wait for their turn get it.
        if (step.kind === 'wait') await new Promise((resolve) => setImmediate(resolve));
      }
      run.scenario.connection.remoteClose();
      await new Promise((resolve) => setImmediate(resolve));
      run.check();
    }),
    { numRuns: 150 },
  );
});
