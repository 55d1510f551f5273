import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentOf, hostConfig, seededRandom } from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { HostConfig } from '../../api/config/cluster.ts';
import { SharedChunks, slotKey } from '../shared-state.ts';
import { HostTable } from './host-table.ts';
import { SlotAllocator } from './slot-allocator.ts';

function setUp() {
  const timers = new FakeTimers();
  const slots = new SlotAllocator({
    shared: new SharedChunks(),
    clock: timers.clock,
    timers,
    onChunk: () => {},
  });
  const table = new HostTable(slots);
  const update = (hosts: readonly HostConfig[]) => table.update(assignmentOf(hosts), () => false);
  const weights = () => table.hosts().map(({ address, weight }) => `${address}=${weight}`);
  return { table, update, weights };
}

test('a host that did not change is the same object, also when it comes as another one', () => {
  const { table, update } = setUp();
  const [a, b] = [hostConfig('a'), hostConfig('b')];
  update([a, b]);
  const before = table.hosts();
  assert.deepEqual(
    [update([a, { ...b }]).changed, table.hosts()[0] === before[0], table.hosts()[1] === before[1]],
    [0, true, true],
  );
  const { changed, added, removed } = update([hostConfig('a', { weight: 2 }), b]);
  assert.deepEqual([changed, added.size, removed], [1, 0, 0]);
  assert.equal(slotKey(table.hosts()[0]!), slotKey(before[0]!), 'its slot stays');
});

test('of an address that is given twice the first counts', () => {
  const { update, weights } = setUp();
  const [one, two] = [hostConfig('a', { weight: 1 }), hostConfig('a', { weight: 2 })];
  update([one, two]);
  assert.deepEqual(weights(), ['a=1']);
  update([two, one]);
  assert.deepEqual(weights(), ['a=2']);
  update([two, two]);
  assert.deepEqual(weights(), ['a=2']);
  update([one, two]);
  assert.deepEqual(weights(), ['a=1']);
});

test('the same object in another locality has moved', () => {
  const { table } = setUp();
  const host = hostConfig('a');
  const at = (zone: string) => ({ region: '', zone, subZone: '', priority: 0, weight: 0 });
  const given = (zone: string) => ({
    ...assignmentOf([]),
    localities: [{ ...at(zone), hosts: [host] }],
  });
  table.update(given('x'), () => false);
  const { moved, changed } = table.update(given('y'), () => false);
  assert.deepEqual([moved, changed, table.hosts()[0]!.locality.zone], [1, 1, 'y']);
});

test('after any sequence the table is what the last assignment says, and slots are unique', () => {
  const random = seededRandom(3);
  const { table, update, weights } = setUp();
  const configs = Array.from({ length: 60 }, (_, i) =>
    hostConfig(`h${i % 40}`, { weight: 1 + (i % 7) }),
  );
  for (let run = 0; run < 300; run++) {
    const given = configs.filter(() => random() < 0.6).sort(() => random() - 0.5);
    const before = new Set(table.hosts());
    const { added, removed, changed } = update(given);
    const expected = new Map<string, string>();
    for (const { address, weight } of given) {
      if (!expected.has(address)) expected.set(address, `${address}=${weight}`);
    }
    assert.deepEqual(weights(), [...expected.values()]);
    assert.equal(new Set(table.hosts().map(slotKey)).size, expected.size);
    assert.equal(table.hosts().filter((host) => !before.has(host)).length, changed);
    assert.equal(before.size + added.size - removed, expected.size);
    for (const host of table.hosts()) assert.equal(table.get(`${host.address}:80`), host);
  }
  update([]);
  assert.deepEqual(table.hosts(), []);
});
