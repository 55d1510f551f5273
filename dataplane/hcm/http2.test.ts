// The connection manager over HTTP/2, with the real codec: what differs from one request at a time.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeConnection, fakeTls } from '../../test/fakes/connection.ts';
import {
  fakeRoute,
  HcmScenario,
  type HcmScenarioOptions,
  type ScriptedFilter,
} from '../../test/fakes/hcm.ts';
import { CLIENT_START, type Frame, FramePeer, frame, parseFrames } from '../../test/fakes/http2.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import { immediateDrain } from '../api/drain.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { FilterHeadersStatus } from '../api/http-filter.ts';
import { ResponseFlag } from '../api/stream-info.ts';
import { ErrorCode, FrameFlag, FrameType } from '../http/h2/frames.ts';

const WHOLE = FrameFlag.EndHeaders | FrameFlag.EndStream;
const LAST_STREAM = 0x7fffffff;

/** A client of frames, and the router filters of all its streams. */
class Http2Scenario {
  readonly scenario: HcmScenario;
  readonly peer = new FramePeer();
  /** By order of the requests. */
  readonly routers: ScriptedFilter[] = [];

  constructor(options: HcmScenarioOptions = {}) {
    this.scenario = new HcmScenario({
      ...options,
      filters: {
        ...options.filters,
        router: {
          decodeHeaders: (filter) => {
            this.routers.push(filter);
            return FilterHeadersStatus.StopIteration;
          },
        },
      },
    });
  }

  start(): this {
    this.send(Buffer.concat([CLIENT_START, frame(FrameType.Settings, FrameFlag.Ack, 0, '')]));
    return this;
  }

  send(bytes: Buffer): void {
    this.scenario.send(bytes.toString('latin1'));
  }

  request(id: number, more: readonly string[] = [], method = 'GET', flags: number = WHOLE): Buffer {
    const head = [':method', method, ':scheme', 'http', ':authority', 'a.test', ':path', '/'];
    return this.peer.headers(id, flags, [...head, ...more]);
  }

  rst(id: number): Buffer {
    return frame(FrameType.RstStream, 0, id, Buffer.from([0, 0, 0, ErrorCode.Cancel]));
  }

  answer(at: number, status = 200): void {
    const { decoderCallbacks } = this.routers[at]!;
    decoderCallbacks.encodeHeaders(new ResponseHeaders(status, []), true, 'via_upstream');
  }

  /** Frames since the last call; gathered ones are handed over at the end of the tick. */
  async sent(): Promise<Frame[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return parseFrames(Buffer.from(this.scenario.connection.takeWritten(), 'latin1'));
  }

  /** Last-stream ids of the GOAWAY frames since the last call of sent(). */
  async goAways(): Promise<number[]> {
    const frames = (await this.sent()).filter(({ type }) => type === FrameType.Goaway);
    return frames.map(({ payload }) => payload.readUInt32BE(0));
  }

  stat(name: string): number {
    return this.scenario.stat(`http.test.${name}`);
  }
}

const isHead = ({ type }: Frame) => type === FrameType.Headers;

