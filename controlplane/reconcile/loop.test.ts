import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { ReconcileLoop } from './loop.ts';

function loop(roundMs = 0) {
  const timers = new FakeTimers();
  const startMs = timers.clock.nowMs();
  const runs: number[] = [];
  const instance = new ReconcileLoop({
    clock: timers.clock,
    timers,
    run: () => {
      runs.push(timers.clock.nowMs() - startMs);
      timers.clock.advance(roundMs);
    },
  });
  return { timers, runs, instance };
}

describe('the reconcile loop', () => {
  it('makes one round of a burst, 50 ms after its last change', () => {
    const { timers, runs, instance } = loop();
    for (let i = 0; i < 5; i++) {
      instance.trigger();
      timers.advance(10);
    }
    timers.advance(1000);
    assert.deepEqual(runs, [90]);
  });

  it('does not let a steady stream of changes hold it up for more than a second', () => {
    const { timers, runs, instance } = loop();
    for (let i = 0; i < 150; i++) {
      instance.trigger();
      timers.advance(20);
    }
    assert.deepEqual(runs, [1000, 2000, 3000].slice(0, runs.length));
    assert.ok(runs.length >= 2);
  });

  it('runs a waiting round at once when flushed, and none when nothing waits', () => {
    const { timers, runs, instance } = loop();
    instance.flush();
    instance.trigger();
    instance.flush();
    timers.advance(5000);
    assert.deepEqual(runs, [0]);
  });

  it('stops when disposed', () => {
    const { timers, runs, instance } = loop();
    instance.trigger();
    instance[Symbol.dispose]();
    instance.trigger();
    timers.advance(5000);
    assert.deepEqual(runs, []);
    assert.equal(timers.armedCount(), 0);
  });

  it('does not wait with a change of endpoints, and takes along what waits', () => {
    const { timers, runs, instance } = loop();
    instance.trigger();
    instance.trigger('endpoints');
    timers.advance(0);
    timers.advance(2000);
    assert.deepEqual(runs, [0]);
    assert.equal(instance.changesTotal - instance.roundsTotal, 1, 'merged');
  });

  it('rests between rounds for endpoints as long as the last one took', () => {
    const { timers, runs, instance } = loop(200);
    instance.trigger('endpoints');
    instance.flush();
    for (let i = 0; i < 10; i++) instance.trigger('endpoints');
    timers.advance(199);
    assert.deepEqual(runs, [0]);
    timers.advance(1);
    assert.deepEqual(runs, [0, 400]);
  });

  it('does not let a later change of documents hold up endpoints', () => {
    const { timers, runs, instance } = loop(20);
    instance.trigger('endpoints');
    instance.flush();
    instance.trigger('endpoints');
    instance.trigger();
    timers.advance(20);
    assert.deepEqual(runs, [0, 40]);
  });
});
