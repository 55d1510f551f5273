import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../../../test/fakes/cluster-config.ts';
import { fakeFilterContext, fakeRoute, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { Cluster, ClusterManager } from '../../../api/cluster.ts';
import type { DnsCache, DnsCacheEntry, DnsCacheWaiter, DnsLoad } from '../../../api/dns-cache.ts';
import type { HttpFilterContext } from '../../../api/factory.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { DynamicForwardProxyFilterData, DynamicForwardProxyRouteData } from './data.ts';
import { dynamicForwardProxy } from './filter.ts';

class FakeCache implements DnsCache {
  readonly known = new Map<string, DnsCacheEntry>();
  readonly asked: string[] = [];
  outcome: DnsLoad = 'loading';
  waiter: DnsCacheWaiter | null = null;

  lookup(authority: string, defaultPort: number): DnsCacheEntry | null {
    this.asked.push(`${authority} ${defaultPort}`);
    return this.known.get(authority) ?? null;
  }

  load(_authority: string, _defaultPort: number, waiter: DnsCacheWaiter): DnsLoad {
    if (this.outcome === 'loading') this.waiter = waiter;
    return this.outcome;
  }

  cancel(waiter: DnsCacheWaiter): void {
    assert.equal(waiter, this.waiter);
    this.waiter = null;
  }
}

interface Given {
  readonly type?: 'STATIC' | 'DYNAMIC_FORWARD_PROXY';
  readonly override?: Partial<DynamicForwardProxyRouteData>;
}

function setUp({ type = 'DYNAMIC_FORWARD_PROXY', override }: Given = {}) {
  const cache = new FakeCache();
  const store = new HolderStore();
  const timers = new FakeTimers();
  const cluster = { config: clusterConfig({ type }) } as unknown as Cluster; // no more is used
  const clusterManager: ClusterManager = { getCluster: () => cluster };
  const context = fakeFilterContext({ store, timers, clusterManager });
  const worker = { ...context.worker, dnsCaches: { get: () => cache } };
  const data = { hostRewriteLiteral: '', hostRewriteHeader: '', ...override };
  const subject = new HcmScenario({
    store,
    timers,
    route: fakeRoute({
      clusterName: 'proxied',
      perFilterConfig: (name: string) => (override !== undefined && name === 'dfp' ? data : null),
    }),
    realFilters: [
      {
        name: 'dfp',
        disabled: false,
        config: dynamicForwardProxy.create(
          {} as DynamicForwardProxyFilterData,
          { ...context, worker } as HttpFilterContext,
        ),
      },
    ],
  });
  return { cache, subject };
}

const resolved: DnsCacheEntry = { hostname: 'h', ip: '10.0.0.1', port: 80, failure: '' };
const unresolved: DnsCacheEntry = { hostname: 'h', ip: '', port: 80, failure: 'cares_norecords' };
const passed = ['router.decodeHeaders end'];

test('a known host goes on at once', () => {
  const { cache, subject } = setUp();
  cache.known.set('h', resolved);
  subject.get();
  assert.deepEqual(subject.journal, passed);
  assert.deepEqual(cache.asked, ['h 80']);
});

test('requests to other clusters are left alone', () => {
  const { cache, subject } = setUp({ type: 'STATIC' });
  subject.get();
  assert.deepEqual(subject.journal, passed);
  assert.deepEqual(cache.asked, []);
});

test('an unknown host is waited for, with the body, and nothing blocks', () => {
  const { cache, subject } = setUp();
  subject.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab');
  subject.send('cd');
  assert.deepEqual(subject.journal, []);
  cache.waiter!.onDnsLoaded(resolved);
  assert.deepEqual(subject.journal, ['router.decodeHeaders', 'router.decodeData abcd end']);
});

test('a client that leaves waits no more', () => {
  const { cache, subject } = setUp();
  subject.get();
  assert.notEqual(cache.waiter, null);
  subject.connection.remoteClose();
  assert.equal(cache.waiter, null);
});

test('refusals: unresolvable, unresolvable after waiting, full, full after waiting, too many waiting', () => {
  const failed = 'dns_resolution_failure{cares_norecords}';
  const table: readonly [string, string, number, (cache: FakeCache) => void, boolean][] = [
    [
      'DNS resolution failure',
      failed,
      ResponseFlag.DnsResolutionFailed,
      (c) => c.known.set('h', unresolved),
      false,
    ],
    ['DNS resolution failure', failed, ResponseFlag.DnsResolutionFailed, () => {}, true],
    [
      'DNS cache overflow',
      'dns_cache_overflow',
      0,
      (c) => {
        c.outcome = 'full';
      },
      false,
    ],
    ['DNS cache overflow', 'dns_cache_overflow', 0, () => {}, true],
    [
      'Dynamic forward proxy pending request overflow',
      'dynamic_forward_proxy_pending_request_overflow',
      0,
      (c) => {
        c.outcome = 'too-many-pending';
      },
      false,
    ],
  ];
  for (const [body, details, flags, prepare, waits] of table) {
    const { cache, subject } = setUp();
    prepare(cache);
    subject.get();
    if (waits) cache.waiter!.onDnsLoaded(details === failed ? unresolved : null);
    assert.match(subject.connection.written, /^HTTP\/1.1 503 /);
    assert.ok(subject.connection.written.endsWith(`\r\n\r\n${body}`), body);
    assert.deepEqual([subject.logs[0]?.details, subject.logs[0]?.flags], [details, flags]);
    assert.ok(!subject.journal.includes(passed[0]!));
  }
});

test('the route may say the host, or which header says it', () => {
  const literal = setUp({ override: { hostRewriteLiteral: 'other:81' } });
  literal.subject.get();
  assert.deepEqual(literal.cache.asked, ['other:81 80']);
  const header = setUp({ override: { hostRewriteHeader: 'x-host' } });
  header.subject.send('GET / HTTP/1.1\r\nHost: h\r\nX-Host: one\r\nX-Host: two\r\n\r\n');
  assert.deepEqual(header.cache.asked, ['one 80']);
  const without = setUp({ override: { hostRewriteHeader: 'x-host' } });
  without.subject.get();
  assert.deepEqual(without.cache.asked, ['h 80']);
});

test('an empty host is a bad request', () => {
  const { subject } = setUp({ override: { hostRewriteHeader: 'x-host' } });
  subject.send('GET / HTTP/1.1\r\nHost: h\r\nX-Host:\r\n\r\n');
  assert.match(subject.connection.written, /^HTTP\/1.1 400 /);
  assert.equal(subject.logs[0]?.details, 'empty_host_header');
});