describe('the choice of the codec', () => {
  const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n';
  const tls = (alpn: string) => {
    const connection = new FakeConnection();
    connection.tls = fakeTls({ alpn });
    return connection;
  };

  it('AUTO knows HTTP/2 by its preface, also byte by byte', () => {
    for (const connection of [new FakeConnection(), tls('')]) {
      const http2 = new Http2Scenario({ connection });
      for (const byte of CLIENT_START) http2.send(Buffer.of(byte));
      http2.send(http2.request(1));
      assert.equal(http2.routers.length, 1);
      http2.answer(0);
      assert.equal(http2.stat('downstream_cx_http2_total'), 1);
      assert.equal(http2.stat('downstream_cx_http2_active'), 1);
      assert.equal(http2.stat('downstream_rq_http2_total'), 1);
      assert.equal(http2.stat('downstream_cx_http1_total'), 0);
      assert.equal(http2.stat('downstream_rq_http1_total'), 0);
      assert.equal(http2.scenario.connectionInfo.protocol, 'HTTP/2');
      connection.remoteClose();
      assert.equal(http2.stat('downstream_cx_http2_active'), 0);
    }
  });

  it('AUTO takes what begins like a preface and goes on otherwise for HTTP/1', () => {
    const http1 = new HcmScenario();
    for (const character of POST) http1.send(character);
    assert.equal(http1.upstreamRequest.method, 'POST');
    assert.equal(http1.stat('http.test.downstream_cx_http1_total'), 1);
    assert.equal(http1.stat('http.test.downstream_rq_http1_total'), 1);
    assert.equal(http1.stat('http.test.downstream_rq_http2_total'), 0);
  });

  it('ALPN decides where there is one', () => {
    const http2 = new Http2Scenario({ connection: tls('h2') });
    http2.send(Buffer.from(POST));
    assert.equal(http2.stat('downstream_cx_http2_total'), 1);
    assert.equal(http2.stat('downstream_cx_protocol_error'), 1);
    assert.equal(http2.scenario.connection.isOpen(), false);
    const http1 = new Http2Scenario({ connection: tls('http/1.1') }).start();
    assert.equal(http1.stat('downstream_cx_http1_total'), 1);
    assert.match(http1.scenario.connection.written, /^HTTP\/1.1 (400|505) /);
  });

  it('codec_type HTTP2 speaks nothing else', async () => {
    const http2 = new Http2Scenario({ config: { codecType: 'HTTP2' } });
    http2.send(Buffer.from(POST));
    assert.deepEqual(await http2.goAways(), [0]);
    assert.equal(http2.scenario.connection.closedBy, ConnectionCloseType.FlushWriteAndDelay);
    assert.equal(http2.stat('downstream_cx_protocol_error'), 1);
  });

  it('half a preface is answered like half a head: 408 after request_headers_timeout', () => {
    const scenario = new HcmScenario({ config: { requestHeadersTimeoutMs: 1000 } });
    scenario.send('PR');
    scenario.timers.advance(999);
    assert.equal(scenario.connection.written, '');
    scenario.timers.advance(1);
    assert.match(scenario.connection.written, /^HTTP\/1.1 408 /);
    assert.equal(scenario.stat('http.test.downstream_rq_header_timeout'), 1);
    assert.equal(scenario.connection.isOpen(), false);
  });

  it('half a preface is forgotten with its connection', () => {
    const scenario = new HcmScenario({ config: { requestHeadersTimeoutMs: 1000 } });
    scenario.send('PRI *');
    scenario.connection.remoteClose();
    assert.equal(scenario.timers.armedCount(), 0);
    assert.equal(scenario.stat('http.test.downstream_cx_active'), 0);
  });
});

