import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../test/fakes/cluster-config.ts';
import { type StatEntry, takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { ClusterStats, clusterScope } from './cluster-stats.ts';
import { MAX_METHOD_NAME_LENGTH, MAX_METHODS, MAX_OTHER_STATUSES } from './grpc-stats.ts';

/** The gRPC stats by what stands behind `cluster.orders.`. */
function grpcEntries(stats: ClusterStats): Map<string, StatEntry> {
  const store = new HolderStore();
  store.add(clusterScope(clusterConfig()), stats);
  const entries = takeSnapshot(store).filter(({ name }) => name.includes('grpc'));
  return new Map(entries.map((entry) => [entry.name.replace('cluster.orders.', ''), entry]));
}

const values = (stats: ClusterStats) =>
  Object.fromEntries(
    [...grpcEntries(stats)].map(([name, { kind, value }]) => [
      name,
      kind === 'histogram' ? value.count : value,
    ]),
  );

test('calls are counted by method, status and outcome, and what never happened is not there', () => {
  const stats = new ClusterStats();
  const calls = stats.grpcCalls('grpc', 'a.b.Svc', 'Meth');
  calls.chargeStatus('0');
  calls.chargeStatus('14');
  calls.chargeStatus('abc');
  calls.requestMessages += 2;
  calls.recordRqTime(3);
  stats.grpcCalls('grpc', '', '').chargeStatus('0');
  stats.grpcCalls('grpc-web', 'a.b.Svc', 'Meth').chargeStatus('7');
  assert.deepEqual(values(stats), {
    'grpc.a.b.Svc.Meth.0': 1,
    'grpc.a.b.Svc.Meth.14': 1,
    'grpc.a.b.Svc.Meth.abc': 1,
    'grpc.a.b.Svc.Meth.success': 1,
    'grpc.a.b.Svc.Meth.failure': 2,
    'grpc.a.b.Svc.Meth.total': 3,
    'grpc.a.b.Svc.Meth.request_message_count': 2,
    'grpc.a.b.Svc.Meth.upstream_rq_time': 1,
    'grpc.0': 1,
    'grpc.success': 1,
    'grpc.total': 1,
    'grpc-web.a.b.Svc.Meth.7': 1,
    'grpc-web.a.b.Svc.Meth.failure': 1,
    'grpc-web.a.b.Svc.Meth.total': 1,
  });
});

test('Prometheus gets service and method as labels', () => {
  const stats = new ClusterStats();
  const calls = stats.grpcCalls('grpc', 'a.b.Svc', 'Meth');
  calls.chargeStatus('0');
  calls.recordRqTime(1);
  stats.grpcCalls('grpc-web', '', '').chargeStatus('0');
  const entries = grpcEntries(stats);
  const labels = {
    envoy_cluster_name: 'orders',
    envoy_grpc_bridge_service: 'a.b.Svc',
    envoy_grpc_bridge_method: 'Meth',
  };
  const counter = entries.get('grpc.a.b.Svc.Meth.success');
  assert.equal(counter?.promName, 'envoy_cluster_grpc_success');
  assert.deepEqual(counter.labels, labels);
  const time = entries.get('grpc.a.b.Svc.Meth.upstream_rq_time');
  assert.equal(time?.promName, 'envoy_cluster_grpc_upstream_rq_time');
  assert.deepEqual(time.labels, labels);
  const web = entries.get('grpc-web.success');
  assert.equal(web?.promName, 'envoy_cluster_grpc_web_success');
  assert.deepEqual(web.labels, { envoy_cluster_name: 'orders' });
});

test('past the limit of methods calls are counted without one', () => {
  const stats = new ClusterStats();
  for (let i = 0; i < MAX_METHODS; i++) stats.grpcCalls('grpc', 's', `m${i}`).chargeStatus('0');
  assert.equal(values(stats)['grpc_method_stats_overflow'], undefined);
  stats.grpcCalls('grpc-web', 's', 'late').chargeStatus('0');
  stats.grpcCalls('grpc', 's', 'm0').chargeStatus('0');
  const after = values(stats);
  assert.equal(after['grpc-web.s.late.success'], undefined);
  assert.equal(after['grpc-web.success'], 1);
  assert.equal(after['grpc.s.m0.success'], 2);
  assert.equal(after['grpc_method_stats_overflow'], 1);
});

test('a name that is too long is counted without a method', () => {
  const stats = new ClusterStats();
  const longest = 'x'.repeat(MAX_METHOD_NAME_LENGTH - 2);
  stats.grpcCalls('grpc', 's', longest).chargeStatus('0');
  stats.grpcCalls('grpc', 's', `${longest}x`).chargeStatus('0');
  assert.deepEqual(values(stats)[`grpc.s.${longest}.success`], 1);
  assert.equal(values(stats)['grpc.success'], 1);
  assert.equal(values(stats)['grpc_method_stats_overflow'], 1);
});

test('of the statuses that gRPC does not know a limited number is told apart', () => {
  const stats = new ClusterStats();
  const calls = stats.grpcCalls('grpc', '', '');
  for (let i = 0; i <= MAX_OTHER_STATUSES; i++) calls.chargeStatus(String(100 + i));
  const after = values(stats);
  assert.equal(after[`grpc.${99 + MAX_OTHER_STATUSES}`], 1);
  assert.equal(after[`grpc.${100 + MAX_OTHER_STATUSES}`], undefined);
  assert.equal(after['grpc.failure'], MAX_OTHER_STATUSES + 1);
});
