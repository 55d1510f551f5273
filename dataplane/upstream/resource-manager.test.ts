import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { FakeClock } from '../../test/fakes/clock.ts';
import { defaultThresholds } from '../../test/fakes/cluster-config.ts';
import type { ThresholdsConfig } from '../api/config/cluster.ts';
import { PriorityResources } from './resource-manager.ts';
import { CHUNK_SLOTS, ClusterWord, clearSlot, readWord, SharedChunks } from './shared-state.ts';

const TAKEN_BY_EACH = 20_000;
const CEILING = 3;

interface Contender {
  readonly buffer: SharedArrayBuffer;
  /** [0] threads that are ready, [1] holders now, [2] most holders ever seen. */
  readonly seen: SharedArrayBuffer;
}

/** Takes and gives back in a loop while the other thread does the same. */
function contend({ buffer, seen }: Contender): number {
  const chunks = new SharedChunks();
  chunks.attach(0, buffer);
  const { requests } = resources(chunks, { maxRequests: CEILING });
  const counts = new Int32Array(seen);
  Atomics.add(counts, 0, 1);
  while (Atomics.load(counts, 0) < 2);
  let taken = 0;
  // By what was taken, not by attempts: a thread that is not scheduled may hold everything for a while.
  while (taken < TAKEN_BY_EACH) {
    let held = 0;
    while (requests.tryAcquire()) {
      held++;
      taken++;
      const holders = Atomics.add(counts, 1, 1) + 1;
      for (let most = Atomics.load(counts, 2); holders > most; most = Atomics.load(counts, 2)) {
        Atomics.compareExchange(counts, 2, most, holders);
      }
    }
    for (; held > 0; held--) {
      Atomics.sub(counts, 1, 1);
      requests.release();
    }
  }
  return taken;
}

function resources(chunks: SharedChunks, given: Partial<ThresholdsConfig>, priority: 0 | 1 = 0) {
  const slot = chunks.ref({ chunk: 0, slot: 7 });
  const thresholds = { ...defaultThresholds, ...given };
  return new PriorityResources(slot, priority, thresholds, new FakeClock());
}

function newChunks(): SharedChunks {
  const chunks = new SharedChunks();
  chunks.create();
  return chunks;
}

if (!isMainThread) parentPort?.postMessage(contend(workerData as Contender));
else {
  test('a ceiling holds exactly over two worker threads', async () => {
    const { buffer } = new SharedChunks().create();
    const data: Contender = { buffer, seen: new SharedArrayBuffer(12) };
    const results = await Promise.all(
      [0, 1].map(
        () =>
          new Promise<number>((resolve, reject) => {
            const worker = new Worker(new URL(import.meta.url), { workerData: data });
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    const [, holders, most] = new Int32Array(data.seen);
    assert.equal(holders, 0);
    assert.equal(most, CEILING, 'the ceiling was reached and never passed');
    for (const taken of results) assert.ok(taken >= TAKEN_BY_EACH, `took ${taken}`);
    const chunks = new SharedChunks();
    chunks.attach(0, buffer);
    assert.equal(resources(chunks, {}).requests.count(), 0);
  });

  test('takes up to the ceiling, refuses at it, and goes on after a release', () => {
    const { connections } = resources(newChunks(), { maxConnections: 2 });
    assert.deepEqual(
      [connections.tryAcquire(), connections.tryAcquire(), connections.tryAcquire()],
      [true, true, false],
    );
    assert.equal(connections.count(), 2, 'a refusal takes nothing');
    connections.release();
    assert.equal(connections.tryAcquire(), true);
  });

  test('runtime moves a ceiling', () => {
    const live = new SharedArrayBuffer(16);
    const words = new Float64Array(live);
    words[1] = 1;
    const { requests } = resources(newChunks(), { maxRequests: { live, at: 1 } });
    assert.deepEqual([requests.tryAcquire(), requests.tryAcquire()], [true, false]);
    words[1] = 2;
    assert.deepEqual([requests.tryAcquire(), requests.tryAcquire()], [true, false]);
  });

  test('a retry keeps the slot of a cluster that was removed meanwhile', () => {
    const chunks = newChunks();
    const users = () => readWord(chunks.ref({ chunk: 0, slot: 7 }), ClusterWord.Users);
    const { retries } = resources(chunks, { maxRetries: 1 });
    assert.deepEqual([retries.tryAcquire(), retries.tryAcquire()], [true, false]);
    assert.equal(
      users(),
      1,
      'another cluster in that slot would have -1 retries after the release',
    );
    retries.release();
    assert.equal(users(), 0);
  });

  test('acquire goes past the ceiling', () => {
    const { connections } = resources(newChunks(), { maxConnections: 0 });
    assert.equal(connections.tryAcquire(), false);
    connections.acquire();
    assert.equal(connections.count(), 1);
  });

  test('the resources and the two priorities do not share words', () => {
    const chunks = newChunks();
    const pools = { maxConnectionPools: 100 };
    const both = [resources(chunks, pools, 0), resources(chunks, pools, 1)];
    const all = both.flatMap((one) => [
      one.connections,
      one.connectionPools,
      one.pendingRequests,
      one.requests,
      one.retries,
    ]);
    all.forEach((resource, i) => {
      for (let n = 0; n <= i; n++) resource.acquire();
    });
    assert.deepEqual(
      all.map((resource) => resource.count()),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
  });

  test('a retry budget follows active and pending requests, with a floor', () => {
    const table = [
      { active: 0, pending: 0, max: 3 },
      { active: 15, pending: 0, max: 3 },
      { active: 15, pending: 5, max: 4 },
      { active: 100, pending: 24, max: 24 },
    ];
    for (const { active, pending, max } of table) {
      const one = resources(newChunks(), {
        retryBudget: {
          budgetPercent: 20,
          minRetryConcurrency: 3,
          intervalMs: 0,
          recentRequests: null,
        },
      });
      for (let i = 0; i < active; i++) one.requests.acquire();
      for (let i = 0; i < pending; i++) one.pendingRequests.acquire();
      assert.equal(one.retries.max(), max, JSON.stringify({ active, pending }));
      for (let i = 0; i < max; i++) assert.equal(one.retries.tryAcquire(), true);
      assert.equal(one.retries.tryAcquire(), false);
    }
  });

  test('clearing a slot leaves its neighbours alone, and the last slot lies inside the chunk', () => {
    const chunks = newChunks();
    for (const slot of [6, 7, 8, CHUNK_SLOTS - 1]) {
      const { words, base } = chunks.ref({ chunk: 0, slot });
      for (let i = 0; i < 32; i++) words[base + i] = slot;
      assert.equal(words[base + 31], slot);
    }
    clearSlot(chunks.ref({ chunk: 0, slot: 7 }));
    const { words, base } = chunks.ref({ chunk: 0, slot: 7 });
    assert.equal(words[base - 1], 6);
    assert.equal(words[base], 0);
    assert.equal(words[base + 31], 0);
    assert.equal(words[base + 32], 8);
  });

  test('a chunk that was not attached is an error, not a silent zero', () => {
    assert.throws(() => new SharedChunks().ref({ chunk: 3, slot: 0 }), /chunk 3 is not attached/);
  });
}