describe('many streams on one connection', () => {
  it('are answered in any order, each with its log line', async () => {
    const http2 = new Http2Scenario().start();
    const count = 1000;
    for (let i = 0; i < count; i++) http2.send(http2.request(2 * i + 1));
    assert.equal(http2.stat('downstream_rq_active'), count);
    await http2.sent();
    for (let i = 0; i < count; i++) http2.answer((i * 7) % count);
    const heads = (await http2.sent()).filter(isHead);
    assert.deepEqual(
      heads.map(({ id }) => id),
      Array.from({ length: count }, (_, i) => 2 * ((i * 7) % count) + 1),
    );
    assert.equal(http2.scenario.logs.length, count);
    assert.equal(http2.stat('downstream_rq_active'), 0);
    assert.equal(http2.stat('downstream_rq_2xx'), count);
    assert.equal(http2.stat('downstream_cx_total'), 1);
    http2.scenario.connection.remoteClose();
    assert.equal(http2.stat('downstream_cx_destroy_active_rq'), 0);
  });

  it('end with their connection, which counts once', () => {
    const http2 = new Http2Scenario().start();
    for (const id of [1, 3, 5]) http2.send(http2.request(id));
    http2.answer(1);
    http2.scenario.connection.remoteClose();
    assert.equal(http2.stat('downstream_cx_destroy_remote_active_rq'), 1);
    assert.equal(http2.stat('downstream_rq_rx_reset'), 2);
    assert.deepEqual(
      http2.scenario.logs.map(({ code, flags, details }) => [code, flags, details]),
      [
        [200, 0, 'via_upstream'],
        [0, ResponseFlag.DownstreamConnectionTermination, 'downstream_remote_disconnect'],
        [0, ResponseFlag.DownstreamConnectionTermination, 'downstream_remote_disconnect'],
      ],
    );
    http2.scenario.config.streamTimers.dispose();
    assert.equal(http2.scenario.timers.armedCount(), 0);
  });

  it('a 400, or any answer before the end of a request, ends its stream alone', async () => {
    const http2 = new Http2Scenario().start();
    http2.send(http2.request(1));
    http2.send(http2.request(3, [], 'POST', FrameFlag.EndHeaders));
    await http2.sent();
    http2.routers[1]!.decoderCallbacks.sendLocalReply(400, '', null, 'bad');
    const frames = await http2.sent();
    assert.deepEqual(
      frames.map(({ type, id }) => [type, id]),
      [
        [FrameType.Headers, 3],
        [FrameType.RstStream, 3],
      ],
    );
    assert.equal(frames[1]!.payload.readUInt32BE(0), ErrorCode.NoError);
    assert.ok(!http2.peer.decode(frames[0]!).includes('connection'));
    assert.equal(http2.stat('downstream_rq_response_before_rq_complete'), 1);
    assert.equal(http2.stat('downstream_rq_rx_reset'), 1);
    // What the client sends before it hears of the reset goes nowhere.
    http2.send(frame(FrameType.Data, FrameFlag.EndStream, 3, 'late'));
    http2.answer(0);
    assert.deepEqual((await http2.sent()).map(({ id }) => id).at(-1), 1);
    assert.equal(http2.scenario.connection.isOpen(), true);
    assert.equal(http2.stat('downstream_rq_active'), 0);
  });

  it('a request that the client resets: DR, http2.remote_reset', () => {
    const http2 = new Http2Scenario().start();
    http2.send(http2.request(1));
    http2.send(http2.rst(1));
    const [line] = http2.scenario.logs;
    assert.equal(line?.flags, ResponseFlag.DownstreamRemoteReset);
    assert.equal(line?.details, 'http2.remote_reset');
    assert.equal(line?.code, 0);
    assert.equal(http2.scenario.connection.isOpen(), true);
  });

  it('a broken connection tells every open stream why', async () => {
    const http2 = new Http2Scenario().start();
    http2.send(http2.request(1));
    http2.send(http2.request(3));
    http2.send(frame(FrameType.Data, 0, 0, 'x'));
    assert.deepEqual((await http2.goAways()).length, 1);
    assert.equal(http2.scenario.connection.closedBy, ConnectionCloseType.FlushWriteAndDelay);
    for (const { code, flags, details } of http2.scenario.logs) {
      assert.equal(code, 0);
      assert.equal(flags, ResponseFlag.DownstreamProtocolError);
      assert.match(details, /^codec_error:http2\.[a-z_]+$/);
    }
    assert.equal(http2.scenario.logs.length, 2);
    assert.equal(http2.stat('downstream_cx_protocol_error'), 1);
    assert.equal(http2.stat('downstream_cx_destroy_local_active_rq'), 1);
    assert.equal(http2.stat('downstream_rq_active'), 0);
    assert.match(http2.scenario.connection.connectionTerminationDetails, /^codec_error:/);
  });

  it('a malformed request is logged with its detail', () => {
    const http2 = new Http2Scenario().start();
    http2.send(http2.request(1, ['connection', 'close']));
    const [line] = http2.scenario.logs;
    assert.equal(line?.method, null);
    assert.equal(line?.flags, ResponseFlag.DownstreamProtocolError);
    assert.match(line?.details ?? '', /^http2\./);
    assert.equal(http2.stat('downstream_cx_protocol_error'), 1);
  });

  it('timers are per stream', async () => {
    const http2 = new Http2Scenario({ config: { streamIdleTimeoutMs: 1000 } }).start();
    http2.send(http2.request(1));
    http2.scenario.timers.advance(600);
    http2.send(http2.request(3));
    await http2.sent();
    http2.scenario.timers.advance(400);
    const heads = (await http2.sent()).filter(isHead);
    assert.deepEqual(
      heads.map(({ id }) => id),
      [1],
    );
    assert.equal(http2.scenario.logs[0]?.code, 504);
    http2.scenario.timers.advance(600);
    assert.equal(http2.scenario.logs[1]?.code, 504);
    assert.equal(http2.stat('downstream_rq_idle_timeout'), 2);
    assert.equal(http2.scenario.connection.isOpen(), true);
  });

  it('a client that does not read stops each of them', () => {
    const http2 = new Http2Scenario().start();
    http2.send(http2.request(1));
    http2.scenario.connection.fillWriteBuffer();
    http2.send(http2.request(3));
    const calls: string[] = [];
    for (const [at, router] of http2.routers.entries()) {
      router.decoderCallbacks.addDownstreamWatermarkCallbacks({
        onAboveWriteBufferHighWatermark: () => calls.push(`${at} high`),
        onBelowWriteBufferLowWatermark: () => calls.push(`${at} low`),
      });
    }
    http2.scenario.connection.drainWriteBuffer();
    assert.deepEqual(calls, ['0 high', '1 high', '0 low', '1 low']);
  });
});

