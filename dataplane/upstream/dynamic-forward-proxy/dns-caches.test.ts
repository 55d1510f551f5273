import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { type DnsCacheData, DnsCacheWord, systemDnsResolver } from '../../api/config/dns.ts';
import type { DnsCacheEntry, DnsCacheWaiter } from '../../api/dns-cache.ts';
import { takeSnapshot } from '../../stats/snapshot.ts';
import { HolderStore } from '../../stats/store.ts';
import type { ResolvedAddress } from '../discovery/name-resolver.ts';
import { MainDnsCaches } from './main-dns-caches.ts';
import { hostKey, type WorkerDnsCache, WorkerDnsCaches } from './worker-dns-caches.ts';

interface Question {
  readonly name: string;
  answer(...ips: readonly string[]): Promise<void>;
  fail(code: string): Promise<void>;
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function cacheData(given: Partial<DnsCacheData> = {}): DnsCacheData {
  return {
    name: 'names',
    dns: {
      refreshRateMs: 60_000,
      respectTtl: true,
      minRefreshMs: 5_000,
      jitterMs: 0,
      failureRefreshBaseMs: 60_000,
      failureRefreshMaxMs: 60_000,
      lookupFamily: 'V4_ONLY',
      resolver: systemDnsResolver,
    },
    hostTtlMs: 300_000,
    maxHosts: 2,
    maxPendingRequests: 2,
    queryTimeoutMs: 5_000,
    preresolve: [],
    shared: new SharedArrayBuffer(8),
    ...given,
  };
}

/** Main and two workers, whose messages arrive in order a moment later. */
function setUp(given: Partial<DnsCacheData> = {}) {
  const timers = new FakeTimers();
  const data = cacheData(given);
  const mainStats = new HolderStore();
  const workerStats = new HolderStore();
  const questions: Question[] = [];
  const main = new MainDnsCaches({
    clock: timers.clock,
    random: () => 0,
    timers,
    stats: mainStats,
    resolverFor: () => ({
      resolve: (name) =>
        new Promise<readonly ResolvedAddress[]>((resolve, reject) => {
          questions.push({
            name,
            answer: (...ips) => {
              resolve(ips.map((ip) => ({ ip, ttlS: 10 })));
              return settle();
            },
            fail: (code) => {
              reject(Object.assign(new Error(code), { code }));
              return settle();
            },
          });
        }),
    }),
    publish: (update) => {
      queueMicrotask(() => {
        for (const worker of workers) worker.apply(update, data);
      });
    },
  });
  const workers: WorkerDnsCaches[] = [1, 2].map(
    () =>
      new WorkerDnsCaches({
        clock: timers.clock,
        stats: workerStats,
        request: (request) => main.onRequest(request),
      }),
  );
  const [first, second] = workers.map((worker) => worker.get(data)) as [
    WorkerDnsCache,
    WorkerDnsCache,
  ];
  const stat = (name: string): number => {
    let sum = 0;
    for (const store of [mainStats, workerStats]) {
      for (const entry of takeSnapshot(store)) {
        if (entry.name === `dns_cache.names.${name}`) sum += Number(entry.value);
      }
    }
    return sum;
  };
  const pending = () => new Int32Array(data.shared)[DnsCacheWord.PendingRequests];
  return { timers, data, main, first, second, questions, stat, pending };
}

class Waiter implements DnsCacheWaiter {
  readonly got: (DnsCacheEntry | null)[] = [];

