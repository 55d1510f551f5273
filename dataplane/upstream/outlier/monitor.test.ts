import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import { OutlierResult } from '../../api/host.ts';
import type { ResponsePredicate } from '../../matcher/response-predicate.ts';
import { HostWord, readWord, SharedChunks, writeWord } from '../shared-state.ts';
import { takeInterval, takeLocalInterval } from './interval-counts.ts';
import { SharedOutlierMonitor } from './monitor.ts';
import type { OutlierKind } from './outlier-event.ts';

function monitor(
  given: Partial<OutlierDetectionConfig> = {},
  errors: ResponsePredicate | null = null,
) {
  const chunks = new SharedChunks();
  chunks.create();
  const slot = chunks.ref({ chunk: 0, slot: 1 });
  const events: (OutlierKind | 'degraded')[] = [];
  const make = () =>
    new SharedOutlierMonitor({ ...defaultOutlierDetection, ...given }, errors, slot, {
      onThreshold: (kind) => events.push(kind),
      onDegraded: () => events.push('degraded'),
    });
  return { events, slot, monitor: make(), otherWorkers: make() };
}

function codes(...statuses: number[]) {
  const { events, monitor: one } = monitor({ consecutive5xx: 3, consecutiveGatewayFailure: 2 });
  for (const status of statuses) one.putHttpResponseCode(status);
  return events;
}

test('response codes: which runs reach which threshold', () => {
  const gateway = 'consecutive_gateway_failure';
  assert.deepEqual(codes(500, 500), []);
  assert.deepEqual(codes(500, 500, 500), ['consecutive_5xx']);
  assert.deepEqual(codes(500, 500, 200, 500, 500), [], 'a success ends the run');
  assert.deepEqual(codes(500, 500, 404, 500), [], 'a 4xx is no failure of the host');
  assert.deepEqual(codes(503, 502), [gateway]);
  assert.deepEqual(codes(503, 500, 504), ['consecutive_5xx'], 'a plain 500 ends the gateway run');
  assert.deepEqual(codes(502, 503, 504), [gateway, 'consecutive_5xx']);
  assert.deepEqual(codes(500, 500, 500, 500, 500), ['consecutive_5xx'], 'fires once per run');
  assert.deepEqual(codes(501, 505, 599), ['consecutive_5xx']);
});

test('a run counts over all workers', () => {
  const { events, monitor: one, otherWorkers } = monitor({ consecutive5xx: 4 });
  for (const each of [one, otherWorkers, otherWorkers, one]) each.putHttpResponseCode(500);
  assert.deepEqual(events, ['consecutive_5xx']);
});

test('unsplit, local results count as codes', () => {
  const table = [
    [OutlierResult.LocalOriginTimeout, ['consecutive_gateway_failure', 'consecutive_5xx']],
    [OutlierResult.LocalOriginConnectFailed, ['consecutive_gateway_failure', 'consecutive_5xx']],
    [OutlierResult.ExtOriginRequestFailed, ['consecutive_5xx']],
    [OutlierResult.ExtOriginRequestSuccess, []],
    [OutlierResult.LocalOriginConnectSuccess, []],
  ] as const;
  for (const [result, expected] of table) {
    const { events, monitor: one } = monitor({ consecutive5xx: 2, consecutiveGatewayFailure: 2 });
    one.putResult(result);
    one.putResult(result);
    assert.deepEqual(events, expected, `result ${result}`);
  }
});

test('unsplit, a mere connect does not end a run, but a final one does', () => {
  const { events, monitor: one } = monitor({ consecutive5xx: 2 });
  one.putResult(OutlierResult.LocalOriginConnectFailed);
  one.putResult(OutlierResult.LocalOriginConnectSuccess);
  one.putResult(OutlierResult.LocalOriginConnectFailed);
  assert.deepEqual(events, ['consecutive_5xx']);
  const { events: none, monitor: tcp } = monitor({ consecutive5xx: 2 });
  tcp.putResult(OutlierResult.LocalOriginConnectFailed);
  tcp.putResult(OutlierResult.LocalOriginConnectSuccessFinal);
  tcp.putResult(OutlierResult.LocalOriginConnectFailed);
  assert.deepEqual(none, []);
});