describe('the end of a connection', () => {
  const config = { drainTimeoutMs: 1000 };

  it('after idle_timeout: two GOAWAYs, and a request that crosses the first is served', async () => {
    const http2 = new Http2Scenario({ config: { ...config, idleTimeoutMs: 2000 } }).start();
    await http2.sent();
    http2.scenario.timers.advance(2000);
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    assert.equal(http2.stat('downstream_cx_idle_timeout'), 1);
    http2.send(http2.request(1));
    http2.scenario.timers.advance(1000);
    assert.deepEqual(await http2.goAways(), [1]);
    assert.equal(http2.scenario.connection.isOpen(), true);
    // Behind the last GOAWAY: the client sends it again elsewhere.
    http2.send(http2.request(3));
    assert.equal(http2.routers.length, 1);
    http2.answer(0);
    assert.equal(http2.scenario.logs[0]?.code, 200);
    assert.equal(http2.scenario.connection.isOpen(), false);
    assert.equal(http2.scenario.stat('http2.goaway_sent'), 1);
  });

  it('after max_connection_duration, also with requests open and with the HTTP/1 safeguard', async () => {
    const durations = { maxConnectionDurationMs: 2000, http1SafeMaxConnectionDuration: true };
    const http2 = new Http2Scenario({ config: { ...config, ...durations } }).start();
    http2.send(http2.request(1));
    await http2.sent();
    http2.scenario.timers.advance(2000);
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    http2.scenario.timers.advance(1000);
    assert.deepEqual(await http2.goAways(), [1]);
    http2.answer(0);
    assert.equal(http2.scenario.connection.isOpen(), false);
    assert.equal(http2.stat('downstream_cx_max_duration_reached'), 1);
  });

  it('both delays have a jitter', async () => {
    const jitters = { maxConnectionDurationJitterPercent: 100, drainTimeoutJitterPercent: 20 };
    const durations = { maxConnectionDurationMs: 2000, ...jitters };
    const http2 = new Http2Scenario({ config: { ...config, ...durations } }).start();
    await http2.sent();
    http2.scenario.timers.advance(2999); // random() is 0.5 here
    assert.deepEqual(await http2.goAways(), []);
    http2.scenario.timers.advance(1);
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    http2.scenario.timers.advance(1099);
    assert.equal(http2.scenario.connection.isOpen(), true);
    http2.scenario.timers.advance(1);
    assert.equal(http2.scenario.connection.isOpen(), false);
  });

  it('after max_requests_per_connection, which those on their way may exceed', async () => {
    const http2 = new Http2Scenario({ config: { ...config, maxRequestsPerConnection: 2 } }).start();
    await http2.sent();
    http2.send(http2.request(1));
    assert.deepEqual(await http2.goAways(), []);
    http2.send(http2.request(3));
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    http2.send(http2.request(5));
    for (const at of [0, 1, 2]) http2.answer(at);
    assert.equal(http2.stat('downstream_rq_2xx'), 3);
    assert.equal(http2.stat('downstream_cx_max_requests_reached'), 2);
    http2.scenario.timers.advance(1000);
    assert.deepEqual(await http2.goAways(), [5]);
    assert.equal(http2.scenario.connection.isOpen(), false);
  });

  it('when the health check is made to fail: with the next response', async () => {
    const http2 = new Http2Scenario({ config }).start();
    http2.send(http2.request(1));
    http2.send(http2.request(3));
    await http2.sent();
    http2.scenario.healthchecksFail = true;
    http2.answer(0);
    const frames = await http2.sent();
    assert.deepEqual(
      frames.map(({ type }) => type),
      [FrameType.Goaway, FrameType.Headers],
    );
    http2.answer(1);
    assert.equal(http2.stat('downstream_cx_drain_close'), 1);
    http2.scenario.timers.advance(1000);
    assert.equal(http2.scenario.connection.isOpen(), false);
  });

  it('when its listener goes away at once: GOAWAY at once, closed after drain_timeout', async () => {
    const http2 = new Http2Scenario({ config }).start();
    http2.send(http2.request(1));
    await http2.sent();
    http2.scenario.config.startDrain(immediateDrain(http2.scenario.timers.clock.nowMs()));
    http2.scenario.timers.advance(0);
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    assert.equal(http2.stat('downstream_cx_drain_close'), 1);
    http2.answer(0);
    assert.equal(http2.scenario.connection.isOpen(), true);
    http2.scenario.timers.advance(1000);
    assert.equal(http2.scenario.connection.isOpen(), false);
  });

  it('when its listener goes away gradually: somewhere in the window, also without requests', async () => {
    const http2 = new Http2Scenario({ config }).start();
    await http2.sent();
    const startMs = http2.scenario.timers.clock.nowMs();
    http2.scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 4000 });
    http2.scenario.timers.advance(1999);
    assert.deepEqual(await http2.goAways(), []);
    http2.scenario.timers.advance(1); // random() is 0.5 here
    assert.deepEqual(await http2.goAways(), [LAST_STREAM]);
    http2.scenario.timers.advance(1000);
    assert.equal(http2.scenario.connection.isOpen(), false);
    assert.equal(http2.scenario.timers.armedCount(), 0);
  });
});

