// Streams of load reports against real HTTP/2 servers. The wheel is real, chance is 0: no wait before a stream.

import assert from 'node:assert/strict';
import http2, { type ServerHttp2Stream } from 'node:http2';
import { afterEach, test } from 'node:test';
import { systemClock } from '../../../common/clock.ts';
import { TimerWheel } from '../../../common/timer.ts';
import { listen } from '../../../test/fakes/checked-host.ts';
import { clusterConfig, placedHost } from '../../../test/fakes/cluster-config.ts';
import { reportFrame } from '../../../test/fakes/load-report.ts';
import { until } from '../../../test/fakes/until.ts';
import { defaultZoneAware } from '../../api/config/load-balancing.ts';
import { HostWord, privateSlot, readWord, type SlotRef } from '../shared-state.ts';
import { LoadReportStats } from './load-report-stats.ts';
import { LoadReports, type OutOfBandPolicy, outOfBandPolicy } from './load-reports.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

const policy: OutOfBandPolicy = {
  kind: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
  blackoutPeriodMs: 0,
  weightExpirationPeriodMs: 180_000,
  weightUpdatePeriodMs: 1000,
  errorUtilizationPenalty: 0,
  metricNames: [],
  slowStart: null,
  outOfBand: { periodMs: 1000, port: null, authority: '' },
  locality: defaultZoneAware,
};
const grpc = { ':status': 200, 'content-type': 'application/grpc' };

/** A server that `answer`s each call; `count` is how many there were. */
async function server(
  answer: (stream: ServerHttp2Stream, count: number, path: string) => void,
): Promise<number> {
  const http = http2.createServer();
  let count = 0;
  http.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.resume();
    answer(stream, ++count, headers[':path'] ?? '');
  });
  const sessions = new Set<http2.ServerHttp2Session>();
  http.on('session', (session) => sessions.add(session));
  cleanups.push(() => {
    http.close();
    for (const session of sessions) session.destroy();
  });
  return listen(http);
}

interface Asked {
  readonly stats: LoadReportStats;
  readonly slot: SlotRef;
  readonly reports: LoadReports;
  weight(): number;
}

function ask(port: number, given: Partial<OutOfBandPolicy['outOfBand']> = {}): Asked {
  const stats = new LoadReportStats();
  const slot = privateSlot();
  let id = 0;
  const outOfBand = { ...policy.outOfBand, ...given };
  const reports = new LoadReports(clusterConfig(), { ...policy, outOfBand }, stats, {
    clock: systemClock,
    random: () => 0,
    timers: new TimerWheel(),
    createTls: () => null,
    nextConnectionId: () => ++id,
  });
  cleanups.push(() => reports.close());
  reports.setHosts([{ host: placedHost('127.0.0.1', 1, { port }), slot }]);
  reports.start();
  return { stats, slot, reports, weight: () => readWord(slot, HostWord.ReportedWeight) };
}

test('a report becomes a weight in the slot of its host', async () => {
  let path = '';
  const port = await server((stream, _count, of) => {
    path = of;
    stream.respond(grpc);
    stream.write(reportFrame(100, 0.5));
  });
  const { stats, weight } = ask(port);
  await until('a report', () => weight() === 200);
  assert.equal(path, '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics');
  assert.deepEqual(
    { ...stats },
    {
      activeSessions: 1,
      reportsReceived: 1,
      reportErrors: 0,
      streamFailures: 0,
      streamTerminated: 0,
    },
  );
});

test('a report that says nothing is an error, and the stream goes on', async () => {
  const port = await server((stream) => {
    stream.respond(grpc);
    stream.write(Buffer.concat([Buffer.alloc(5), reportFrame(100, 1)]));
  });
  const { stats, weight } = ask(port);
  await until('a report', () => weight() === 100);
  assert.deepEqual([stats.reportsReceived, stats.reportErrors, stats.streamFailures], [2, 1, 0]);
});

const gone: readonly (readonly [string, (stream: ServerHttp2Stream) => void])[] = [
  [
    'says UNIMPLEMENTED',
    (stream) => stream.respond({ ...grpc, 'grpc-status': '12' }, { endStream: true }),
  ],
  ['knows no such path', (stream) => stream.respond({ ':status': 404 }, { endStream: true })],
  [
    'knows no such path, and talks about it',
    (stream) => {
      stream.respond({ ':status': 404 });
      stream.write('not here');
    },
  ],
];
for (const [name, answer] of gone) {
  test(`a host that ${name} is not asked again`, async () => {
    const { stats } = ask(await server(answer));
    await until('the end', () => stats.streamTerminated === 1);
    assert.deepEqual([stats.activeSessions, stats.streamFailures], [0, 0]);
  });
}

const failing: readonly (readonly [string, (stream: ServerHttp2Stream) => void])[] = [
  [
    'says UNAVAILABLE',
    (stream) => stream.respond({ ...grpc, 'grpc-status': '14' }, { endStream: true }),
  ],
  ['answers 503', (stream) => stream.respond({ ':status': 503 })],
  ['resets', (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
  ['closes the connection', (stream) => stream.session?.destroy()],
  [
    'sends nonsense',
    (stream) => {
      stream.respond(grpc);
      stream.write(Buffer.from('0000000004ffffffff', 'hex'));
    },
  ],
  [
    'sends a message without end',
    (stream) => {
      stream.respond(grpc);
      stream.write(Buffer.from('00ffffffff', 'hex'));
    },
  ],
  [
    'ends with OK',
    (stream) => {
      stream.respond(grpc, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end();
    },
  ],
];
for (const [name, answer] of failing) {
  test(`a host that ${name} is asked again`, async () => {
    const port = await server((stream, count) => {
      if (count <= 2) {
        answer(stream);
        return;
      }
      stream.respond(grpc);
      stream.write(reportFrame(100, 1));
    });
    const { stats, weight } = ask(port);
    await until('a report', () => weight() === 100);
    assert.deepEqual([stats.activeSessions, stats.streamFailures], [1, 2]);
  });
}

test('a host that left is not asked any more, nor one whose cluster ends', async () => {
  let streams = 0;
  const port = await server((stream) => {
    streams++;
    stream.on('close', () => streams--);
    stream.respond(grpc);
    stream.write(reportFrame(100, 1));
  });
  const { stats, reports, weight } = ask(port);
  await until('a report', () => weight() === 100);
  reports.setHosts([]);
  assert.equal(stats.activeSessions, 0);
  await until('the stream is closed', () => streams === 0);
});

test('the policy is found within others', () => {
  assert.equal(outOfBandPolicy({ ...policy, outOfBand: null }), null);
  const within = {
    kind: 'OVERRIDE_HOST' as const,
    sources: [],
    selectedHostKey: null,
    fallback: policy,
  };
  assert.deepEqual(outOfBandPolicy(within), policy);
});
