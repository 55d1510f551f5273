import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterConfig, placedHost } from '../../test/fakes/cluster-config.ts';
import type { ClusterLoadReport } from './load-report.ts';
import { clusterSample, LoadIndex } from './load-sample.ts';

const report = (change: Partial<ClusterLoadReport> = {}): ClusterLoadReport => ({
  cluster: 'orders',
  dropped: 0,
  dropOverload: 0,
  hosts: [],
  ...change,
});
const counts = (address: string, n: number) => ({
  address,
  success: n,
  error: 2 * n,
  issued: 3 * n,
  metrics: [['m', n, 10 * n]] as const,
  own: null,
});

describe('the load of a cluster over all workers', () => {
  const busy = placedHost('10.0.0.1', 1);
  const idle = placedHost('10.0.0.2', 2);

  it('is the sum of what each of them counted', () => {
    const index = new LoadIndex([
      [report({ dropped: 2, dropOverload: 1, hosts: [counts('10.0.0.1:80', 1)] })],
      [report({ dropped: 3, hosts: [counts('10.0.0.1:80', 4)] })],
    ]);
    const config = clusterConfig({ name: 'orders' });
    const active = (host: object) => (host === busy ? 7 : 0);
    const sample = clusterSample(config, 'much', [busy, idle], active, index);
    assert.equal(sample.dropped, 5);
    assert.equal(sample.dropOverload, 1);
    assert.equal(sample.dropCategory, 'much');
    const [first, second] = sample.hosts;
    assert.deepEqual([first?.success, first?.error, first?.issued, first?.active], [5, 10, 15, 7]);
    assert.deepEqual(first?.metrics, new Map([['m', { count: 5, total: 50 }]]));
    assert.deepEqual([second?.success, second?.active], [0, 0]);
  });

  it('is that of another host when an address comes back in another slot', () => {
    const index = new LoadIndex([]);
    const keyOf = (slot: number) =>
      clusterSample(
        clusterConfig({ name: 'orders' }),
        '',
        [placedHost('10.0.0.1', slot)],
        () => 0,
        index,
      ).hosts[0]?.key;
    assert.notEqual(keyOf(1), keyOf(2));
  });

  it('counts hosts that workers have made themselves', () => {
    const own = (active: number) => ({ ...counts('10.0.0.1:80', 1), own: { host: busy, active } });
    const index = new LoadIndex([[report({ hosts: [own(2)] })], [report({ hosts: [own(3)] })]]);
    const config = clusterConfig({
      name: 'orders',
      provided: {
        kind: 'ORIGINAL_DST',
        httpHeader: '',
        port: null,
        cleanupMs: 1,
        metadataKey: null,
      },
    } as never);
    const [host] = clusterSample(config, '', [], () => 0, index).hosts;
    assert.deepEqual([host?.success, host?.active, host?.address.port], [2, 5, 80]);
  });

  it('names the EDS service where it has another name', () => {
    const named = (edsServiceName: string) =>
      clusterSample(
        clusterConfig({ name: 'orders', edsServiceName }),
        '',
        [],
        () => 0,
        new LoadIndex([]),
      ).serviceName;
    assert.equal(named('orders-v1'), 'orders-v1');
    assert.equal(named('orders'), '');
  });
});
