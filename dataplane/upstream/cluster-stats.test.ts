import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { clusterConfig, defaultThresholds } from '../../test/fakes/cluster-config.ts';
import { type StatEntry, takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { CircuitBreakerStats, ClusterStats, clusterScope } from './cluster-stats.ts';
import { serverNameOf } from './cluster-tls.ts';
import { PriorityResources } from './resource-manager.ts';
import { SharedChunks } from './shared-state.ts';

function entriesOf(holder: object): Map<string, StatEntry> {
  const store = new HolderStore();
  store.add(clusterScope(clusterConfig()), holder);
  return new Map(takeSnapshot(store).map((entry) => [entry.name, entry]));
}

test('fields get the names of Envoy', () => {
  const stats = new ClusterStats();
  stats.upstreamCxHttp1Total = 3;
  stats.rxBytesTotal = 5;
  const entries = entriesOf(stats);
  assert.equal(entries.get('cluster.orders.upstream_cx_http1_total')?.value, 3);
  assert.equal(entries.get('cluster.orders.upstream_cx_rx_bytes_total')?.value, 5);
  assert.equal(entries.get('cluster.orders.upstream_rq_active')?.kind, 'gauge');
  const declared = new Set(ClusterStats.stats.map(({ field }) => field));
  // Of connections, and of load reports.
  const others = /^([rt]xBytesTotal|loadDropped|loadDropOverload)$/;
  const counted = Object.keys(stats).filter((field) => !others.test(field));
  assert.deepEqual(
    counted.filter((field) => !declared.has(field)),
    [],
    'every field is declared',
  );
  for (const field of declared) assert.ok(Reflect.has(stats, field), field);
});

test('answers are counted by zone where both zones are known', () => {
  const stats = new ClusterStats('east');
  stats.chargeZone('west', 200);
  stats.chargeZone('', 200);
  stats.recordZoneRqTime('west', 3);
  const entries = entriesOf(stats);
  assert.equal(entries.get('cluster.orders.zone.east.west.upstream_rq_2xx')?.value, 1);
  assert.equal(entries.get('cluster.orders.zone.east.west.upstream_rq_completed')?.value, 1);
  assert.ok(entries.has('cluster.orders.zone.east.west.upstream_rq_time'));
  assert.ok(![...entries.keys()].some((name) => name.includes('zone.east..')));
  const zoneless = new ClusterStats();
  zoneless.chargeZone('west', 200);
  assert.ok(![...entriesOf(zoneless).keys()].some((name) => name.includes('zone.')));
});

test('response codes come by code, class and sum, tagged for Prometheus', () => {
  const stats = new ClusterStats();
  stats.chargeResponseCode(200, false, false);
  stats.chargeResponseCode(204, false, true);
  stats.chargeResponseCode(503, true, false);
  stats.chargeRetriedResponse(502);
  const entries = entriesOf(stats);
  const value = (name: string) => entries.get(`cluster.orders.${name}`)?.value;
  assert.equal(value('upstream_rq_200'), 1);
  assert.equal(value('upstream_rq_2xx'), 2);
  assert.equal(value('upstream_rq_completed'), 3);
  assert.equal(value('external.upstream_rq_2xx'), 2);
  assert.equal(value('internal.upstream_rq_503'), 1);
  assert.equal(value('canary.upstream_rq_204'), 1);
  assert.equal(value('retry.upstream_rq_502'), 1);
  assert.equal(value('retry.upstream_rq_5xx'), 1);
  assert.equal(value('retry.upstream_rq_completed'), 1);
  assert.equal(value('upstream_rq_unknown'), undefined);
  const tagged = entries.get('cluster.orders.upstream_rq_5xx');
  assert.equal(tagged?.promName, 'envoy_cluster_upstream_rq_xx');
  assert.deepEqual(tagged?.labels, {
    envoy_cluster_name: 'orders',
    envoy_response_code_class: '5',
  });
});

test('a status beyond 599 counts as unknown, as in Envoy', () => {
  const stats = new ClusterStats();
  stats.chargeResponseCode(600, false, false);
  stats.chargeResponseCode(999, false, false);
  const entries = entriesOf(stats);
  assert.equal(entries.get('cluster.orders.upstream_rq_unknown')?.value, 2);
  assert.equal(entries.get('cluster.orders.upstream_rq_completed')?.value, 2);
});

test('breaker gauges open at the ceiling, and remaining_* shows where it is tracked', () => {
  const chunks = new SharedChunks();
  chunks.create();
  const slot = chunks.ref({ chunk: 0, slot: 0 });
  const tracked = { ...defaultThresholds, maxRequests: 1, trackRemaining: true };
  const thresholds = [tracked, defaultThresholds] as const;
  const clock = new FakeClock();
  const resources = [
    new PriorityResources(slot, 0, thresholds[0], clock),
    new PriorityResources(slot, 1, thresholds[1], clock),
  ] as const;
  resources[0].requests.acquire();
  const entries = entriesOf(new CircuitBreakerStats(resources, thresholds));
  const value = (name: string) => entries.get(`cluster.orders.circuit_breakers.${name}`)?.value;
  assert.equal(value('default.rq_open'), 1);
  assert.equal(value('default.remaining_rq'), 0);
  assert.equal(value('default.cx_open'), 0);
  assert.equal(value('default.cx_pool_open'), 0);
  assert.equal(value('default.remaining_cx_pools'), Number.MAX_SAFE_INTEGER, 'no ceiling');
  assert.equal(value('default.remaining_cx'), 1024);
  assert.equal(value('high.rq_open'), 0);
  assert.equal(value('high.remaining_rq'), undefined);
});

test('auto_sni takes the name from the authority, and never an address', () => {
  const table = {
    'Orders.test': 'orders.test',
    'orders.test:8080': 'orders.test',
    '10.0.0.1': '',
    '10.0.0.1:80': '',
    '[::1]:80': '',
    '': '',
  };
  for (const [authority, name] of Object.entries(table)) {
    assert.equal(serverNameOf(authority), name, authority);
  }
});
