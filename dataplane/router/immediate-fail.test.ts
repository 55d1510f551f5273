import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthCheck as makeHealthCheck } from '../../test/fakes/health-check.ts';
import { forwardAction, retryPolicy } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';

test('a response that asks for no more traffic is told on, where its cluster has health checks', () => {
  for (const healthCheck of [null, makeHealthCheck()]) {
    const scenario = new RouterScenario({
      route: {
        action: forwardAction({ retryPolicy: retryPolicy({ retryOn: ['5xx'], numRetries: 1 }) }),
      },
    });
    scenario.cluster.config = { ...scenario.cluster.config, healthCheck };
    scenario.request();
    scenario.attempt.ready();
    // Also where a retry takes the place of the response.
    scenario.attempt.respond(503, ['x-envoy-immediate-health-check-fail', 'true']);
    scenario.timers.advance(100);
    scenario.attempt.ready();
    scenario.attempt.respond(200, []);
    assert.equal(scenario.summary(), '200 - via_upstream');
    const told = healthCheck === null ? [] : ['10.0.0.1:1'];
    assert.deepEqual(scenario.cluster.immediateFailures, told);
  }
});
