import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import { FakeControlPlane } from '../../test/fakes/ads-channel.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import type { ClusterSample } from '../api/load-sample.ts';
import { HolderStore } from '../stats/store.ts';
import { LOAD_STATS_PATH, LoadReporter } from './reporter.ts';

const sample = (name: string, success: number): ClusterSample => ({
  name,
  serviceName: '',
  dropCategory: '',
  dropped: 0,
  dropOverload: 0,
  hosts: [
    {
      key: 'h',
      address: { ip: '10.0.0.1', port: 80 },
      locality: { region: '', zone: '', subZone: '' },
      priority: 0,
      active: 0,
      success,
      error: 0,
      issued: success,
      metrics: new Map(),
    },
  ],
});

function setUp() {
  const server = new FakeControlPlane();
  const timers = new FakeTimers();
  const stats = new HolderStore();
  const asked: (readonly string[] | null)[] = [];
  let successes = 0;
  let failure: Error | null = null;
  const reporter = new LoadReporter({
    channelFactory: server.factory,
    node: { id: 'n', client_features: ['f'] },
    takeSample: async (clusters) => {
      asked.push(clusters === null ? null : [...clusters]);
      if (failure !== null) throw failure;
      return (clusters === null ? ['a', 'b'] : [...clusters]).map((name) =>
        sample(name, successes),
      );
    },
    clock: timers.clock,
    random: () => 0.5,
    timers,
    logger: silentLogger(),
    stats,
    connectTimeoutMs: 1000,
  });
  reporter.start();
  server.call.connect();
  return {
    server,
    timers,
    reporter,
    asked,
    count: (more: number) => {
      successes += more;
    },
    fail: (error: Error | null) => {
      failure = error;
    },
    answer: (response: object) =>
      server.call.message(encodeMessage('envoy.service.load_stats.v3.LoadStatsResponse', response)),
    /** What was said since the last call. */
    reports: () =>
      server.call.sent.splice(0).map((bytes) => {
        const decoded = decodeMessage('envoy.service.load_stats.v3.LoadStatsRequest', bytes);
        assert.ok(decoded.ok);
        return decoded.value.message;
      }),
    stat: (name: string) => {
      let found = Number.NaN;
      stats.collect({
        value: (scope, of, _kind, value) => {
          if (`${scope.prefix}.${of}` === `load_reporter.${name}`) found = value;
        },
        text: () => {},
        tagged: () => {},
        histogram: () => {},
      });
      return found;
    },
  };
}

const everySecond = { load_reporting_interval: { seconds: 1, nanos: 0 } };
/** Samples come by promises. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the load reporter', () => {
  it('says who it is, and nothing more until it is asked', async () => {
    const { server, reports, timers, stat } = setUp();
    assert.equal(server.call.path, LOAD_STATS_PATH);
    const [first] = reports();
    assert.equal(first?.node?.id, 'n');
    assert.deepEqual(first?.node?.client_features, ['f', 'envoy.lrs.supports_send_all_clusters']);
    assert.deepEqual(first?.cluster_stats ?? [], []);
    timers.advance(10_000);
    await settled();
    assert.deepEqual(reports(), []);
    assert.equal(stat('responses'), 1);
    assert.equal(stat('requests'), 0);
  });

  it('reports named clusters in the interval, with what happened in it', async () => {
    const { reports, timers, answer, count, asked, stat } = setUp();
    reports();
    count(7);
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    count(3);
    timers.advance(1000);
    await settled();
    const [report] = reports();
    assert.deepEqual(
      report?.cluster_stats?.map(({ cluster_name }) => cluster_name),
      ['a'],
    );
    const [cluster] = report?.cluster_stats ?? [];
    assert.equal(cluster?.upstream_locality_stats?.[0]?.total_successful_requests, 3);
    assert.deepEqual(cluster?.load_report_interval, { seconds: 1, nanos: 0 });
    timers.advance(1000);
    await settled();
    assert.equal(reports().length, 1);
    assert.deepEqual(asked, [['a'], ['a'], ['a']]);
    assert.equal(stat('requests'), 1);
    assert.equal(stat('responses'), 3);
  });

  it('reports all clusters where it is asked to', async () => {
    const { reports, timers, answer, asked } = setUp();
    reports();
    answer({ ...everySecond, send_all_clusters: true, clusters: ['x'] });
    await settled();
    timers.advance(1000);
    await settled();
    assert.equal(reports()[0]?.cluster_stats?.length, 2);
    assert.deepEqual(asked, [null, null]);
  });

  it('takes a new order at once', async () => {
    const { reports, timers, answer } = setUp();
    reports();
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    timers.advance(900);
    answer({ load_reporting_interval: { seconds: 3, nanos: 0 }, clusters: ['b'] });
    await settled();
    timers.advance(2999);
    await settled();
    assert.deepEqual(reports(), []);
    timers.advance(1);
    await settled();
    assert.deepEqual(
      reports()[0]?.cluster_stats?.map(({ cluster_name }) => cluster_name),
      ['b'],
    );
  });

  it('reports at most ten times a second', async () => {
    const { reports, timers, answer } = setUp();
    reports();
    answer({ clusters: ['a'] });
    await settled();
    timers.advance(99);
    await settled();
    assert.deepEqual(reports(), []);
    timers.advance(1);
    await settled();
    assert.equal(reports().length, 1);
  });

  it('comes back after a loss, and begins to count then', async () => {
    const { server, reports, timers, answer, count, stat } = setUp();
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    server.call.close();
    assert.equal(stat('errors'), 1);
    timers.advance(2500);
    assert.equal(server.calls.length, 2);
    assert.equal(stat('retries'), 1);
    server.call.connect();
    reports();
    count(5);
    timers.advance(900);
    await settled();
    assert.deepEqual(reports(), [], 'the order went with its stream');
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    count(1);
    timers.advance(1000);
    await settled();
    const [cluster] = reports()[0]?.cluster_stats ?? [];
    assert.equal(cluster?.upstream_locality_stats?.[0]?.total_successful_requests, 1);
  });

  it('drops a sample that comes when its stream is gone', async () => {
    const { server, timers, answer } = setUp();
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    timers.advance(1000);
    server.call.close();
    await settled();
    timers.advance(2500);
    assert.equal(server.call.sent.length, 1, 'its first report only');
  });

  it('closes a stream that says nonsense', () => {
    const { server, stat } = setUp();
    server.call.message(Buffer.of(0xff));
    assert.equal(server.call.isCancelled, true);
    assert.equal(stat('errors'), 1);
  });

  it('tries again where it could not ask the workers', async () => {
    const { reports, timers, answer, fail } = setUp();
    reports();
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    fail(new Error('no'));
    timers.advance(1000);
    await settled();
    assert.deepEqual(reports(), []);
    fail(null);
    timers.advance(1000);
    await settled();
    assert.equal(reports().length, 1);
  });

  it('leaves no timer behind', async () => {
    const { timers, answer, reporter, server } = setUp();
    answer({ ...everySecond, clusters: ['a'] });
    await settled();
    reporter.stop();
    assert.equal(timers.armedCount(), 0);
    assert.equal(server.openChannels, 0);
  });
});
