import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64Text } from '../../../../common/xxhash64.ts';
import {
  balancerParts,
  countPicks,
  prioritySetOf,
  StubHost,
  stubHosts,
} from '../../../../test/fakes/lb.ts';
import type { HashingData } from '../../../api/config/load-balancing.ts';
import { RequestHeaders } from '../../../api/headers.ts';
import { anyHost, type LoadBalancerContext } from '../../../api/load-balancing.ts';
import type { LoadBalancerParts } from '../load-balancer.ts';
import { HashTables } from './hash-tables.ts';
import { ThreadAwareBalancer } from './thread-aware-balancer.ts';

const common = {
  useHostnameForHashing: false,
  balanceFactor: null,
  localityWeighted: false,
  hashPolicy: [],
};
const maglev: HashingData = { kind: 'MAGLEV', tableSize: 997, ...common };
const ring: HashingData = {
  kind: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 8_388_608,
  hashFunction: 'XX_HASH',
  ...common,
};

function balancerOf(
  data: HashingData,
  set: ReturnType<typeof prioritySetOf>,
  parts: LoadBalancerParts = balancerParts(),
): ThreadAwareBalancer {
  return new ThreadAwareBalancer(data, set, parts, new HashTables());
}

function keyed(hash: bigint | null): LoadBalancerContext {
  return { ...anyHost, hashKey: () => hash };
}

/** Names by key, for 300 keys. */
function picks(policy: ThreadAwareBalancer): string[] {
  return Array.from({ length: 300 }, (_, i) => {
    const host = policy.choose(keyed(xxhash64Text(`k${i}`)), 0);
    return (host as unknown as StubHost | null)?.name ?? '';
  });
}

for (const data of [ring, maglev]) {
  test(`${data.kind}: a key keeps its host, keys together use all of them`, () => {
    const hosts = stubHosts(5, 'h');
    const first = picks(balancerOf(data, prioritySetOf(hosts), balancerParts()));
    const again = picks(balancerOf(data, prioritySetOf(hosts), balancerParts()));
    assert.deepEqual(again, first);
    assert.equal(new Set(first).size, 5);
  });

  test(`${data.kind}: unhealthy and degraded hosts get nothing outside of panic`, () => {
    const hosts = [
      ...stubHosts(3, 'up'),
      new StubHost('down', { health: 'unhealthy' }),
      new StubHost('slow', { health: 'degraded' }),
    ];
    const policy = balancerOf(data, prioritySetOf(hosts), balancerParts());
    assert.deepEqual([...new Set(picks(policy))].sort(), ['up0', 'up1', 'up2']);
  });

  test(`${data.kind}: in panic all hosts are used, and each request counts once`, () => {
    const hosts = [...stubHosts(1, 'up'), ...stubHosts(4, 'down', { health: 'unhealthy' })];
    const parts = balancerParts();
    const policy = balancerOf(data, prioritySetOf(hosts), parts);
    assert.equal(new Set(picks(policy)).size, 5);
    policy.choose(keyed(1n), 0);
    policy.choose(keyed(1n), 1);
    assert.equal(parts.stats.lbHealthyPanic, 301);
  });

  test(`${data.kind}: the hash divides keys between priorities`, () => {
    const hosts = [
      ...stubHosts(5, 'p0-up'),
      ...stubHosts(5, 'p0-down', { health: 'unhealthy' }),
      ...stubHosts(3, 'p1-', { priority: 1 }),
    ];
    const policy = balancerOf(data, prioritySetOf(hosts), balancerParts());
    for (let i = 0; i < 100; i++) {
      const host = policy.choose(keyed(BigInt(i)), 0) as unknown as StubHost;
      assert.equal(host.placed.priority, i < 70 ? 0 : 1, String(i));
    }
  });

  test(`${data.kind}: without a hash every request goes anywhere`, () => {
    const policy = balancerOf(data, prioritySetOf(stubHosts(4, 'h')), balancerParts());
    const counts = countPicks(policy, 4000, keyed(null));
    for (const count of Object.values(counts)) assert.ok(count > 700, JSON.stringify(counts));
    assert.equal(Object.keys(counts).length, 4);
  });

  test(`${data.kind}: attempts of one request have one hash, with a key and without`, () => {
    const policy = balancerOf(data, prioritySetOf(stubHosts(9, 'h')), balancerParts());
    let asked = 0;
    const context = {
      ...anyHost,
      hashKey: () => {
        asked++;
        return 12_345n;
      },
    };
    const hosts = new Set([0, 1, 2, 3, 4, 5].map((attempt) => policy.choose(context, attempt)));
    assert.ok(hosts.size > 1);
    assert.equal(asked, 1);
  });

  test(`${data.kind}: no hosts, no choice; the next host cannot be told before`, () => {
    const policy = balancerOf(data, prioritySetOf([]), balancerParts());
    assert.equal(policy.choose(keyed(1n), 0), null);
    assert.equal(policy.peek(), null);
    assert.equal(policy.tableSize().size, null);
  });

  test(`${data.kind}: localities get keys by their weights, those without any get none`, () => {
    const hosts = [
      ...stubHosts(2, 'a', { zone: 'a' }),
      ...stubHosts(8, 'b', { zone: 'b' }),
      ...stubHosts(2, 'c', { zone: 'c' }),
    ];
    const set = prioritySetOf(hosts, { localityWeights: { a: 3, b: 1 } });
    const weighted = { ...data, localityWeighted: true };
    const policy = balancerOf(weighted, set, balancerParts());
    const zones = picks(policy).map((name) => name[0]!);
    const share = zones.filter((zone) => zone === 'a').length / zones.length;
    assert.ok(Math.abs(share - 0.75) < 0.1, String(share));
    assert.ok(!zones.includes('c'));
  });

  test(`${data.kind}: the policy's own hash policy goes before the context's hash`, () => {
    const own = {
      ...data,
      hashPolicy: [{ source: { kind: 'header', name: 'k', rewrite: null }, terminal: false }],
    } as const;
    const set = prioritySetOf(stubHosts(9, 'h'));
    const policy = balancerOf(own, set, balancerParts());
    const byContext = balancerOf(data, set, balancerParts());
    const requestHeaders = new RequestHeaders('GET', '/', 'h', 'http', ['k', 'value']);
    for (const other of [1n, 2n, 3n]) {
      const context = { ...keyed(other), requestHeaders };
      const expected = byContext.choose(keyed(xxhash64Text('value')), 0);
      assert.equal(policy.choose(context, 0), expected);
    }
  });

  test(`${data.kind}: metadata, host name and address are hashed, in this order`, () => {
    const named = (name: string, lb?: Record<string, unknown>) => {
      const host = new StubHost(name, lb === undefined ? {} : { lb });
      return Object.assign(host, { hostname: `${name}.example` });
    };
    const choices = (hosts: StubHost[], useHostnameForHashing: boolean) => {
      const set = prioritySetOf(hosts);
      return picks(balancerOf({ ...data, useHostnameForHashing }, set, balancerParts()));
    };
    const plain = choices([named('a'), named('b'), named('c')], false);
    const keys = ['x', 'y', 'z'];
    const byKey = choices(
      ['a', 'b', 'c'].map((name, i) => named(name, { hash_key: keys[i] })),
      true,
    );
    const asKeys = choices(
      keys.map((name) => named(name)),
      false,
    );
    assert.deepEqual(
      byKey.map((name) => keys['abc'.indexOf(name)]),
      asKeys,
    );
    assert.deepEqual(
      choices([named('a', { hash_key: '' }), named('b', { hash_key: 7 }), named('c')], false),
      plain,
    );
    const byName = choices([named('a'), named('b'), named('c')], true);
    assert.deepEqual(
      byName,
      choices(
        ['a', 'b', 'c'].map((name) => named(name, { hash_key: `${name}.example` })),
        false,
      ),
    );
  });
}

