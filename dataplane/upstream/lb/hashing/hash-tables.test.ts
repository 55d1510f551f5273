import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prioritySetOf, type StubHost, stubHosts } from '../../../../test/fakes/lb.ts';
import type { HashingData } from '../../../api/config/load-balancing.ts';
import { finish } from '../../steps.ts';
import { HashTables } from './hash-tables.ts';
import { weighHosts } from './host-weights.ts';

const data: HashingData = {
  kind: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 8_388_608,
  hashFunction: 'XX_HASH',
  useHostnameForHashing: false,
  balanceFactor: null,
  localityWeighted: false,
  hashPolicy: [],
};

function weigh(hosts: readonly StubHost[]) {
  return finish(weighHosts(prioritySetOf(hosts).priorities[0]!, false, false));
}

/** Hosts of many hashes. */
function picks(tables: HashTables, hosts: readonly StubHost[], given: HashingData = data): string {
  const table = tables.of(given, 0, weigh(hosts));
  const names = Array.from({ length: 200 }, (_, i) => {
    const host = table.choose(0, Math.imul(i, 0x9e3779b1) >>> 0, 0);
    return (host as unknown as StubHost).name;
  });
  return names.join();
}

test('the table stays while hosts, weights and keys do', () => {
  const tables = new HashTables();
  const hosts = stubHosts(5, 'h');
  const table = tables.of(data, 0, weigh(hosts));
  assert.equal(tables.of(data, 0, weigh(hosts)), table);
  assert.notEqual(tables.of(data, 1, weigh(hosts.slice(1))), table);
  assert.equal(tables.of(data, 0, weigh(hosts)), table);
  assert.notEqual(tables.of(data, 0, weigh(hosts.slice(1))), table);
});

test('a changed weight, key or configuration makes another table', () => {
  const tables = new HashTables();
  const hosts = stubHosts(5, 'h');
  const before = picks(tables, hosts);
  hosts[0]!.placed = { ...hosts[0]!.placed, weight: 20 };
  const heavier = picks(tables, hosts);
  assert.notEqual(heavier, before);
  hosts[0]!.placed = { ...hosts[0]!.placed, metadata: { 'envoy.lb': { hash_key: 'k' } } };
  const keyed = picks(tables, hosts);
  assert.notEqual(keyed, heavier);
  const murmur = { ...data, hashFunction: 'MURMUR_HASH_2' } as const;
  assert.notEqual(picks(tables, hosts, murmur), keyed);
});

for (const kind of ['RING_HASH', 'MAGLEV'] as const) {
  test(`${kind}: hosts that come and go leave tables as if each were the first`, () => {
    const given: HashingData =
      kind === 'RING_HASH' ? data : { ...data, kind, tableSize: 251, hashPolicy: [] };
    const tables = new HashTables();
    const hosts = stubHosts(60, 'h');
    for (const [from, to] of [
      [0, 20],
      [5, 20],
      [0, 60],
      [50, 60],
      [10, 30],
      [0, 60],
    ] as const) {
      const present = hosts.slice(from, to);
      finish(tables.retain(present.map((host) => host.asHost())));
      assert.equal(picks(tables, present, given), picks(new HashTables(), present, given));
    }
  });
}
