import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposableStack } from './lifecycle.ts';

test('clean-ups run once, last in first out, all of them even if one throws', () => {
  const stack = new DisposableStack();
  const ran: number[] = [];
  stack.add(() => ran.push(1));
  stack.add(() => {
    throw new Error('second');
  });
  stack.add(() => ran.push(3));
  assert.throws(() => stack[Symbol.dispose](), /second/);
  assert.deepEqual(ran, [3, 1]);
  stack[Symbol.dispose]();
  assert.deepEqual(ran, [3, 1]);
});
