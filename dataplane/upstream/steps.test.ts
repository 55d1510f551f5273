import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { finish, StepRunner, type Steps } from './steps.ts';

/** Each step takes a millisecond. */
function setUp() {
  const timers = new FakeTimers();
  const done: string[] = [];
  let taken = 0;
  const clock = {
    nowMs: () => taken,
    machineMs: () => taken,
    wallMs: () => taken,
  };
  const runner = new StepRunner(clock, timers);
  function* steps(count: number): Steps {
    for (let i = 0; i < count; i++) {
      taken++;
      yield;
    }
  }
  const run = (name: string, work: Steps) => runner.run(name, work, () => done.push(name));
  return { timers, done, steps, run, runner, taken: () => taken };
}

test('work that is short is done at once, long work in turns', () => {
  const { timers, done, steps, run, taken } = setUp();
  run('short', steps(1));
  assert.deepEqual(done, ['short']);
  run('long', steps(5));
  assert.equal(taken(), 3, 'a turn has two milliseconds');
  timers.advance(0);
  assert.deepEqual(done, ['short', 'long']);
  assert.equal(taken(), 6);
});

test('who comes later waits, unless something builds upon it', () => {
  const { timers, done, steps, run, runner } = setUp();
  run('first', steps(9));
  run('second', steps(1));
  run('third', steps(9));
  assert.deepEqual(done, []);
  runner.finish('third');
  assert.deepEqual(done, ['third']);
  timers.advance(0);
  assert.deepEqual(done, ['third', 'first', 'second']);
  runner.finish('first');
  assert.equal(done.length, 3);
});

test('work that throws is over, and the rest goes on', () => {
  const { timers, done, steps, run } = setUp();
  function* failing(): Steps {
    yield* steps(3);
    throw new Error('a bug');
  }
  run('failing', failing());
  run('behind', steps(1));
  assert.throws(() => timers.advance(0), /a bug/);
  timers.advance(0);
  assert.deepEqual(done, ['failing', 'behind']);
});

test('finish does all of it and gives the result', () => {
  function* sum(): Steps<number> {
    yield;
    return 3;
  }
  assert.equal(finish(sum()), 3);
});

test('whoever waits for work hears of its end, also when it throws while it is finished', () => {
  const { done, steps, run, runner } = setUp();
  function* failing(): Steps {
    yield* steps(5);
    throw new Error('a bug');
  }
  run('failing', failing());
  assert.throws(() => runner.finish('failing'), /a bug/);
  assert.deepEqual(done, ['failing']);
});
