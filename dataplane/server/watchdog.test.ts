import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { HeartBeat, heartBeatMemory, Watchdog } from './watchdog.ts';

function scene() {
  const timers = new FakeTimers();
  const store = new HolderStore();
  const memory = heartBeatMemory(2);
  using watchdog = new Watchdog(memory, timers.clock, timers, store);
  const stat = (name: string) =>
    takeSnapshot(store).find((entry) => entry.name === name)?.value ?? 'none';
  return { timers, memory, watchdog, stat };
}

test('workers that beat are never missed', () => {
  const timers = new FakeTimers();
  const store = new HolderStore();
  const memory = heartBeatMemory(1);
  new HeartBeat(memory, 0, timers.clock, timers);
  using watchdog = new Watchdog(memory, timers.clock, timers, store);
  timers.advance(5000);
  assert.equal(watchdog.isAnyWorkerStuck(), false);
  for (const { name, value } of takeSnapshot(store)) assert.equal(value, 0, name);
});

test('JS-14 a worker that is silent is a miss, past a second stuck, each silence counted once', () => {
  const { timers, memory, watchdog, stat } = scene();
  const beats = new BigInt64Array(memory);
  const beat = (index: number) => {
    beats[index] = BigInt(Math.floor(timers.clock.machineMs()));
  };
  const pass = (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      timers.advance(100);
      beat(0);
      watchdog.look();
    }
  };
  pass(1000);
  assert.equal(watchdog.isAnyWorkerStuck(), false, 'worker 1 has not started');
  beat(1);
  pass(500);
  assert.equal(stat('workers.watchdog_miss'), 1);
  assert.equal(stat('server.worker_1.watchdog_miss'), 1);
  assert.equal(stat('server.worker_0.watchdog_miss'), 0);
  assert.equal(watchdog.isAnyWorkerStuck(), false);
  pass(1000);
  assert.equal(watchdog.isAnyWorkerStuck(), true);
  assert.equal(stat('workers.watchdog_mega_miss'), 1);
  pass(1000);
  assert.equal(stat('workers.watchdog_mega_miss'), 1);
  beat(1);
  pass(100);
  assert.equal(watchdog.isAnyWorkerStuck(), false);
});