test('a bound moves requests off a host that has its share, to the same host for the same key', () => {
  const hosts = stubHosts(4, 'h');
  const data = { ...ring, balanceFactor: 150 };
  let active = 0;
  const parts = balancerParts({ rqActive: () => active });
  const policy = balancerOf(data, prioritySetOf(hosts), parts);
  const counts = new Map<string, number>();
  for (let i = 0; i < 40; i++) {
    const host = policy.choose(keyed(42n), 0) as unknown as StubHost;
    host.active++;
    active++;
    counts.set(host.name, (counts.get(host.name) ?? 0) + 1);
  }
  // 40 at 150 % of the mean of 10: 15 at most, plus the one that may meet the bound.
  assert.ok(Math.max(...counts.values()) <= 16, JSON.stringify([...counts]));
  assert.ok(counts.size >= 3);
});

test('where all hosts are above the bound the least loaded one gets the request', () => {
  const hosts = [9, 3, 7].map((load, i) => new StubHost(`h${i}`, { active: load }));
  const data = { ...maglev, balanceFactor: 100 };
  // The counts disagree as those of hosts and cluster may for a moment.
  const policy = balancerOf(data, prioritySetOf(hosts), balancerParts());
  for (const hash of [1n, 2n, 3n, 4n, 5n]) {
    assert.equal((policy.choose(keyed(hash), 0) as unknown as StubHost).name, 'h1');
  }
});

test('the gauges tell the shape of the last priority that has hosts', () => {
  const hosts = [...stubHosts(3, 'a'), ...stubHosts(2, 'b', { priority: 1 })];
  const policy = balancerOf(ring, prioritySetOf(hosts), balancerParts());
  const { kind, size } = policy.tableSize();
  assert.deepEqual(
    [kind, size?.size, size?.minPerHost, size?.maxPerHost],
    ['RING_HASH', 1024, 512, 512],
  );
});
