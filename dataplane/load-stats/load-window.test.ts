import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterSample, HostSample } from '../api/load-sample.ts';
import { LoadWindows } from './load-window.ts';

const at = (zone: string) => ({ region: '', zone, subZone: '' });
const host = (key: string, change: Partial<HostSample> = {}): HostSample => ({
  key,
  address: { ip: '10.0.0.1', port: 80 },
  locality: at('a'),
  priority: 0,
  active: 0,
  success: 0,
  error: 0,
  issued: 0,
  metrics: new Map(),
  ...change,
});
const cluster = (name: string, hosts: readonly HostSample[], change = {}): ClusterSample => ({
  name,
  serviceName: '',
  dropCategory: '',
  dropped: 0,
  dropOverload: 0,
  hosts,
  ...change,
});
const report = (windows: LoadWindows, sample: ClusterSample, nowMs = 1000) => {
  const [only] = windows.report([sample], nowMs, 'locality');
  assert.ok(only !== undefined);
  return only;
};
const localities = (windows: LoadWindows, sample: ClusterSample) =>
  report(windows, sample).upstream_locality_stats ?? [];

describe('windows of load', () => {
  it('tell what happened since the last report, and how long that was', () => {
    const windows = new LoadWindows();
    const counted = (n: number) =>
      cluster('c', [host('h', { success: n, error: 1, issued: n + 1 })]);
    windows.track([counted(10)], 500);
    const first = report(windows, counted(13), 1750);
    assert.deepEqual(first.load_report_interval, { seconds: 1, nanos: 250_000_000 });
    assert.deepEqual(first.upstream_locality_stats, [
      {
        locality: { region: '', zone: 'a', sub_zone: '' },
        priority: 0,
        total_successful_requests: 3,
        total_requests_in_progress: 0,
        total_error_requests: 0,
        total_issued_requests: 3,
        load_metric_stats: [],
        upstream_endpoint_stats: [],
      },
    ]);
    assert.deepEqual(report(windows, counted(13), 2000).upstream_locality_stats, []);
  });

  it('go on for clusters that are asked for again, and begin for new ones', () => {
    const windows = new LoadWindows();
    const c = (n: number) => cluster('c', [host('h', { success: n })]);
    const d = (n: number) => cluster('d', [host('h', { success: n })]);
    windows.track([c(1)], 0);
    windows.track([c(3), d(3)], 100);
    const [ofC, ofD] = windows.report([c(4), d(4)], 200, 'locality');
    assert.equal(ofC?.upstream_locality_stats?.[0]?.total_successful_requests, 3);
    assert.equal(ofD?.upstream_locality_stats?.[0]?.total_successful_requests, 1);
    assert.deepEqual(ofC?.load_report_interval, { seconds: 0, nanos: 200_000_000 });
    assert.deepEqual(ofD?.load_report_interval, { seconds: 0, nanos: 100_000_000 });
  });

  it('end for clusters that are not asked for any more', () => {
    const windows = new LoadWindows();
    windows.track([cluster('c', []), cluster('d', [])], 0);
    windows.track([cluster('d', [])], 0);
    const reports = windows.report([cluster('c', []), cluster('d', [])], 1, 'locality');
    assert.deepEqual(
      reports.map(({ cluster_name }) => cluster_name),
      ['d'],
    );
  });

  it('count all of a host that came within them', () => {
    const windows = new LoadWindows();
    windows.track([cluster('c', [])], 0);
    const [locality] = localities(windows, cluster('c', [host('h', { success: 2, issued: 2 })]));
    assert.equal(locality?.total_issued_requests, 2);
  });

  it('count all of a host whose counters began anew', () => {
    const windows = new LoadWindows();
    const metrics = (count: number, total: number) => new Map([['m', { count, total }]]);
    const before = host('h', { success: 9, issued: 9, metrics: metrics(9, 90) });
    windows.track([cluster('c', [before])], 0);
    const after = host('h', { success: 2, issued: 2, metrics: metrics(2, 5) });
    const [locality] = localities(windows, cluster('c', [after]));
    assert.equal(locality?.total_successful_requests, 2);
    assert.deepEqual(locality?.load_metric_stats, [
      { metric_name: 'm', num_requests_finished_with_metric: 2, total_metric_value: 5 },
    ]);
  });

  it('name a locality where nothing ended but something is under way', () => {
    const windows = new LoadWindows();
    const busy = cluster('c', [host('h', { active: 2 })]);
    windows.track([busy], 0);
    assert.equal(localities(windows, busy)[0]?.total_requests_in_progress, 2);
  });

  it('sum by priority and locality', () => {
    const windows = new LoadWindows();
    const all = (n: number) =>
      cluster('c', [
        host('p1', { priority: 1, success: n }),
        host('a1', { success: n }),
        host('b', { locality: at('b'), success: 2 * n }),
        host('a2', { success: n }),
        host('idle', { locality: at('c') }),
      ]);
    windows.track([all(0)], 0);
    assert.deepEqual(
      localities(windows, all(1)).map((stats) => [
        stats.priority,
        stats.locality?.zone,
        stats.total_successful_requests,
      ]),
      [
        [0, 'a', 2],
        [0, 'b', 2],
        [1, 'a', 1],
      ],
    );
  });

  it('name the hosts where the server wants to know them', () => {
    const windows = new LoadWindows();
    const all = (n: number) => cluster('c', [host('a', { success: n }), host('idle')]);
    windows.track([all(0)], 0);
    const [only] = windows.report([all(4)], 1, 'endpoint');
    assert.deepEqual(only?.upstream_locality_stats?.[0]?.upstream_endpoint_stats, [
      {
        address: { socket_address: { address: '10.0.0.1', port_value: 80 } },
        total_successful_requests: 4,
        total_requests_in_progress: 0,
        total_error_requests: 0,
        total_issued_requests: 0,
        load_metric_stats: [],
      },
    ]);
  });

  it('tell what got no try', () => {
    const windows = new LoadWindows();
    const shed = (dropped: number, dropOverload: number) =>
      cluster('c', [], { dropped, dropOverload, dropCategory: 'much', serviceName: 's' });
    windows.track([shed(5, 1)], 0);
    const first = report(windows, shed(9, 2));
    assert.equal(first.cluster_service_name, 's');
    assert.equal(first.total_dropped_requests, 4);
    assert.deepEqual(first.dropped_requests, [{ category: 'much', dropped_count: 1 }]);
    assert.deepEqual(report(windows, shed(10, 2)).dropped_requests, []);
  });
});