describe('H2-16 rapid reset', () => {
  const prematureResets = { totalStreamCount: 10, minStreamLifetimeS: 1 };

  it('closes the connection when half of the first requests must be premature resets', () => {
    const http2 = new Http2Scenario({ config: { prematureResets } }).start();
    for (let id = 1; id <= 7; id += 2)
      http2.send(Buffer.concat([http2.request(id), http2.rst(id)]));
    assert.equal(http2.scenario.connection.isOpen(), true);
    http2.send(http2.request(9));
    http2.send(http2.request(11));
    http2.send(http2.rst(9));
    assert.equal(http2.scenario.connection.isOpen(), false);
    assert.equal(http2.scenario.connection.closedBy, ConnectionCloseType.NoFlush);
    assert.equal(http2.stat('downstream_rq_too_many_premature_resets'), 1);
    const last = http2.scenario.logs.at(-1);
    assert.equal(last?.details, 'too_many_premature_resets');
    assert.equal(last?.flags, 0);
    assert.equal(
      http2.scenario.connection.connectionTerminationDetails,
      'too_many_premature_resets',
    );
  });

  it('counts neither answered requests nor those that lived long', () => {
    const http2 = new Http2Scenario({ config: { prematureResets } }).start();
    for (let i = 0; i < 6; i++) {
      http2.send(http2.request(2 * i + 1));
      http2.scenario.timers.advance(2000);
      http2.send(http2.rst(2 * i + 1));
    }
    for (let i = 6; i < 12; i++) {
      http2.send(http2.request(2 * i + 1));
      http2.answer(i);
    }
    // 5 of 17 are premature: fewer than half.
    for (let i = 12; i < 17; i++) {
      http2.send(http2.request(2 * i + 1));
      http2.send(http2.rst(2 * i + 1));
    }
    assert.equal(http2.scenario.connection.isOpen(), true);
    assert.equal(http2.stat('downstream_rq_too_many_premature_resets'), 0);
  });

  it('2,000 requests with their resets in one read: few begin, the connection is closed', () => {
    const http2 = new Http2Scenario().start();
    const bytes: Buffer[] = [];
    for (let i = 0; i < 2000; i++) {
      bytes.push(http2.request(2 * i + 1), http2.rst(2 * i + 1));
    }
    http2.send(Buffer.concat(bytes));
    assert.equal(http2.scenario.connection.isOpen(), false);
    assert.equal(http2.stat('downstream_rq_too_many_premature_resets'), 1);
    assert.ok(http2.routers.length < 20, `${http2.routers.length} requests went on`);
    assert.equal(http2.stat('downstream_rq_total'), 250);
    assert.equal(http2.stat('downstream_rq_active'), 0);
  });
});

