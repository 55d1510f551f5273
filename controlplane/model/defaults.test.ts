import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trafficPolicySettings } from './defaults.ts';
import { durationMs } from './duration.ts';

describe('durations', () => {
  it('adds up their parts in milliseconds', () => {
    assert.equal(durationMs('1h30m'), 5_400_000);
    assert.equal(durationMs('1s500ms'), 1500);
    assert.equal(durationMs('250ms'), 250);
    assert.equal(durationMs('0s'), 0);
  });
});

describe('traffic policy settings', () => {
  it('takes each field from the policy, else from the mesh, else from us', () => {
    const settings = trafficPolicySettings(
      {
        timeouts: { request: '9s', connect: '2s' },
        retries: { attempts: 7, backoff: { base: '5ms' } },
      },
      { timeouts: { request: '3s' }, retries: { perTryTimeout: '1s' } },
    );
    assert.equal(settings.requestTimeoutMs, 3000);
    assert.equal(settings.connectTimeoutMs, 2000);
    assert.equal(settings.retries.attempts, 7);
    assert.equal(settings.retries.perTryTimeoutMs, 1000);
    assert.equal(settings.retries.backoffMaxMs, 50, 'ten times the base');
    assert.equal(settings.circuitBreakers.maxConnections, 1024);
    assert.equal(settings.loadBalancing.policy, 'LEAST_REQUEST');
  });

  it('switches outlier detection off, and back on for one service', () => {
    const off = { outlierDetection: { enabled: false } };
    assert.equal(trafficPolicySettings(off, undefined).outlierDetection, null);
    const on = trafficPolicySettings(off, {
      outlierDetection: { enabled: true, consecutive5xx: 2 },
    });
    assert.equal(on.outlierDetection?.consecutive5xx, 2);
  });
});