test('split, local results have a counter of their own that codes do not touch', () => {
  const { events, monitor: one } = monitor({
    consecutive5xx: 2,
    consecutiveLocalOriginFailure: 3,
    splitExternalLocalOriginErrors: true,
  });
  one.putResult(OutlierResult.LocalOriginConnectFailed);
  one.putResult(OutlierResult.LocalOriginTimeout);
  one.putHttpResponseCode(200);
  assert.deepEqual(events, []);
  one.putResult(OutlierResult.LocalOriginTimeout);
  assert.deepEqual(events, ['consecutive_local_origin_failure']);
  one.putResult(OutlierResult.LocalOriginConnectSuccess);
  one.putResult(OutlierResult.LocalOriginTimeout);
  one.putResult(OutlierResult.ExtOriginRequestFailed);
  one.putResult(OutlierResult.ExtOriginRequestFailed);
  assert.deepEqual(events, ['consecutive_local_origin_failure', 'consecutive_5xx']);
});

test('a threshold of 0 switches that detection off', () => {
  const { events, monitor: one } = monitor({ consecutive5xx: 0, consecutiveGatewayFailure: 0 });
  for (let i = 0; i < 300; i++) one.putHttpResponseCode(503);
  assert.deepEqual(events, []);
});

test('each result counts in one interval, over all workers', () => {
  const { slot, monitor: one, otherWorkers } = monitor();
  for (const status of [200, 404, 500]) one.putHttpResponseCode(status);
  otherWorkers.putHttpResponseCode(503);
  otherWorkers.putResult(OutlierResult.LocalOriginConnectSuccess);
  otherWorkers.putResult(OutlierResult.LocalOriginTimeout);
  assert.deepEqual(takeInterval(slot), { successes: 2, failures: 3 });
  assert.deepEqual(takeInterval(slot), { successes: 0, failures: 0 });
  assert.deepEqual(takeLocalInterval(slot), { successes: 0, failures: 0 }, 'not split');
});

test('split, local results count apart in the interval', () => {
  // As Envoy has it: three answers and a timeout are four connections and a failure, 80 %.
  const { slot, monitor: one } = monitor({ splitExternalLocalOriginErrors: true });
  for (let i = 0; i < 4; i++) one.putResult(OutlierResult.LocalOriginConnectSuccess);
  for (let i = 0; i < 3; i++) one.putHttpResponseCode(200);
  one.putResult(OutlierResult.LocalOriginTimeout);
  assert.deepEqual(takeInterval(slot), { successes: 3, failures: 0 });
  assert.deepEqual(takeLocalInterval(slot), { successes: 4, failures: 1 });
});

test('more failures than a signed word holds are still failures', () => {
  const { slot, monitor: one } = monitor();
  writeWord(slot, HostWord.Failures, 0x7fff_ffff);
  one.putHttpResponseCode(500);
  assert.deepEqual(takeInterval(slot), { successes: 0, failures: 0x8000_0000 });
});

test('only the first of all workers says that a host is degraded, until main has ended it', () => {
  const { events, slot, monitor: one, otherWorkers } = monitor({ detectDegradedHosts: true });
  const degraded = new ResponseHeaders(404, ['x-envoy-degraded', '']);
  one.putResponse(500, new ResponseHeaders(500, ['x-envoy-degraded', '']));
  one.putResponse(200, new ResponseHeaders(200, []));
  assert.deepEqual(events, [], 'neither a 5xx nor without the header');
  one.putResponse(404, degraded);
  otherWorkers.putResponse(404, degraded);
  one.putResponse(404, degraded);
  assert.deepEqual(events, ['degraded']);
  assert.equal(readWord(slot, HostWord.SaidDegraded), 1);
  writeWord(slot, HostWord.SaidDegraded, 0);
  otherWorkers.putResponse(404, degraded);
  assert.deepEqual(events, ['degraded', 'degraded']);
  const { events: none, monitor: off } = monitor();
  off.putResponse(404, degraded);
  assert.deepEqual(none, []);
});

test('an error matcher says what an error is; its code stays if it is a 5xx', () => {
  const errors = { matches: (headers: ResponseHeaders) => headers.get('x-bad') !== null };
  const run = (statuses: readonly number[], fields: string[]) => {
    const { events, monitor: one } = monitor(
      { consecutive5xx: 3, consecutiveGatewayFailure: 3 },
      errors as ResponsePredicate, // it is only given responses
    );
    for (const status of statuses) one.putResponse(status, new ResponseHeaders(status, fields));
    return events;
  };
  const bad = ['x-bad', '1'];
  // As Envoy 1.40 counts.
  assert.deepEqual(run([200, 404, 418], bad), ['consecutive_5xx']);
  assert.deepEqual(run([503, 503, 503, 503, 500], []), []);
  assert.deepEqual(run([503, 503, 503], bad), ['consecutive_gateway_failure', 'consecutive_5xx']);
  assert.deepEqual(run([500, 500, 500], bad), ['consecutive_5xx']);
});
