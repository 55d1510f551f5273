import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_ENTRIES, Timeline } from './timeline.ts';

test('keeps the last entries, oldest first', () => {
  const timeline = new Timeline();
  const add = (wallMs: number) =>
    timeline.add({
      wallMs,
      address: 'a',
      action: 'eject',
      reason: 'success_rate',
      successRate: 1,
    });
  const times = () => timeline.entries().map(({ wallMs }) => wallMs);
  for (let i = 0; i < MAX_ENTRIES; i++) add(i);
  assert.equal(times().length, MAX_ENTRIES);
  assert.equal(times()[0], 0);
  add(MAX_ENTRIES);
  assert.equal(times().length, MAX_ENTRIES);
  assert.deepEqual([times()[0], times().at(-1)], [1, MAX_ENTRIES]);
  for (let i = 1; i <= 2 * MAX_ENTRIES; i++) add(MAX_ENTRIES + i);
  assert.deepEqual(
    times(),
    Array.from({ length: MAX_ENTRIES }, (_, i) => 2 * MAX_ENTRIES + 1 + i),
  );
});
