import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { silentLogger } from '../../common/logger.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { LoadStatsRequestProto, LoadStatsResponseProto } from '../../proto/gen/types.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { LoadStats } from './load-stats.ts';
import { LoadStore } from './load-store.ts';
import { LoadStream } from './load-stream.ts';

const peer = { address: '127.0.0.1:1', certificate: null, metadata: new Map() };
const report = (cluster: string) => ({
  cluster_stats: [
    { cluster_name: cluster, upstream_locality_stats: [{ total_issued_requests: 10 }] },
  ],
});

describe('a stream of load reports', () => {
  let timers: FakeTimers;
  let store: LoadStore;
  let stats: LoadStats;
  let written: LoadStatsResponseProto[];
  let ends: { code: number; details: string }[];
  let stream: LoadStream;

  beforeEach(() => {
    timers = new FakeTimers();
    store = new LoadStore(timers.clock, 10_000);
    stats = new LoadStats();
    written = [];
    ends = [];
    const port = {
      write(message: Buffer): void {
        const decoded = decodeMessage('envoy.service.load_stats.v3.LoadStatsResponse', message);
        assert.ok(decoded.ok);
        written.push(decoded.value.message);
      },
      end(code: number, details: string): void {
        ends.push({ code, details });
      },
    };
    stream = new LoadStream(port, peer, {
      store,
      stats,
      identify: (_peer, node) =>
        node.id === 'thief'
          ? { ok: false, code: status.PERMISSION_DENIED, reason: 'not you' }
          : { ok: true, nodeId: node.id },
      intervalMs: 2500,
      clustersOf: (nodeId) => [`cluster of ${nodeId}`],
      clock: timers.clock,
      timers,
      logger: silentLogger(),
    });
  });

  const send = (request: LoadStatsRequestProto) =>
    stream.onMessage(encodeMessage('envoy.service.load_stats.v3.LoadStatsRequest', request));

  it('of a node with a name longer than any is refused', () => {
    send({ node: { id: 'x'.repeat(1025) } });
    assert.deepEqual(
      ends.map(({ code }) => code),
      [status.INVALID_ARGUMENT],
    );
    assert.equal(store.reporters, 0);
  });

  it('asks for all clusters at its interval, and takes the reports', () => {
    const client_features = ['envoy.lrs.supports_send_all_clusters'];
    send({ node: { id: 'n1', client_features } });
    assert.deepEqual(written, [
      {
        send_all_clusters: true,
        load_reporting_interval: { seconds: 2, nanos: 500_000_000 },
      },
    ]);
    send(report('c'));
    assert.equal(store.clusterLoad('c')?.localities[0]?.reporters, 1);
    assert.equal(written.length, 1);
    stream.onEnd();
    assert.equal(store.clusterLoad('c'), null);
    assert.equal(stats.streamsActive, 0);
    assert.equal(timers.armedCount(), 0);
  });

  it('names the clusters to a client that does not know "all"', () => {
    send({ node: { id: 'n1' } });
    assert.deepEqual(written[0]?.clusters, ['cluster of n1']);
  });

  it('counts the node of the first request; what later ones say is not looked at', () => {
    send({ node: { id: 'n1' } });
    send({ node: { id: 'thief' }, ...report('c') });
    assert.equal(store.clusterLoad('c')?.localities[0]?.reporters, 1);
    assert.equal(ends.length, 0);
  });

  it('ends with the gate’s code when the node is not who it says it is', () => {
    send({ node: { id: 'thief' }, ...report('c') });
    assert.deepEqual(ends, [{ code: status.PERMISSION_DENIED, details: 'not you' }]);
    assert.equal(stats.refusedTotal, 1);
    assert.equal(store.clusterLoad('c'), null);
  });

  it('ends without a node', () => {
    send(report('c'));
    assert.equal(ends[0]?.code, status.INVALID_ARGUMENT);
  });

  it('ends with bytes that are no message', () => {
    stream.onMessage(Buffer.from([0x0a, 0xff]));
    assert.equal(ends[0]?.code, status.INVALID_ARGUMENT);
    assert.equal(stats.badRequestsTotal, 1);
  });

  it('ends when nobody says who it is', () => {
    timers.advance(15_000);
    assert.equal(ends[0]?.code, status.DEADLINE_EXCEEDED);
  });

  it('ends with the eleventh report of an interval, and not with the tenth of each', () => {
    send({ node: { id: 'n1' } });
    for (let i = 0; i < 9; i++) send(report('c'));
    timers.advance(2500);
    for (let i = 0; i < 10; i++) send(report('c'));
    assert.equal(ends.length, 0);
    send(report('c'));
    assert.equal(ends[0]?.code, status.RESOURCE_EXHAUSTED);
    assert.equal(stats.tooFastTotal, 1);
  });
});
