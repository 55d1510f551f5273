import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { xxhash64Text } from '../../../../common/xxhash64.ts';
import { prioritySetOf, StubHost } from '../../../../test/fakes/lb.ts';
import type { UpstreamHost } from '../../host.ts';
import { finish } from '../../steps.ts';
import { HashRing } from './hash-ring.ts';
import type { HashTable } from './hash-table.ts';
import { HostKeys } from './host-keys.ts';
import { type HostWeights, weighHosts } from './host-weights.ts';
import { MaglevTable } from './maglev-table.ts';

type RingOptions = Parameters<typeof HashRing.make>[2];

const KEYS = 3000;
const keys = Array.from({ length: KEYS }, (_, i) => xxhash64Text(`key ${i}`));
const lowOf = (hash: bigint) => Number(hash & 0xffffffffn);
const highOf = (hash: bigint) => Number(hash >> 32n);

const byAddress = { useHostnameForHashing: false };
const ringOptions: RingOptions = {
  minimumRingSize: 1024,
  maximumRingSize: 8_388_608,
  hashFunction: 'XX_HASH',
};

function weigh(hosts: readonly StubHost[]): HostWeights {
  return finish(weighHosts(prioritySetOf(hosts).priorities[0]!, false, false));
}

function ringOf(hosts: readonly StubHost[], options: RingOptions): HashRing {
  const weighed = weigh(hosts);
  const keys = finish(new HostKeys(byAddress).of(weighed.hosts));
  return finish(HashRing.make(weighed, keys, options));
}

function maglevOf(hosts: readonly StubHost[], tableSize: number): MaglevTable {
  const weighed = weigh(hosts);
  const keys = new HostKeys(byAddress);
  const ofHosts = finish(keys.of(weighed.hosts));
  return finish(MaglevTable.make(weighed, ofHosts, finish(keys.rank()), tableSize));
}

function choiceOf(table: HashTable, hash: bigint, attempt = 0): string {
  return (table.choose(lowOf(hash), highOf(hash), attempt) as unknown as StubHost).name;
}

const someHosts = fc
  .uniqueArray(fc.integer({ min: 0, max: 9999 }), { minLength: 2, maxLength: 40 })
  .map((numbers) => numbers.map((number) => `10.0.0.${number}:80`));

function moved(before: HashTable, after: HashTable, gone: string): { own: number; others: number } {
  const counts = { own: 0, others: 0 };
  for (const key of keys) {
    const old = choiceOf(before, key);
    if (old === gone) counts.own++;
    else if (choiceOf(after, key) !== old) counts.others++;
  }
  return counts;
}

test('a host that leaves a ring takes only its own keys with it, while the others keep their places', () => {
  fc.assert(
    fc.property(someHosts, (names) => {
      const hosts = names.map((name) => new StubHost(name));
      // One place each, with and without the one that leaves.
      const options = { ...ringOptions, minimumRingSize: 1 };
      const before = ringOf(hosts, options);
      const after = ringOf(hosts.slice(1), options);
      assert.equal(moved(before, after, names[0]!).others, 0);
    }),
    { numRuns: 30 },
  );
});

test('a ring that grows by places of those who stay moves no more than these take', () => {
  fc.assert(
    fc.property(someHosts, (names) => {
      const hosts = names.map((name) => new StubHost(name));
      const before = ringOf(hosts, ringOptions);
      const after = ringOf(hosts.slice(1), ringOptions);
      const added = (hosts.length - 1) * (after.minPerHost - before.minPerHost);
      const { others } = moved(before, after, names[0]!);
      assert.ok(
        others / KEYS <= added / after.size + 0.06,
        `${others} of ${KEYS}, ${added} places`,
      );
    }),
    { numRuns: 30 },
  );
});

test('a host that leaves a Maglev table moves its own keys and few others', () => {
  fc.assert(
    fc.property(someHosts, (names) => {
      const hosts = names.map((name) => new StubHost(name));
      const before = maglevOf(hosts, 65_537);
      const after = maglevOf(hosts.slice(1), 65_537);
      const { own, others } = moved(before, after, names[0]!);
      assert.ok(Math.abs(own / KEYS - 1 / hosts.length) < 0.04, `own ${own}`);
      assert.ok(others / KEYS < 0.05, `others ${others}`);
    }),
    { numRuns: 30 },
  );
});

test('a ring chooses as one that is searched from its beginning, with any weights and attempts', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 20 });
  const sizes = fc.integer({ min: 1, max: 500 });
  const hashes = fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { maxLength: 20 });
  fc.assert(
    fc.property(weights, sizes, hashes, fc.nat(5), (given, minimumRingSize, asked, attempt) => {
      const hosts = given.map((weight, i) => new StubHost(`10.0.0.${i}:80`, { weight }));
      const options = { ...ringOptions, minimumRingSize };
      const ring = ringOf(hosts, options);
      const model = modelOf(hosts, given, minimumRingSize);
      // Its ends and its places themselves are where a search goes wrong.
      const edges = [
        0n,
        (1n << 64n) - 1n,
        ...model.slice(0, 5).flatMap(({ hash }) => [hash, hash + 1n]),
      ];
      for (const hash of [...asked, ...edges]) {
        const at = Math.max(
          0,
          model.findIndex((place) => place.hash >= hash),
        );
        const expected = model[(at + attempt) % model.length]!.host.name;
        assert.equal(choiceOf(ring, BigInt.asUintN(64, hash), attempt), expected);
      }
    }),
    { numRuns: 60 },
  );
});

/** The ring as the specification has it. */
function modelOf(
  hosts: readonly StubHost[],
  weights: readonly number[],
  minimumRingSize: number,
): { hash: bigint; host: StubHost }[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const least = Math.min(...weights) / sum;
  const scale = Math.min(Math.ceil(least * minimumRingSize) / least, 8_388_608);
  const places: { hash: bigint; host: StubHost }[] = [];
  let target = 0;
  for (const [i, host] of hosts.entries()) {
    target += scale * (weights[i]! / sum);
    for (let n = 0; places.length < target; n++) {
      places.push({ hash: xxhash64Text(`${host.name}_${n}`), host });
    }
  }
  return places.sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

test('every slot of a Maglev table has a host, and heavier hosts have more of them', () => {
  const hosts = [1, 2, 4].map((weight, i) => new StubHost(`10.0.0.${i}:80`, { weight }));
  const table = maglevOf(hosts, 701);
  const counts = new Map<UpstreamHost | null, number>();
  for (let slot = 0; slot < 701; slot++) {
    const host = table.choose(slot, 0, 0);
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  assert.equal(counts.size, 3);
  const [light, middle, heavy] = hosts.map((host) => counts.get(host.asHost())!);
  assert.ok(Math.abs(middle! / light! - 2) < 0.1 && Math.abs(heavy! / light! - 4) < 0.1);
});
