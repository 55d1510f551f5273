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
      [
        {
          timeouts: { request: '9s', connect: '2s' },
          retries: { attempts: 7, backoff: { base: '5ms' } },
        },
        { timeouts: { request: '3s' }, retries: { perTryTimeout: '1s' } },
      ],
      'HTTP',
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
    assert.equal(trafficPolicySettings([off], 'HTTP').outlierDetection, null);
    const on = trafficPolicySettings(
      [off, { outlierDetection: { enabled: true, consecutive5xx: 2 } }],
      'HTTP',
    );
    assert.equal(on.outlierDetection?.consecutive5xx, 2);
  });

  it('sets no time limits of ours to gRPC, and those that are asked for', () => {
    const times = (protocol: 'HTTP2' | 'GRPC', timeouts = {}) => {
      const settings = trafficPolicySettings([{ timeouts }], protocol);
      return [settings.requestTimeoutMs, settings.idleTimeoutMs, settings.maxStreamDurationMs];
    };
    assert.deepEqual(times('HTTP2'), [15_000, null, 0]);
    assert.deepEqual(times('GRPC'), [0, 0, 0]);
    assert.deepEqual(
      times('GRPC', { request: '2s', idle: '10m', maxStreamDuration: '1h' }),
      [2000, 600_000, 3_600_000],
    );
  });

  it('puts keepalive together field by field, and an interval of 0s switches it off', () => {
    const keepalive = (mesh: string, policy?: string) =>
      trafficPolicySettings(
        [
          { http2: { keepalive: { interval: mesh, timeout: '3s' }, maxConcurrentStreams: 7 } },
          ...(policy === undefined ? [] : [{ http2: { keepalive: { interval: policy } } }]),
        ],
        'HTTP2',
      ).http2;
    assert.deepEqual(keepalive('5s', '9s').keepalive, { intervalMs: 9000, timeoutMs: 3000 });
    assert.equal(keepalive('5s', '9s').maxConcurrentStreams, 7);
    assert.equal(keepalive('5s', '0s').keepalive, null);
    assert.deepEqual(keepalive('5s').keepalive, { intervalMs: 5000, timeoutMs: 3000 });
  });
});
