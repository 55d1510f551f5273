import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentPolicy, placedHost } from '../../../test/fakes/cluster-config.ts';
import type { AssignmentPart, PlacedHost } from '../../api/config/cluster.ts';
import { AssignmentSender, PART_HOSTS } from './assignment-sender.ts';

/** `workers` take nothing until a test says so. */
function setUp(workers = 1) {
  const parts: AssignmentPart[] = [];
  const ids: number[] = [];
  const sender = new AssignmentSender((id, part) => {
    ids.push(id);
    parts.push(structuredClone(part));
    return workers;
  });
  let sent = 0;
  const send = (hosts: readonly PlacedHost[], clusterName = 'orders', weighted = false) =>
    sender.send(
      { clusterName, ...assignmentPolicy, weightedPriorityHealth: weighted, hosts },
      () => {
        sent++;
      },
    );
  /** Of all that was posted, how much. */
  const takeAll = (): void => {
    while (ids.length > 0) sender.onTaken(ids.shift()!);
  };
  return { parts, ids, sender, send, takeAll, sent: () => sent };
}

const shape = (part: AssignmentPart) => [
  part.clusterName,
  part.hosts.length,
  part.last?.removed ?? null,
];

const hostsOf = (count: number, from = 0): PlacedHost[] =>
  Array.from({ length: count }, (_, i) => placedHost(`10.0.0.${from + i}`, from + i));

test('only what changed is sent', () => {
  const { parts, send, takeAll, sent } = setUp();
  const hosts = hostsOf(3);
  send(hosts);
  takeAll();
  const changed = { ...hosts[1]!, weight: 9 };
  const added = placedHost('10.0.0.7', 7);
  send([hosts[0]!, changed, added]);
  takeAll();
  assert.deepEqual(
    parts.map((part) => [part.hosts.map(({ slot }) => slot), part.last?.removed]),
    [
      [[0, 1, 2], []],
      [[1, 7], [2]],
    ],
  );
  send([hosts[0]!, changed, added], 'orders', true);
  takeAll();
  assert.equal(parts[2]!.last?.policy.weightedPriorityHealth, true);
  assert.deepEqual(parts[2]!.hosts, []);
  assert.equal(sent(), 3);
});

test('the next part goes when every worker has taken the one before', () => {
  const { parts, ids, sender, send, sent } = setUp(2);
  send(hostsOf(PART_HOSTS + 1));
  assert.deepEqual(parts.map(shape), [['orders', PART_HOSTS, null]]);
  sender.onTaken(ids[0]!);
  assert.equal(parts.length, 1);
  sender.onTaken(ids[0]!);
  assert.deepEqual(shape(parts[1]!), ['orders', 1, []]);
  sender.onTaken(ids[1]!);
  assert.equal(sent(), 0, 'one worker has not said that it holds');
  sender.onTaken(ids[1]!);
  assert.equal(sent(), 1);
});

test('small sets go together, until they are a part', () => {
  const { parts, ids, sender, send, sent } = setUp();
  for (let i = 0; i < PART_HOSTS; i++) send(hostsOf(i % 2), `c${i}`);
  assert.equal(parts.length, PART_HOSTS);
  send(hostsOf(1), 'one more');
  assert.equal(parts.length, PART_HOSTS, 'it waits');
  sender.onTaken(ids[0]!);
  assert.deepEqual(shape(parts.at(-1)!), ['one more', 1, []]);
  assert.equal(sent(), 1);
});

test('large sets of two clusters take turns', () => {
  const { parts, send, takeAll, sent } = setUp();
  send(hostsOf(2 * PART_HOSTS));
  send(hostsOf(2 * PART_HOSTS), 'carts');
  takeAll();
  assert.deepEqual(
    parts.map(({ clusterName }) => clusterName),
    ['orders', 'carts', 'orders', 'carts'],
  );
  assert.equal(sent(), 2);
});

test('exactly a part is one message', () => {
  const { parts, send } = setUp();
  send(hostsOf(PART_HOSTS));
  assert.deepEqual(parts.map(shape), [['orders', PART_HOSTS, []]]);
});

test('a newer set takes the place of parts that were not sent yet, and of what was announced', () => {
  const { parts, send, takeAll, sent } = setUp();
  const hosts = hostsOf(3 * PART_HOSTS);
  send(hosts);
  const newer = hosts.slice(PART_HOSTS - 1, PART_HOSTS + 1);
  send(newer);
  assert.equal(parts.length, 1);
  takeAll();
  assert.equal(parts.length, 2);
  assert.deepEqual(parts[1]!.hosts, [newer[1]]);
  assert.equal(parts[1]!.last?.removed.length, PART_HOSTS - 1);
  assert.equal(sent(), 2, 'both callers know');
});

test('a set that comes while the last part of another is under way is one for itself', () => {
  const { parts, ids, sender, send, sent } = setUp();
  const hosts = hostsOf(2);
  send(hosts.slice(1));
  send(hosts);
  assert.equal(parts.length, 1);
  sender.onTaken(ids[0]!);
  assert.equal(sent(), 1);
  assert.deepEqual(shape(parts[1]!), ['orders', 1, []]);
  sender.onTaken(ids[1]!);
  assert.equal(sent(), 2);
});

test('a removed cluster is forgotten, and nobody is told of its parts', () => {
  const { parts, ids, sender, send, sent } = setUp();
  send(hostsOf(2 * PART_HOSTS));
  sender.forget('orders');
  send(hostsOf(1));
  assert.equal(parts.length, 1, 'the workers are busy with the former one');
  sender.onTaken(ids[0]!);
  assert.deepEqual(shape(parts[1]!), ['orders', 1, []]);
  assert.equal(sent(), 0);
  sender.onTaken(ids[1]!);
  assert.equal(sent(), 1);
  sender.onTaken(ids[1]!);
  assert.equal(sent(), 1);
});
