import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLimit, connectionCountMemory } from './connection-limit.ts';

test('one count for all who share the memory, never above the limit', () => {
  const memory = connectionCountMemory();
  const [first, second] = [new ConnectionLimit(memory, 3), new ConnectionLimit(memory, 3)];
  assert.deepEqual(
    [first, second, first, second, first].map((limit) => limit.tryAcquire()),
    [true, true, true, false, false],
  );
  second.release();
  assert.equal(first.tryAcquire(), true);
  assert.equal(second.tryAcquire(), false);
});

test('a limit of none refuses all', () => {
  assert.equal(new ConnectionLimit(connectionCountMemory(), 0).tryAcquire(), false);
});
