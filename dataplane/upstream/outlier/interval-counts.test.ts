import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedChunks } from '../shared-state.ts';
import {
  countLocalResult,
  countResult,
  takeInterval,
  takeLocalInterval,
} from './interval-counts.ts';

const slotOf = () => {
  const chunks = new SharedChunks();
  const { buffer } = chunks.create();
  return { buffer, slot: chunks.ref({ chunk: 0, slot: 3 }) };
};

test('results are taken once, both origins apart', () => {
  const { slot } = slotOf();
  countResult(slot, true);
  countResult(slot, false);
  countResult(slot, false);
  countLocalResult(slot, true);
  assert.deepEqual(takeInterval(slot), { successes: 1, failures: 2 });
  assert.deepEqual(takeLocalInterval(slot), { successes: 1, failures: 0 });
  assert.deepEqual(takeInterval(slot), { successes: 0, failures: 0 });
});

/** Three successes to one failure, until it has counted all. */
const program = `
import { workerData } from 'node:worker_threads';
const { SharedChunks } = await import(workerData.sharedState);
const { countResult } = await import(workerData.counts);
const chunks = new SharedChunks();
chunks.attach(0, workerData.buffer);
const slot = chunks.ref({ chunk: 0, slot: 3 });
for (let i = 0; i < workerData.results; i++) countResult(slot, i % 4 !== 0);
`;

test('no result is lost or counted twice while workers count and main takes', async () => {
  const { buffer, slot } = slotOf();
  const workerData = {
    buffer,
    results: 40_000,
    sharedState: import.meta.resolve('../shared-state.ts'),
    counts: import.meta.resolve('./interval-counts.ts'),
  };
  const source = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  let running = 2;
  for (let i = 0; i < 2; i++) new Worker(source, { workerData }).once('exit', () => running--);
  const sum = { successes: 0, failures: 0 };
  const take = () => {
    const { successes, failures } = takeInterval(slot);
    sum.successes += successes;
    sum.failures += failures;
  };
  while (running > 0) {
    take();
    await new Promise((resolve) => setImmediate(resolve));
  }
  take();
  assert.deepEqual(sum, { successes: 60_000, failures: 20_000 });
});
