import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatScope, StatSink } from '../api/stats.ts';
import { BucketHistogram } from './histogram.ts';
import { prometheusText } from './prom-export.ts';
import { mergeSnapshots, takeSnapshot } from './snapshot.ts';
import { HolderStore } from './store.ts';

class Traffic {
  static readonly stats = [
    { field: 'rqTotal', name: 'upstream_rq_total', kind: 'counter' },
    { field: 'cxActive', name: 'upstream_cx_active', kind: 'gauge' },
  ] as const;
  rqTotal = 0;
  cxActive = 0;
  readonly rqTime = new BucketHistogram();

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.tagged(
      scope,
      'upstream_rq_2xx',
      'upstream_rq_xx',
      { envoy_response_code_class: '2' },
      'counter',
      this.rqTotal,
    );
    const data = this.rqTime.data();
    if (data !== null) sink.histogram(scope, 'upstream_rq_time', data);
  }
}

const scope: StatScope = {
  prefix: 'cluster.orders',
  promPrefix: 'envoy_cluster',
  labels: { envoy_cluster_name: 'orders' },
};

function worker(requests: number): Traffic {
  const traffic = new Traffic();
  traffic.rqTotal = requests;
  traffic.cxActive = 1;
  for (let i = 0; i < requests; i++) traffic.rqTime.record(7);
  return traffic;
}

test('two workers are summed and printed under Envoy’s names and labels', async () => {
  const snapshots = [worker(2), worker(3)].map((traffic) => {
    const store = new HolderStore();
    store.add(scope, traffic);
    return takeSnapshot(store);
  });
  const entries = mergeSnapshots(snapshots);
  const text = await prometheusText(entries);
  assert.match(text, /^# TYPE envoy_cluster_upstream_rq_total counter$/m);
  assert.match(text, /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="orders"\} 5$/m);
  assert.match(text, /^# TYPE envoy_cluster_upstream_cx_active gauge$/m);
  assert.match(text, /^envoy_cluster_upstream_cx_active\{envoy_cluster_name="orders"\} 2$/m);
  assert.match(
    text,
    /^envoy_cluster_upstream_rq_xx\{envoy_cluster_name="orders",envoy_response_code_class="2"\} 5$/m,
  );
  assert.match(
    text,
    /^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="orders",le="5"\} 0$/m,
  );
  assert.match(
    text,
    /^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="orders",le="10"\} 5$/m,
  );
  assert.match(
    text,
    /^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="orders",le="\+Inf"\} 5$/m,
  );
  assert.match(text, /^envoy_cluster_upstream_rq_time_sum\{envoy_cluster_name="orders"\} 35$/m);
  assert.match(text, /^envoy_cluster_upstream_rq_time_count\{envoy_cluster_name="orders"\} 5$/m);
});
