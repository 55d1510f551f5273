import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedMemory, tryAcquireBelow } from './shared-memory.ts';

test('memory without a key is its owner’s, with a key everybody’s who names it', () => {
  const memory = new SharedMemory();
  assert.notEqual(memory.allocate(4, null), memory.allocate(4, null));
  const shared = memory.allocate(4, 'a');
  assert.equal(memory.allocate(4, 'a'), shared);
  assert.notEqual(memory.allocate(4, 'b'), shared);
  assert.notEqual(memory.allocate(8, 'a'), shared);
  assert.equal(shared.byteLength, 4);
});

test('structured clone carries the memory itself, frozen data or not', () => {
  const data = Object.freeze({ counter: new SharedMemory().allocate(4, null) });
  const clone = structuredClone(data);
  Atomics.add(new Int32Array(clone.counter), 0, 5);
  assert.equal(Atomics.load(new Int32Array(data.counter), 0), 5);
});

test('a ceiling lets max through and not one more', () => {
  const words = new Int32Array(new SharedMemory().allocate(8, null));
  const taken = Array.from({ length: 4 }, () => tryAcquireBelow(words, 1, 3));
  assert.deepEqual(taken, [true, true, true, false]);
  assert.deepEqual([...words], [0, 3]);
});
