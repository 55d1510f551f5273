import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HcmScenario } from '../../test/fakes/hcm.ts';
import { type DrainSequence, immediateDrain } from '../api/drain.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { closeIdleAfterMs, isDrainClose } from './drain-close.ts';

const gradual: DrainSequence = { strategy: 'gradual', startMs: 1000, windowMs: 400 };

/** One request and its answer; whether the answer ended the connection. */
function exchange(scenario: HcmScenario): boolean {
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), true, 'via_upstream');
  return scenario.connection.takeWritten().includes('connection: close');
}

test('gradual: the share of responses that end their connection is the share of the window that is over', () => {
  const share = (nowMs: number): number => {
    let closed = 0;
    for (let i = 0; i < 100; i++) if (isDrainClose(gradual, nowMs, () => i / 100)) closed++;
    return closed;
  };
  assert.deepEqual([1000, 1100, 1200, 1300, 1400, 9999].map(share), [0, 25, 50, 75, 100, 100]);
});

test('immediate: every response ends its connection at once', () => {
  assert.equal(
    isDrainClose(immediateDrain(5), 5, () => 0.999),
    true,
  );
});

test('idle connections are spread over a window behind the first, or close after drain_timeout', () => {
  assert.equal(
    closeIdleAfterMs(gradual, 1200, 5000, () => 0.25),
    300,
  );
  assert.equal(
    closeIdleAfterMs(gradual, 1600, 5000, () => 0.25),
    0,
  );
  assert.equal(
    closeIdleAfterMs(immediateDrain(0), 1200, 5000, () => 0.25),
    5000,
  );
});

test('a connection in use goes on early in the window and ends late in it', () => {
  // The scenario draws 0.5 each time.
  const scenario = new HcmScenario();
  const startMs = scenario.timers.clock.nowMs();
  scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 1000 });
  scenario.timers.advance(400);
  assert.equal(exchange(scenario), false);
  scenario.timers.advance(200);
  assert.equal(exchange(scenario), true);
  assert.equal(scenario.stat('http.test.downstream_cx_drain_close'), 1);
  assert.equal(scenario.connection.isOpen(), false);
});

test('a connection that was used a moment ago is not closed under its client', () => {
  const scenario = new HcmScenario();
  const startMs = scenario.timers.clock.nowMs();
  scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 4000 });
  scenario.timers.advance(1900);
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.timers.advance(4000);
  scenario.router.encodeData(Buffer.from('late'), true);
  assert.doesNotMatch(scenario.connection.takeWritten(), /connection: close/);
  // Due at 6000, but silent only since 5900.
  scenario.timers.advance(999);
  assert.equal(scenario.connection.isOpen(), true);
  scenario.timers.advance(1);
  assert.equal(scenario.connection.isOpen(), false);
});

test('a response that began before the end of the drain is not followed by a close that it did not announce', () => {
  const scenario = new HcmScenario();
  const startMs = scenario.timers.clock.nowMs();
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 1000 });
  scenario.timers.advance(3000);
  scenario.router.encodeData(Buffer.from('late'), true);
  assert.doesNotMatch(scenario.connection.takeWritten(), /connection: close/);
  assert.equal(scenario.connection.isOpen(), true);
  assert.equal(exchange(scenario), true);
  assert.equal(scenario.connection.isOpen(), false);
});

test('the sooner end wins: a removed chain is not kept by a slow drain, and a slow drain cannot delay it', () => {
  const scenario = new HcmScenario();
  const startMs = scenario.timers.clock.nowMs();
  scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 600_000 });
  scenario.config.startDrain(immediateDrain(startMs));
  scenario.config.startDrain({ strategy: 'gradual', startMs, windowMs: 600_000 });
  assert.equal(exchange(scenario), true);
});

test('a drained connection leaves no timer', () => {
  const scenario = new HcmScenario();
  exchange(scenario);
  scenario.config.startDrain(immediateDrain(scenario.timers.clock.nowMs()));
  exchange(scenario);
  scenario.config.streamTimers.dispose();
  assert.equal(scenario.timers.armedCount(), 0);
});
