import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enterReadEvent, flushLeftover, leaveReadEvent, scheduleFlush } from './flush-queue.ts';

/** Remembers how often it was flushed; `onFlush` is what a flush sets off. */
class Recorder {
  flushes = 0;
  readonly #onFlush: () => void;

  constructor(onFlush: () => void = () => {}) {
    this.#onFlush = onFlush;
  }

  flush(): void {
    this.flushes++;
    this.#onFlush();
  }
}

test('all that was written in a read event is flushed once, at its end', () => {
  const first = new Recorder();
  const second = new Recorder();
  enterReadEvent();
  scheduleFlush(first);
  enterReadEvent();
  scheduleFlush(second);
  leaveReadEvent();
  assert.equal(first.flushes + second.flushes, 0);
  leaveReadEvent();
  assert.deepEqual([first.flushes, second.flushes], [1, 1]);
});

test('a flush that closes a connection, whose end flushes and writes to others, loses none of them', () => {
  const late = new Recorder();
  const after = new Recorder();
  const closing = new Recorder(() => {
    flushLeftover();
    scheduleFlush(late);
  });
  enterReadEvent();
  scheduleFlush(closing);
  scheduleFlush(after);
  leaveReadEvent();
  assert.deepEqual([closing.flushes, after.flushes, late.flushes], [1, 1, 1]);
});

test('a flush that throws is not repeated and holds up no other', () => {
  const broken = new Recorder(() => {
    throw new Error('bug');
  });
  const after = new Recorder();
  enterReadEvent();
  scheduleFlush(broken);
  scheduleFlush(after);
  assert.throws(leaveReadEvent, /bug/);
  flushLeftover();
  assert.deepEqual([broken.flushes, after.flushes], [1, 1]);
});