describe('http.max_requests_per_io_cycle', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('lets the requests of one read begin over several turns, in their order', async () => {
    const http2 = new Http2Scenario({ config: { maxRequestsPerIoCycle: 4 } }).start();
    const count = 10;
    http2.send(Buffer.concat(Array.from({ length: count }, (_, i) => http2.request(2 * i + 1))));
    assert.equal(http2.routers.length, 4);
    // Those of the next read queue behind them.
    http2.send(http2.request(21));
    await turn();
    assert.equal(http2.routers.length, 8);
    await turn();
    assert.equal(http2.routers.length, 11);
    for (let at = 0; at <= count; at++) http2.answer(at);
    const heads = (await http2.sent()).filter(isHead);
    assert.deepEqual(
      heads.map(({ id }) => id),
      Array.from({ length: 11 }, (_, i) => 2 * i + 1),
    );
    http2.send(http2.request(23));
    assert.equal(http2.routers.length, 12);
  });

  it('keeps body and trailers of a request that waits, and its end', async () => {
    const http2 = new Http2Scenario({ config: { maxRequestsPerIoCycle: 1 } }).start();
    const post = (id: number) => http2.request(id, [], 'POST', FrameFlag.EndHeaders);
    http2.send(
      Buffer.concat([
        http2.request(1),
        post(3),
        frame(FrameType.Data, 0, 3, 'ab'),
        frame(FrameType.Data, FrameFlag.EndStream, 3, 'cd'),
        post(5),
        frame(FrameType.Data, 0, 5, 'ef'),
        http2.peer.headers(5, WHOLE, ['x-t', '1']),
      ]),
    );
    for (let i = 0; i < 3; i++) await turn();
    assert.deepEqual(http2.scenario.journal, [
      'router.decodeHeaders end',
      'router.decodeHeaders',
      'router.decodeData abcd end',
      'router.decodeHeaders',
      'router.decodeData ef',
      'router.decodeTrailers x-t:1',
    ]);
  });

  it('lets a body that goes on flow again', async () => {
    const http2 = new Http2Scenario({ config: { maxRequestsPerIoCycle: 1 } }).start();
    http2.send(
      Buffer.concat([http2.request(1), http2.request(3, [], 'POST', FrameFlag.EndHeaders)]),
    );
    await turn();
    http2.send(frame(FrameType.Data, 0, 3, 'ab'));
    http2.send(frame(FrameType.Data, FrameFlag.EndStream, 3, 'cd'));
    assert.deepEqual(http2.scenario.journal.slice(1), [
      'router.decodeHeaders',
      'router.decodeData ab',
      'router.decodeData cd end',
    ]);
  });

  it('forgets a request that ends while it waits', async () => {
    const http2 = new Http2Scenario({ config: { maxRequestsPerIoCycle: 1 } }).start();
    http2.send(Buffer.concat([http2.request(1), http2.request(3), http2.rst(3), http2.request(5)]));
    await turn();
    assert.equal(http2.routers.length, 2);
    http2.answer(1);
    assert.equal(http2.stat('downstream_rq_total'), 3);
    http2.scenario.connection.remoteClose();
    await turn();
    assert.equal(http2.stat('downstream_rq_active'), 0);
    assert.equal(http2.scenario.logs.length, 3);
  });
});

