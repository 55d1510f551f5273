// Host sets on their way from main into a worker's cluster: the sender, the manager and the cluster together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assignmentPolicy,
  clusterConfig,
  placedHost,
  seededRandom,
} from '../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import type { PlacedHost } from '../api/config/cluster.ts';
import { anyHost } from '../api/load-balancing.ts';
import { HolderStore } from '../stats/store.ts';
import { WorkerClusterManager } from './cluster-manager.ts';
import { HostWord, readWord, SharedChunks } from './shared-state.ts';
import { AssignmentSender, PART_HOSTS } from './supervision/assignment-sender.ts';

/** Of chunk 0, the last one is the cluster's. */
const HOST_SLOTS = 1023;
const clusterSlot = { chunk: 0, slot: HOST_SLOTS };

/** A worker that does two steps per turn. */
function setUp() {
  const timers = new FakeTimers();
  let readings = 0;
  const now = () => ++readings;
  const chunks = new SharedChunks();
  chunks.create();
  const manager = new WorkerClusterManager(
    {
      clock: { nowMs: now, machineMs: now, wallMs: now },
      timers,
      random: seededRandom(1),
      chunks,
      localLocality: null,
      localClusterName: '',
      nextConnectionId: () => 1,
      reportOutlier: () => {},
      reportImmediateHealthCheckFail: () => {},
      dnsCacheOf: () => assert.fail('no DNS cache here'),
      createTls: () => null,
    },
    new HolderStore(),
  );
  /** On their way to main. */
  const answers: number[] = [];
  const sender = new AssignmentSender((id, part) => {
    manager.receive(structuredClone(part), () => answers.push(id));
    return 1;
  });
  const addCluster = (connectTimeoutMs = 1000) =>
    manager.addOrUpdate(clusterConfig({ connectTimeoutMs }), clusterSlot);
  addCluster();
  let taken = 0;
  const send = (hosts: readonly PlacedHost[]) =>
    sender.send({ clusterName: 'orders', ...assignmentPolicy, hosts }, () => {
      taken++;
    });
  /** Who is chosen when each has his turn. */
  const chosen = (): Set<string> => {
    const addresses = new Set<string>();
    for (let i = 0; i < HOST_SLOTS; i++) {
      const host = manager.getCluster('orders')?.chooseHost(anyHost);
      if (host) addresses.add(host.address.ip);
    }
    return addresses;
  };
  const turn = (): void => {
    for (const id of answers.splice(0)) sender.onTaken(id);
    timers.turn();
  };
  /** As many turns as the timers need. */
  const settle = () => {
    while (timers.armedCount() > 0 || answers.length > 0) turn();
  };
  const usedSlots = () => {
    let used = 0;
    for (let slot = 0; slot < HOST_SLOTS; slot++) {
      if (readWord(chunks.ref({ chunk: 0, slot }), HostWord.Users) > 0) used++;
    }
    return used;
  };
  return { manager, sender, addCluster, send, taken: () => taken, chosen, settle, usedSlots, turn };
}

const hostsOf = (from: number, to: number, weight = 1): PlacedHost[] =>
  Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return placedHost(`10.0.${n >> 8}.${n & 255}`, n, { weight });
  });
const addressesOf = (hosts: readonly PlacedHost[]) => new Set(hosts.map(({ address }) => address));

test('a large set is chosen from once all of it is there, and the former one until then', () => {
  const { send, taken, chosen, settle } = setUp();
  const first = hostsOf(0, 400);
  send(first);
  assert.deepEqual([taken(), chosen().size], [0, 0]);
  settle();
  assert.equal(taken(), 1);
  assert.deepEqual(chosen(), addressesOf(first));
  const second = hostsOf(400, 1000);
  send(second);
  assert.deepEqual([taken(), chosen()], [1, addressesOf(first)]);
  settle();
  assert.equal(taken(), 2);
  assert.deepEqual(chosen(), addressesOf(second));
});

test('hosts that left are let go of when nobody is given them any more', () => {
  const { send, chosen, settle, usedSlots, turn } = setUp();
  send(hostsOf(0, 300));
  settle();
  assert.equal(usedSlots(), 300);
  send(hostsOf(300, 400));
  while (chosen().has('10.0.0.1')) {
    assert.ok(usedSlots() >= 300);
    turn();
  }
  settle();
  assert.equal(usedSlots(), 100);
});

test('of several sets that come while one is taken in, the newest holds in the end', () => {
  const { send, taken, chosen, settle, usedSlots, turn } = setUp();
  send(hostsOf(0, 300));
  turn();
  send(hostsOf(100, 900));
  send(hostsOf(200, 250));
  const newest = hostsOf(150, 260);
  send(newest);
  settle();
  assert.equal(taken(), 4);
  assert.deepEqual(chosen(), addressesOf(newest));
  assert.equal(usedSlots(), newest.length);
});

test('a cluster that is changed meanwhile has all hosts, also those that were only announced', () => {
  const { addCluster, send, taken, chosen, settle, turn, usedSlots } = setUp();
  const hosts = hostsOf(0, PART_HOSTS + 300);
  send(hosts);
  for (let i = 0; i < 3; i++) turn();
  assert.equal(taken(), 0);
  addCluster(2000);
  assert.equal(chosen().size, 0);
  settle();
  assert.equal(taken(), 1);
  assert.deepEqual(chosen(), addressesOf(hosts));
  addCluster(3000);
  assert.deepEqual(chosen(), addressesOf(hosts), 'at once');
  settle();
  assert.equal(usedSlots(), hosts.length);
});

test('a cluster that is removed meanwhile lets go of everything, and the next of its name starts anew', () => {
  const { manager, sender, addCluster, send, taken, chosen, settle, usedSlots } = setUp();
  send(hostsOf(0, PART_HOSTS + 300));
  sender.forget('orders');
  manager.remove('orders');
  settle();
  assert.deepEqual([taken(), usedSlots()], [0, 0]);
  addCluster();
  const hosts = hostsOf(10, 20);
  send(hosts);
  settle();
  assert.equal(taken(), 1);
  assert.deepEqual(chosen(), addressesOf(hosts));
});

test('whatever comes in whatever order: somebody is always chosen, and nobody is lost', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed);
    const { addCluster, send, chosen, settle, turn, usedSlots } = setUp();
    const below = (n: number) => (random() * n) | 0;
    let hosts = hostsOf(0, 200);
    send(hosts);
    settle();
    for (let step = 0; step < 25; step++) {
      const kind = below(6);
      if (kind === 0) addCluster(1000 + step);
      else if (kind < 3) {
        const from = below(700);
        hosts = hostsOf(from, from + 1 + below(300), 1 + below(3));
        send(hosts);
      } else for (let turns = below(8); turns > 0; turns--) turn();
      assert.ok(chosen().size > 0, `seed ${seed}`);
    }
    settle();
    assert.deepEqual(chosen(), addressesOf(hosts), `seed ${seed}`);
    assert.equal(usedSlots(), hosts.length, `seed ${seed}`);
  }
});
