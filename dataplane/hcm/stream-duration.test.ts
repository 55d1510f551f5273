import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRoute } from '../../test/fakes/hcm.ts';
import { RequestHeaders } from '../api/headers.ts';
import { NO_DURATION, streamDurationMs } from './stream-duration.ts';

const GRPC = ['content-type', 'application/grpc+proto'];

/** [limit, grpc-timeout behind it] of one request. */
function outcome(
  fields: readonly string[],
  route: Parameters<typeof fakeRoute>[0],
  defaultMs = 0,
): [number, string | null] {
  const headers = new RequestHeaders('POST', '/', 'a', 'http', [...fields]);
  const ms = streamDurationMs(headers, fakeRoute(route), defaultMs);
  return [ms, headers.get('grpc-timeout')];
}

// All of these were seen on Envoy 1.40.
test('the limit of a request, with and without grpc-timeout', () => {
  const asked = (value: string) => [...GRPC, 'grpc-timeout', value];
  const capped = { grpcTimeoutHeader: { maxMs: 10_000, offsetMs: 100 } };
  const open = { grpcTimeoutHeader: { maxMs: 0, offsetMs: 0 } };
  const both = { maxStreamDurationMs: 500, grpcTimeoutHeader: { maxMs: 2000, offsetMs: 0 } };
  const none: [number, null] = [NO_DURATION, null];
  assert.deepEqual(outcome(GRPC, {}), none);
  assert.deepEqual(outcome(asked('5S'), {}), [NO_DURATION, '5S']);
  assert.deepEqual(outcome(GRPC, capped), none);
  assert.deepEqual(outcome(asked('5S'), capped), [4900, '4900m']);
  assert.deepEqual(outcome(asked('20S'), capped), [9900, '9900m']);
  assert.deepEqual(outcome(asked('50m'), capped), [0, '0m']);
  assert.deepEqual(outcome(asked('0S'), capped), [0, '0m']);
  assert.deepEqual(outcome(asked('x'), capped), [NO_DURATION, 'x']);
  assert.deepEqual(outcome(asked('123456789S'), capped), [NO_DURATION, '123456789S']);
  assert.deepEqual(outcome(asked('20S'), open), [20_000, '20000m']);
  assert.deepEqual(outcome(GRPC, both), [500, '500m']);
  assert.deepEqual(outcome(asked('1S'), both), [1000, '1000m']);
  assert.deepEqual(outcome(asked('5S'), both), [2000, '2000m']);
});

test('a request that is no gRPC is limited by grpc-timeout too, and it stays as it is', () => {
  const route = { maxStreamDurationMs: 500, grpcTimeoutHeader: { maxMs: 2000, offsetMs: 0 } };
  assert.deepEqual(outcome(['grpc-timeout', '1S'], route), [1000, '1S']);
  assert.deepEqual(outcome([], route), [500, null]);
});

test("the route's limit replaces the connection manager's, 0 means none", () => {
  assert.deepEqual(outcome([], {}, 700), [700, null]);
  assert.deepEqual(outcome([], { maxStreamDurationMs: 900 }, 700), [900, null]);
  assert.deepEqual(outcome([], { maxStreamDurationMs: 0 }, 700), [NO_DURATION, null]);
});
