import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { LoadStore } from './load-store.ts';

const INTERVAL_MS = 10_000;

/** One cluster's stats of one locality, over `seconds`. */
function stats(cluster: string, zone: string, numbers: Record<string, number>, seconds = 10) {
  const { issued = 0, ok = 0, failed = 0, active = 0, dropped = 0 } = numbers;
  return {
    cluster_name: cluster,
    upstream_locality_stats: [
      {
        locality: { region: 'r', zone },
        total_issued_requests: issued,
        total_successful_requests: String(ok),
        total_error_requests: failed,
        total_requests_in_progress: active,
      },
    ],
    total_dropped_requests: dropped,
    load_report_interval: { seconds, nanos: 0 },
  };
}

describe('the load store', () => {
  it('adds up what all sidecars report, as rates of each one’s own interval', () => {
    const store = new LoadStore(new FakeClock(), INTERVAL_MS);
    const [a, b] = [{}, {}];
    store.report('n1', a, [
      stats('c', 'z1', { issued: 100, ok: 90, failed: 10, active: 2, dropped: 5 }),
    ]);
    store.report('n2', b, [
      stats('c', 'z1', { issued: 100, ok: 100, active: 1 }, 20),
      stats('c', 'z2', { issued: 10, ok: 10 }),
    ]);
    assert.deepEqual(store.loads(), [
      {
        cluster: 'c',
        droppedPerSecond: 0.5,
        localities: [
          {
            ...{ locality: 'r/z1', priority: 0, requestsPerSecond: 15, errorRatio: 0.05 },
            ...{ inProgress: 3, reporters: 2 },
          },
          {
            ...{ locality: 'r/z2', priority: 0, requestsPerSecond: 1, errorRatio: 0 },
            ...{ inProgress: 0, reporters: 1 },
          },
        ],
      },
    ]);
    assert.equal(store.clusterLoad('c')?.localities.length, 2);
    assert.equal(store.clusterLoad('d'), null);
  });

  it('takes a cluster that the next report does not name for idle', () => {
    const store = new LoadStore(new FakeClock(), INTERVAL_MS);
    store.report('n1', {}, [stats('c', 'z', { issued: 1 }), stats('d', 'z', { issued: 1 })]);
    store.report('n1', {}, [stats('d', 'z', { issued: 2 })]);
    assert.deepEqual(
      store.loads().map(({ cluster }) => cluster),
      ['d'],
    );
  });

  it('forgets a sidecar with its stream, but not with an older one', () => {
    const store = new LoadStore(new FakeClock(), INTERVAL_MS);
    const [old, now] = [{}, {}];
    store.report('n1', old, [stats('c', 'z', { issued: 1 })]);
    store.report('n1', now, [stats('c', 'z', { issued: 1 })]);
    store.forget('n1', old);
    assert.equal(store.reporters, 1);
    store.forget('n1', now);
    assert.deepEqual(store.loads(), []);
  });

  it('forgets a sidecar that says nothing any more', () => {
    const clock = new FakeClock();
    const store = new LoadStore(clock, INTERVAL_MS);
    store.report('n1', {}, [stats('c', 'z', { issued: 1 })]);
    clock.advance(3 * INTERVAL_MS);
    assert.equal(store.loads().length, 1);
    clock.advance(1);
    assert.equal(store.loads().length, 0);
    assert.equal(store.reporters, 0);
  });

  it('keeps no more reporters and cells than its limits, and counts the rest', () => {
    const store = new LoadStore(new FakeClock(), INTERVAL_MS, { reporters: 2, cells: 3 });
    const load = (...names: string[]) => names.map((name) => stats(name, 'z', { issued: 1 }));
    store.report('n1', {}, load('a', 'b'));
    store.report('n2', {}, load('c', 'd'));
    assert.equal(store.droppedTotal, 1);
    store.report('n3', {}, load('e'));
    assert.equal(store.droppedTotal, 2);
    assert.deepEqual(
      store.loads().map(({ cluster }) => cluster),
      ['a', 'b', 'c'],
    );
    // What is replaced makes room.
    store.report('n1', {}, []);
    store.report('n2', {}, load('c', 'd'));
    assert.equal(store.droppedTotal, 2);
  });

  it('is not misled by numbers that make no sense', () => {
    const store = new LoadStore(new FakeClock(), INTERVAL_MS);
    store.report('n1', {}, [
      stats('c', 'z', { issued: -5, ok: Number.NaN, failed: Number.POSITIVE_INFINITY }, 0),
      stats('', 'z', { issued: 1 }),
      stats('x'.repeat(2000), 'z', { issued: 1 }),
    ]);
    const [load, ...others] = store.loads();
    assert.deepEqual(others, []);
    assert.equal(load?.localities[0]?.requestsPerSecond, 0);
    assert.equal(load.localities[0].errorRatio, 0);
  });
});
