import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { TimerWheel } from './timer.ts';

/** Resolves with the delay that was really waited. */
function measure(wheel: TimerWheel, delayMs: number): Promise<number> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    // The wheel does not keep the process alive by itself.
    const keepAlive = setInterval(() => {}, 1000);
    const timer = wheel.createTimer(() => {
      clearInterval(keepAlive);
      resolve(performance.now() - startMs);
    }, null);
    timer.start(delayMs);
  });
}

test('a short timer is real, a long one is on the wheel; neither is early', async () => {
  const wheel = new TimerWheel();
  const [short, long] = await Promise.all([measure(wheel, 20), measure(wheel, 1000)]);
  assert.ok(short >= 19, `fired after ${short} ms`);
  assert.ok(long >= 1000, `fired after ${long} ms`);
});

test('a stopped timer does not fire and a re-armed one fires once', async () => {
  const wheel = new TimerWheel();
  const fired: string[] = [];
  const stopped = wheel.createTimer(() => fired.push('stopped'), null);
  const restarted = wheel.createTimer(() => fired.push('restarted'), null);
  stopped.start(5);
  restarted.start(5);
  stopped.stop();
  restarted.start(30);
  assert.equal(stopped.isArmed(), false);
  assert.equal(restarted.isArmed(), true);
  await measure(wheel, 60);
  assert.deepEqual(fired, ['restarted']);
  assert.equal(restarted.isArmed(), false);
});

test('a timer that stops another one due in the same tick wins', async () => {
  const wheel = new TimerWheel();
  const fired: string[] = [];
  const second = wheel.createTimer(() => fired.push('second'), null);
  const first = wheel.createTimer(() => {
    fired.push('first');
    second.stop();
  }, null);
  // What is armed within one tick comes in the order of arming.
  first.start(1000);
  second.start(1000);
  await measure(wheel, 1100);
  assert.deepEqual(fired, ['first']);
});

test('a timer can arm itself again from its own callback', async () => {
  const wheel = new TimerWheel();
  let count = 0;
  const timer = wheel.createTimer(() => {
    if (++count < 3) timer.start(1);
  }, null);
  timer.start(1);
  await measure(wheel, 80);
  assert.equal(count, 3);
});

test('a delay of 90 days does not fire at once', async () => {
  const wheel = new TimerWheel();
  let fired = false;
  const timer = wheel.createTimer(() => {
    fired = true;
  }, null);
  timer.start(90 * 86_400_000);
  await measure(wheel, 60);
  assert.equal(fired, false);
  timer.stop();
});

describe('a loop that stood still', () => {
  it('does not make a timer early that is armed before the wheel has caught up', async () => {
    const wheel = new TimerWheel();
    const other = wheel.createTimer(() => {}, null);
    other.start(60_000);
    // The wheel turns from now on, and then stands still.
    await new Promise((resolve) => setTimeout(resolve, 60));
    const endMs = performance.now() + 600;
    while (performance.now() < endMs);
    const waitedMs = await measure(wheel, 1000);
    other.stop();
    assert.ok(waitedMs >= 1000, `${waitedMs} ms`);
  });

  for (const delayMs of [20, 1000]) {
    it(`reads what came meanwhile before it calls a timer of ${delayMs} ms late`, async () => {
      const order: string[] = [];
      const { port1, port2 } = new MessageChannel();
      const timers = new TimerWheel();
      await new Promise<void>((resolve) => {
        const done = (what: string): void => {
          order.push(what);
          if (order.length === 2) resolve();
        };
        port2.on('message', () => done('message'));
        timers.createTimer(done, 'timer').start(delayMs);
        // From inside the loop, so that both are due when it goes on.
        setImmediate(() => {
          const endMs = performance.now() + delayMs + 500;
          port1.postMessage('came');
          while (performance.now() < endMs);
        });
      });
      port1.close();
      assert.deepEqual(order, ['message', 'timer']);
    });

    it(`stops a late timer of ${delayMs} ms that what came meanwhile has no use for`, async () => {
      const { port1, port2 } = new MessageChannel();
      const timers = new TimerWheel();
      let fired = 0;
      const timer = timers.createTimer(() => fired++, null);
      await new Promise<void>((resolve) => {
        port2.on('message', () => {
          timer.stop();
          assert.equal(timer.isArmed(), false);
          setTimeout(resolve, 100);
        });
        timer.start(delayMs);
        setImmediate(() => {
          const endMs = performance.now() + delayMs + 500;
          port1.postMessage('came');
          while (performance.now() < endMs);
        });
      });
      port1.close();
      assert.equal(fired, 0);
    });
  }
});
