// x-envoy-upstream-stream-duration-ms: how long a try may take as a whole.

import assert from 'node:assert/strict';
import test from 'node:test';
import { RouterScenario } from '../../test/fakes/router.ts';

const HEADER = 'x-envoy-upstream-stream-duration-ms';

test('a try that takes longer than the header allows is given up', () => {
  const scenario = new RouterScenario().request([HEADER, '200']);
  scenario.attempt.ready();
  assert.deepEqual(scenario.attempt.fields.includes(HEADER), false);
  scenario.timers.advance(199);
  assert.equal(scenario.answer, null);
  scenario.timers.advance(2);
  assert.match(scenario.summary() ?? '', /^504 UMSDR upstream_max_stream_duration_reached/);
});

test('0 is no bound, and what is no number says nothing', () => {
  for (const value of ['0', 'soon']) {
    const scenario = new RouterScenario().request([HEADER, value]);
    scenario.attempt.ready();
    assert.equal(scenario.attempt.fields.includes(HEADER), false);
    scenario.timers.advance(10_000);
    scenario.attempt.respond(200);
    assert.equal(scenario.summary(), '200 - via_upstream');
  }
});