describe('tunnels over HTTP/2', () => {
  const config = { upgrades: [{ type: 'websocket', enabled: true, filters: null }] };
  const handshake = [
    ...[':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'https', ':path', '/chat'],
    ...[':authority', 'a.test', 'sec-websocket-version', '13'],
  ];
  const http2Options = { allowConnect: true };
  const scenario = async () => {
    const { http2 } = new HcmScenario().config.data;
    const one = new Http2Scenario({
      config: { ...config, http2: { ...http2, ...http2Options } },
    }).start();
    await one.sent();
    return one;
  };

  it('a WebSocket looks like one of HTTP/1 to filters, and the 101 is a 200', async () => {
    const one = await scenario();
    one.send(one.peer.headers(1, FrameFlag.EndHeaders, handshake));
    const headers = one.routers[0]!.requestHeaders!;
    assert.equal(headers.method, 'GET');
    assert.equal(headers.get('upgrade'), 'websocket');
    assert.equal(headers.get('connection'), 'upgrade');
    assert.match(headers.get('sec-websocket-key') ?? '', /^[A-Za-z0-9+/]{22}==$/);
    assert.equal(headers.scheme, 'https');
    const callbacks = one.routers[0]!.decoderCallbacks;
    const switching = ['upgrade', 'websocket', 'connection', 'upgrade'];
    callbacks.encodeHeaders(new ResponseHeaders(101, switching), false, 'via_upstream');
    callbacks.encodeData(Buffer.from('down'), false);
    one.send(frame(FrameType.Data, 0, 1, 'up'));
    const frames = await one.sent();
    const fields = one.peer.decode(frames[0]!);
    assert.deepEqual(fields.slice(0, 2), [':status', '200']);
    assert.ok(!fields.includes('upgrade') && !fields.includes('connection'));
    assert.equal(frames[1]!.payload.toString(), 'down');
    assert.equal(one.scenario.journal.at(-1), 'router.decodeData up');
    assert.equal(one.stat('downstream_cx_upgrades_active'), 1);
    // Each direction ends on its own.
    callbacks.encodeData(Buffer.alloc(0), true);
    assert.equal(one.stat('downstream_rq_active'), 1);
    one.send(frame(FrameType.Data, FrameFlag.EndStream, 1, ''));
    assert.equal(one.stat('downstream_rq_active'), 0);
    assert.equal(one.stat('downstream_cx_upgrades_active'), 0);
    assert.equal(one.scenario.connection.isOpen(), true);
  });

  it('a 200 that opens no tunnel has no body: the client would read it as the tunnel', async () => {
    const one = await scenario();
    one.send(one.peer.headers(1, FrameFlag.EndHeaders, handshake));
    const callbacks = one.routers[0]!.decoderCallbacks;
    const answer = new ResponseHeaders(200, ['content-length', '4']);
    callbacks.encodeHeaders(answer, false, 'websocket_handshake_unsuccessful');
    callbacks.encodeData(Buffer.from('page'), true);
    const frames = await one.sent();
    assert.deepEqual(
      frames.map(({ type }) => type),
      [FrameType.Headers, FrameType.RstStream],
    );
    assert.ok((frames[0]!.flags & FrameFlag.EndStream) !== 0);
    assert.ok(!one.peer.decode(frames[0]!).includes('content-length'));
    assert.equal(one.scenario.logs[0]?.details, 'websocket_handshake_unsuccessful');
    assert.equal(one.stat('downstream_rq_active'), 0);
  });

  it('one that is not allowed is refused with 403, and the connection drains as in Envoy', async () => {
    const one = await scenario();
    const foo = handshake.map((text) => (text === 'websocket' ? 'foo' : text));
    one.send(one.peer.headers(1, FrameFlag.EndHeaders, foo));
    const frames = await one.sent();
    assert.deepEqual(
      frames.map(({ type }) => type),
      [FrameType.Goaway, FrameType.Headers, FrameType.RstStream],
    );
    assert.equal(one.scenario.logs[0]?.code, 403);
    assert.equal(one.stat('downstream_rq_ws_on_non_ws_route'), 1);
    // Others go on.
    one.send(one.request(3));
    one.answer(0);
    assert.equal(one.stat('downstream_rq_2xx'), 1);
  });
});

describe('gRPC', () => {
  const GRPC = ['content-type', 'application/grpc', 'te', 'trailers'];

  it('deadlines: what the route lets through is the limit, and what the upstream hears', async () => {
    const route = fakeRoute({ grpcTimeoutHeader: { maxMs: 10_000, offsetMs: 100 } });
    const http2 = new Http2Scenario({ route }).start();
    http2.send(http2.request(1, [...GRPC, 'grpc-timeout', '5S'], 'POST'));
    await http2.sent();
    assert.equal(http2.routers[0]!.requestHeaders!.get('grpc-timeout'), '4900m');
    http2.scenario.timers.advance(4899);
    assert.equal(http2.scenario.logs.length, 0);
    http2.scenario.timers.advance(1);
    const [head] = (await http2.sent()).filter(isHead);
    const fields = http2.peer.decode(head!);
    assert.deepEqual(fields.slice(0, 8), [
      ...[':status', '200', 'content-type', 'application/grpc', 'grpc-status', '4'],
      ...['grpc-message', 'downstream duration timeout'],
    ]);
    assert.ok((head!.flags & FrameFlag.EndStream) !== 0);
    assert.equal(http2.scenario.logs[0]?.details, 'max_duration_timeout');
  });
});
