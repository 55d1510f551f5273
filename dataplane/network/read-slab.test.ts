import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepBytes, LARGE_SLAB_BYTES, letGo, ReadSlab, slabOf } from './read-slab.ts';

test('a slab is used again when its last holder lets go of it, newest first', () => {
  const first = ReadSlab.take(LARGE_SLAB_BYTES);
  const second = ReadSlab.take(LARGE_SLAB_BYTES);
  second.hold();
  assert.equal(second.isShared, true);
  second.release();
  assert.equal(second.isShared, false);
  assert.notEqual(ReadSlab.take(LARGE_SLAB_BYTES), second, 'its reader still has it');
  first.release();
  second.release();
  assert.equal(ReadSlab.take(LARGE_SLAB_BYTES), second);
  assert.equal(ReadSlab.take(LARGE_SLAB_BYTES), first);
});

test('small reads get small slabs', () => {
  assert.equal(ReadSlab.take(64 * 1024).memory.length, 64 * 1024);
  assert.equal(ReadSlab.take(64 * 1024 + 1).memory.length, LARGE_SLAB_BYTES);
});

test('JS-11 what is kept of a slab is a copy, and itself when it was one already', () => {
  const slab = ReadSlab.take(100);
  const data = slab.memory.subarray(10, 13);
  data.write('abc');
  assert.equal(slabOf(data), slab);
  const kept = keepBytes(data);
  data.fill(0);
  assert.equal(kept.toString(), 'abc');
  assert.equal(slabOf(kept), null);
  assert.equal(keepBytes(kept), kept);
});

test('JS-11 what is kept of most of a slab keeps the slab from being read into until it is let go', () => {
  const slab = ReadSlab.take(LARGE_SLAB_BYTES);
  const data = slab.memory.subarray(0, LARGE_SLAB_BYTES / 4).fill('a');
  const kept = keepBytes(data);
  assert.equal(kept, data);
  assert.equal(slab.isShared, true);
  slab.release();
  assert.notEqual(ReadSlab.take(LARGE_SLAB_BYTES), slab);
  assert.equal(kept[0], 'a'.charCodeAt(0));
  letGo(kept);
  assert.equal(ReadSlab.take(LARGE_SLAB_BYTES), slab);
});
