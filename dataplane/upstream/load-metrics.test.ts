import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoadMetrics, MAX_METRIC_NAMES } from './load-metrics.ts';

const text = (metrics: string) => ['endpoint-load-metrics', `TEXT ${metrics}`];

describe('metrics of a host for load reports', () => {
  it('are summed by the names that are asked for', () => {
    const metrics = new LoadMetrics([
      'named_metrics.work',
      'cpu_utilization',
      'named_metrics.none',
    ]);
    metrics.take(text('named_metrics.work=2.5,named_metrics.other=1,cpu_utilization=0.5'));
    metrics.take(text('named_metrics.work=1.5'));
    metrics.take(['endpoint-load-metrics', 'nonsense']);
    metrics.take([]);
    assert.deepEqual(metrics.sums(), [
      ['named_metrics.work', 2, 4],
      ['cpu_utilization', 2, 0.5],
    ]);
  });

  it('are all of a kind behind a star', () => {
    const metrics = new LoadMetrics(['named_metrics.*']);
    metrics.take(text('named_metrics.a=1,named_metrics.b=2,utilization.c=3'));
    assert.deepEqual(metrics.sums(), [
      ['named_metrics.a', 1, 1],
      ['named_metrics.b', 1, 2],
    ]);
  });

  it('are at most a hundred: hosts choose the names', () => {
    const metrics = new LoadMetrics(['named_metrics.*']);
    for (let i = 0; i <= MAX_METRIC_NAMES; i++) metrics.take(text(`named_metrics.m${i}=1`));
    metrics.take(text('named_metrics.m0=1'));
    assert.equal(metrics.sums().length, MAX_METRIC_NAMES);
    assert.deepEqual(metrics.sums()[0], ['named_metrics.m0', 2, 2]);
  });
});
