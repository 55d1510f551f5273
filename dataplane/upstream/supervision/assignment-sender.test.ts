import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentPolicy, placedHost } from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { AssignmentPart, PlacedAssignment, PlacedHost } from '../../api/config/cluster.ts';
import { AssignmentReceiver } from '../assignment-receiver.ts';
import { AssignmentSender, PART_HOSTS } from './assignment-sender.ts';

function setUp() {
  const timers = new FakeTimers();
  const parts: AssignmentPart[] = [];
  const received: PlacedAssignment[] = [];
  const receiver = new AssignmentReceiver();
  const sender = new AssignmentSender((part) => {
    parts.push(part);
    const whole = receiver.receive(structuredClone(part));
    if (whole !== null) received.push(whole);
  }, timers);
  let sent = 0;
  const send = (hosts: readonly PlacedHost[], clusterName = 'orders', weighted = false) =>
    sender.send(
      { clusterName, ...assignmentPolicy, weightedPriorityHealth: weighted, hosts },
      () => {
        sent++;
      },
    );
  return { timers, parts, received, receiver, sender, send, sent: () => sent };
}

const hostsOf = (count: number, from = 0): PlacedHost[] =>
  Array.from({ length: count }, (_, i) => placedHost(`10.0.0.${from + i}`, from + i));

test('only what changed is sent, and the receiver has the whole', () => {
  const { parts, received, send, sent } = setUp();
  const hosts = hostsOf(3);
  send(hosts);
  const changed = { ...hosts[1]!, weight: 9 };
  send([hosts[0]!, changed, placedHost('10.0.0.7', 7)]);
  assert.deepEqual(
    parts.map((part) => [part.hosts.map(({ slot }) => slot), part.last?.removed]),
    [
      [[0, 1, 2], []],
      [[1, 7], [2]],
    ],
  );
  assert.deepEqual(received[1]!.hosts, [hosts[0], changed, placedHost('10.0.0.7', 7)]);
  send([hosts[0]!, changed, received[1]!.hosts[2]!], 'orders', true);
  assert.equal(received[2]!.weightedPriorityHealth, true);
  assert.equal(sent(), 3);
});

test('a large set goes a part per turn, and is valid with the last', () => {
  const { timers, parts, received, send, sent } = setUp();
  send(hostsOf(2 * PART_HOSTS + 1));
  assert.equal(parts.length, 1);
  send(hostsOf(1), 'small');
  assert.equal(received.length, 0, 'it waits its turn');
  timers.advance(0);
  assert.deepEqual(
    parts.map(({ clusterName }) => clusterName),
    ['orders', 'orders', 'small', 'orders'],
  );
  assert.deepEqual(
    received.map(({ clusterName, hosts }) => [clusterName, hosts.length]),
    [
      ['small', 1],
      ['orders', 2 * PART_HOSTS + 1],
    ],
  );
  assert.equal(sent(), 2);
});

test('exactly a part is one message', () => {
  const { parts, received, send } = setUp();
  send(hostsOf(PART_HOSTS));
  assert.equal(parts.length, 1);
  assert.equal(received[0]!.hosts.length, PART_HOSTS);
});

test('a newer set takes the place of parts that were not sent yet', () => {
  const { timers, parts, received, send, sent } = setUp();
  send(hostsOf(3 * PART_HOSTS));
  assert.equal(parts.length, 1);
  const newer = hostsOf(2, PART_HOSTS - 1);
  send(newer);
  timers.advance(0);
  assert.equal(parts.length, 2);
  assert.equal(received.length, 1);
  assert.deepEqual(received[0]!.hosts, newer);
  assert.equal(sent(), 2, 'both callers know');
});

test('a removed cluster is forgotten on both sides', () => {
  const { timers, parts, received, receiver, sender, send } = setUp();
  send(hostsOf(2 * PART_HOSTS));
  sender.forget('orders');
  receiver.forget('orders');
  timers.advance(0);
  assert.equal(parts.length, 1);
  send(hostsOf(1));
  assert.equal(received[0]!.hosts.length, 1);
});
