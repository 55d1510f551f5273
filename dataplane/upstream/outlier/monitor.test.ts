import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
import { OutlierResult } from '../../api/host.ts';
import { SharedChunks } from '../shared-state.ts';
import { SharedOutlierMonitor } from './monitor.ts';
import type { OutlierKind } from './outlier-event.ts';

function monitor(given: Partial<OutlierDetectionConfig> = {}) {
  const chunks = new SharedChunks();
  chunks.create();
  const events: OutlierKind[] = [];
  const make = () =>
    new SharedOutlierMonitor(
      { ...defaultOutlierDetection, ...given },
      chunks.ref({ chunk: 0, slot: 1 }),
      { onThreshold: (kind) => events.push(kind) },
    );
  return { events, monitor: make(), otherWorkers: make() };
}

function codes(...statuses: number[]): OutlierKind[] {
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