  onDnsLoaded(entry: DnsCacheEntry | null): void {
    this.got.push(entry);
  }
}

test('names are told apart by port and not by case', () => {
  assert.equal(hostKey('A.test', 80), 'a.test:80');
  assert.equal(hostKey('a.test:', 80), 'a.test:80');
  assert.equal(hostKey('a.test:81', 80), 'a.test:81');
  assert.equal(hostKey('[::1]', 443), '[::1]:443');
  assert.equal(hostKey('[::1]:1', 443), '[::1]:1');
});

test('a name is resolved once for all who wait, and known to every worker then', async () => {
  const { first, second, questions, stat, pending } = setUp();
  const waiters = [new Waiter(), new Waiter()];
  assert.equal(first.lookup('a.test', 80), null);
  assert.equal(first.load('a.test', 80, waiters[0]!), 'loading');
  assert.equal(second.load('A.test:80', 80, waiters[1]!), 'loading');
  assert.equal(pending(), 2);
  await questions[0]!.answer('10.0.0.1', '10.0.0.2');
  assert.equal(questions.length, 1);
  const entry = { hostname: 'a.test', ip: '10.0.0.1', port: 80, failure: '' };
  assert.deepEqual(
    waiters.map(({ got }) => got),
    [[entry], [entry]],
  );
  assert.equal(pending(), 0);
  assert.deepEqual(second.lookup('a.test', 80), entry);
  assert.deepEqual(
    [
      'dns_query_attempt',
      'dns_query_success',
      'host_added',
      'num_hosts',
      'host_address_changed',
    ].map(stat),
    [1, 1, 1, 1, 1],
  );
});

test('an IP address is its own answer', async () => {
  const { first, questions } = setUp();
  const waiter = new Waiter();
  first.load('[::1]:81', 80, waiter);
  await settle();
  assert.equal(questions.length, 0);
  assert.deepEqual(waiter.got, [{ hostname: '::1', ip: '::1', port: 81, failure: '' }]);
});

test('what names no port has no address', async () => {
  const { first, questions } = setUp();
  const waiter = new Waiter();
  for (const authority of ['127.0.0.1:99999', 'a.test:https']) {
    first.load(authority, 80, waiter);
    await settle();
  }
  assert.equal(questions.length, 0);
  assert.deepEqual(
    waiter.got.map((entry) => [entry?.ip, entry?.failure]),
    [
      ['', 'cares_norecords'],
      ['', 'cares_norecords'],
    ],
  );
});

test('who goes while others are told hears nothing', async () => {
  const { first, questions, pending } = setUp();
  const gone = new Waiter();
  first.load('a.test', 80, { onDnsLoaded: () => first.cancel(gone) });
  first.load('a.test', 80, gone);
  await questions[0]!.answer('10.0.0.1');
  assert.deepEqual(gone.got, []);
  assert.equal(pending(), 0);
});

test('one waiter more than dns_cache_circuit_breaker is refused; one who goes makes room', () => {
  const { first, second, stat, pending } = setUp();
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  first.load('a.test', 80, waiters[0]!);
  second.load('a.test', 80, waiters[1]!);
  assert.equal(first.load('a.test', 80, waiters[2]!), 'too-many-pending');
  assert.equal(stat('dns_rq_pending_overflow'), 1);
  second.cancel(waiters[1]!);
  second.cancel(waiters[1]!);
  assert.equal(pending(), 1);
  assert.equal(first.load('a.test', 80, waiters[2]!), 'loading');
});

test('one name more than max_hosts is refused, in the worker and in a race between workers', async () => {
  const { first, second, questions, stat } = setUp({ maxPendingRequests: 10 });
  const late = new Waiter();
  first.load('a.test', 80, new Waiter());
  first.load('b.test', 80, new Waiter());
  assert.equal(second.load('c.test', 80, late), 'loading');
  await settle();
  assert.deepEqual(late.got, [null], 'main had no room');
  await questions[0]!.answer('10.0.0.1');
  await questions[1]!.answer('10.0.0.1');
  assert.equal(first.load('c.test', 80, new Waiter()), 'full');
  assert.equal(stat('host_overflow'), 2);
});

test('what cannot be resolved is known as such, and tried again', async () => {
  const { first, questions, timers, stat } = setUp();
  const waiter = new Waiter();
  first.load('a.test', 80, waiter);
  await questions[0]!.fail('ESERVFAIL');
  const failure = 'cares_failure:DNS_server_returned_general_failure';
  assert.deepEqual(waiter.got, [{ hostname: 'a.test', ip: '', port: 80, failure }]);
  assert.equal(first.lookup('a.test', 80)?.ip, '');
  timers.advance(60_000);
  await questions[1]!.answer('10.0.0.1');
  assert.equal(first.lookup('a.test', 80)?.ip, '10.0.0.1');
  assert.equal(stat('dns_query_failure'), 1);
});

test('an address stays when its name cannot be resolved any more, and follows when it changes', async () => {
  const { first, questions, timers, stat } = setUp();
  first.load('a.test', 80, new Waiter());
  await questions[0]!.answer('10.0.0.1');
  timers.advance(10_000);
  await questions[1]!.answer();
  assert.equal(first.lookup('a.test', 80)?.ip, '10.0.0.1');
  timers.advance(60_000);
  await questions[2]!.answer('10.0.0.2');
  assert.equal(first.lookup('a.test', 80)?.ip, '10.0.0.2');
  assert.equal(stat('host_address_changed'), 2);
});

test('a lookup ends after dns_query_timeout', async () => {
  const { first, questions, timers, stat } = setUp();
  const waiter = new Waiter();
  first.load('a.test', 80, waiter);
  timers.advance(5_000);
  await settle();
  assert.equal(waiter.got[0]?.failure, 'resolve_timeout');
  assert.equal(stat('dns_query_timeout'), 1);
  await questions[0]!.answer('10.0.0.1');
  assert.equal(first.lookup('a.test', 80)?.ip, '', 'too late');
});

test('a name that nobody uses for host_ttl is forgotten, one in use is not', async () => {
  const { first, second, questions, timers, stat } = setUp({ hostTtlMs: 20_000 });
  const removed: string[] = [];
  second.addListener({ onHostRemoved: (host) => removed.push(host) });
  first.load('a.test', 80, new Waiter());
  first.load('b.test', 80, new Waiter());
  await questions[0]!.answer('10.0.0.1');
  await questions[1]!.answer('10.0.0.2');
  for (let i = 0; i < 5; i++) {
    timers.advance(10_000);
    first.lookup('a.test', 80);
    const asked = questions.splice(2);
    for (const question of asked) await question.answer('10.0.0.1');
  }
  await settle();
  assert.deepEqual(removed, ['b.test:80']);
  assert.equal(second.lookup('b.test', 80), null);
  assert.notEqual(second.lookup('a.test', 80), null);
  assert.deepEqual([stat('host_removed'), stat('num_hosts')], [1, 1]);
});

test('preresolve_hostnames are asked for before anybody else asks', async () => {
  const { main, data, first, questions } = setUp({ preresolve: ['a.test:80'] });
  main.start(data);
  main.start(data);
  assert.deepEqual(
    questions.map(({ name }) => name),
    ['a.test'],
  );
  await questions[0]!.answer('10.0.0.1');
  assert.equal(first.lookup('a.test', 80)?.ip, '10.0.0.1');
});

test('after close no timer is left', async () => {
  const { main, first, questions, timers } = setUp();
  first.load('a.test', 80, new Waiter());
  await questions[0]!.answer('10.0.0.1');
  main.close();
  await settle();
  assert.equal(timers.armedCount(), 0);
  assert.equal(first.lookup('a.test', 80), null);
});
