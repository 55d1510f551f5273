import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeStreamInfo } from '../../test/fakes/stream-info.ts';
import type { LogContext } from '../api/access-log.ts';
import type { AccessLogFilterData } from '../api/config/access-log.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import { ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import { compileLogFilter } from './filter.ts';

function passes(
  data: AccessLogFilterData,
  info: Partial<StreamInfo> = {},
  fields: string[] = [],
  responseFields: string[] = [],
): boolean {
  const context: LogContext = {
    requestHeaders: new RequestHeaders('GET', '/', 'a.com', 'http', fields),
    responseHeaders: new ResponseHeaders(200, responseFields),
    responseTrailers: null,
    streamInfo: Object.assign(new FakeStreamInfo(), info),
    localReplyBody: '',
  };
  return compileLogFilter(data, () => 0.5)(context);
}

const status = (op: 'EQ' | 'GE' | 'LE' | 'NE', value: number): AccessLogFilterData => ({
  kind: 'status_code',
  comparison: { op, value },
});

test('compares status codes', () => {
  const answers = (['EQ', 'GE', 'LE', 'NE'] as const).map((op) =>
    [499, 500, 501].map((responseCode) => passes(status(op, 500), { responseCode })),
  );
  assert.deepEqual(answers, [
    [false, true, false],
    [false, true, true],
    [true, true, false],
    [true, false, true],
  ]);
});

test('compares whole milliseconds of duration, and passes nothing that has not ended', () => {
  const slow: AccessLogFilterData = { kind: 'duration', comparison: { op: 'GE', value: 5 } };
  assert.equal(passes(slow, { endMs: 1004.9 }), false);
  assert.equal(passes(slow, { endMs: 1005 }), true);
  assert.equal(passes(slow, { endMs: -1 }), false);
});

test('combines filters', () => {
  const filters = [status('GE', 500), { kind: 'response_flag', flags: [] } as const];
  const failed = { responseCode: 503 };
  const flagged = { responseCode: 503, responseFlags: ResponseFlag.UpstreamOverflow };
  assert.equal(passes({ kind: 'and', filters }, failed), false);
  assert.equal(passes({ kind: 'or', filters }, failed), true);
  assert.equal(passes({ kind: 'and', filters }, flagged), true);
  assert.equal(passes({ kind: 'or', filters }, { responseCode: 200 }), false);
});

test('looks for the named response flags only', () => {
  const overflow: AccessLogFilterData = { kind: 'response_flag', flags: ['UO', 'UH'] };
  assert.equal(passes(overflow, { responseFlags: ResponseFlag.NoHealthyUpstream }), true);
  assert.equal(passes(overflow, { responseFlags: ResponseFlag.NoRouteFound }), false);
});

test('draws by the request id, so that all proxies log the same requests', () => {
  const half: AccessLogFilterData = {
    kind: 'runtime',
    fraction: { numerator: 50, denominator: 100 },
    independent: false,
  };
  const withId = (id: string): boolean => passes(half, {}, ['x-request-id', id]);
  // 0x31 = 49, 0x32 = 50.
  assert.equal(withId('00000031-0000-4000-8000-000000000000'), true);
  assert.equal(withId('00000032-0000-4000-8000-000000000000'), false);
  // Without a usable id, and when asked to be independent, by chance (0.5 of 100 = 50).
  assert.equal(withId('no'), false);
  const independent = { ...half, independent: true };
  const id = ['x-request-id', '00000031-0000-4000-8000-000000000000'];
  assert.equal(passes(independent, {}, id), false);
});

test('knows gRPC statuses from headers and from what the HTTP status means', () => {
  const unavailable: AccessLogFilterData = {
    kind: 'grpc_status',
    statuses: ['UNAVAILABLE'],
    exclude: false,
  };
  assert.equal(passes(unavailable, { responseCode: 200 }, [], ['grpc-status', '14']), true);
  assert.equal(passes(unavailable, { responseCode: 503 }), true);
  assert.equal(passes(unavailable, { responseCode: 200 }), false);
  assert.equal(passes({ ...unavailable, exclude: true }, { responseCode: 503 }), false);
});

test('leaves out what the health_check filter took for a check', () => {
  assert.equal(passes({ kind: 'not_health_check' }, { isHealthCheck: true }), false);
  assert.equal(passes({ kind: 'not_health_check' }), true);
});
