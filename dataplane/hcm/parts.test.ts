import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteString } from '../../common/byte-string.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { defaultHcmConfig } from '../../test/fakes/hcm.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import { DateHeader } from './date-header.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import { grpcStatusOf, isGrpcRequest, makeGrpcReply, makeLocalReply } from './local-reply.ts';
import { checkTarget, normalizeHost } from './path-checks.ts';
import { newRequestId, withoutTraceReason } from './request-id.ts';
import { HcmStats } from './stats.ts';

test('request ids are version 4 UUIDs that differ', () => {
  const ids = new Set<string>();
  for (let i = 0; i < 1000; i++) ids.add(newRequestId());
  assert.equal(ids.size, 1000);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

test('a trace decision is taken out of a kept id and nothing else is touched', () => {
  const plain = '11111111-2222-4333-8444-555555555555';
  for (const mark of ['4', '9', 'a', 'b']) {
    assert.equal(withoutTraceReason(`11111111-2222-${mark}333-8444-555555555555`), plain);
  }
  assert.equal(withoutTraceReason('abc'), 'abc');
});

test('a deadline moved later fires once, at the last deadline', () => {
  const timers = new FakeTimers();
  const fired: number[] = [];
  const timer = new DeadlineTimer(
    timers,
    timers.clock,
    () => fired.push(timers.clock.nowMs()),
    null,
  );
  timer.start(100, timers.clock.nowMs());
  timers.advance(60);
  timer.start(100, timers.clock.nowMs());
  timers.advance(99);
  assert.deepEqual(fired, []);
  timers.advance(1);
  assert.deepEqual(fired, [1160]);
  timers.advance(1000);
  assert.equal(fired.length, 1);
});

test('a deadline moved earlier fires early; a stopped one does not fire; dispose frees the timer', () => {
  const timers = new FakeTimers();
  let fired = 0;
  const timer = new DeadlineTimer(timers, timers.clock, () => fired++, null);
  timer.start(1000, timers.clock.nowMs());
  timer.start(10, timers.clock.nowMs());
  timers.advance(10);
  assert.equal(fired, 1);
  timer.start(10, timers.clock.nowMs());
  timer.stop();
  assert.equal(timer.isArmed(), false);
  timers.advance(10);
  assert.equal(fired, 1);
  timer.start(10, timers.clock.nowMs());
  timer.dispose();
  assert.equal(timers.armedCount(), 0);
});

test('the date is made anew when the second changes', () => {
  const clock = new FakeClock();
  const date = new DateHeader(clock);
  assert.equal(date.text(), 'Fri, 02 Jan 2026 03:04:05 GMT');
  clock.advance(321);
  assert.equal(date.text(), 'Fri, 02 Jan 2026 03:04:05 GMT');
  clock.advance(1);
  assert.equal(date.text(), 'Fri, 02 Jan 2026 03:04:06 GMT');
});

test('a local reply has length and type of its text; without text neither', () => {
  const plain = makeLocalReply(new ResponseHeaders(503, []), byteString('né'), 'text/plain', false);
  assert.deepEqual(plain.headers.fields, ['content-length', '3', 'content-type', 'text/plain']);
  assert.equal(plain.body?.toString(), 'né');
  const typed = new ResponseHeaders(503, ['content-type', 'a/b', 'content-length', '99']);
  assert.deepEqual(makeLocalReply(typed, 'x', 'text/plain', false).headers.fields, [
    'content-type',
    'a/b',
    'content-length',
    '1',
  ]);
  const empty = new ResponseHeaders(503, ['content-type', 'a/b', 'content-length', '9', 'x', 'y']);
  assert.deepEqual(makeLocalReply(empty, '', 'text/plain', false).headers.fields, ['x', 'y']);
  const head = makeLocalReply(new ResponseHeaders(404, []), 'gone', 'text/plain', true);
  assert.equal(head.headers.get('content-length'), '4');
  assert.equal(head.body, null);
});

test('a gRPC reply keeps a grpc-status that is set, and encodes the message', () => {
  const reply = makeGrpcReply(
    new ResponseHeaders(403, ['grpc-status', '9']),
    byteString('a\n%é'),
    'text/plain',
    null,
  );
  assert.equal(reply.headers.status, 200);
  assert.equal(reply.headers.get('grpc-status'), '9');
  assert.equal(reply.headers.get('grpc-message'), 'a%0A%25%C3%A9');
  assert.equal(reply.body, null);
});

test("a gRPC message is without the newline that ends JSON, a text's stays", () => {
  const messageOf = (contentType: string) =>
    makeGrpcReply(new ResponseHeaders(503, []), 'x\n', contentType, null).headers.get(
      'grpc-message',
    );
  assert.equal(messageOf('application/json'), 'x');
  assert.equal(messageOf('text/plain'), 'x%0A');
});

test('HTTP statuses map to gRPC ones as gRPC says', () => {
  const table = [
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
    [413, 2],
    [500, 2],
  ] as const;
  for (const [http, grpc] of table) assert.equal(grpcStatusOf(http), grpc);
});

test('gRPC-Web is not gRPC', () => {
  const isGrpc = (type: string) =>
    isGrpcRequest(new RequestHeaders('POST', '/', 'h', 'http', ['content-type', type]));
  assert.equal(isGrpc('application/grpc'), true);
  assert.equal(isGrpc('application/grpc+proto'), true);
  assert.equal(isGrpc('application/grpc-web'), false);
  assert.equal(isGrpc('application/json'), false);
});

test('host normalization strips the dot and the ports it is told to', () => {
  const dot = { stripTrailingHostDot: true };
  const any = { stripAnyHostPort: true };
  const matching = { stripMatchingHostPort: true };
  const table: [object, string, string][] = [
    [{}, 'h.:80', 'h.:80'],
    [dot, 'h.', 'h'],
    [dot, 'h.:80', 'h:80'],
    [dot, 'h.x', 'h.x'],
    [any, 'h:81', 'h'],
    [any, 'h', 'h'],
    [any, '[::1]:81', '[::1]'],
    [any, '[::1]', '[::1]'],
    [any, 'h:x', 'h:x'],
    [matching, 'h:80', 'h'],
    [matching, 'h:81', 'h:81'],
    [{ ...dot, ...any }, 'h.:80', 'h'],
  ];
  for (const [config, given, expected] of table) {
    const headers = new RequestHeaders('GET', '/', given, 'http', []);
    normalizeHost(headers, { ...defaultHcmConfig, ...config }, 80);
    assert.equal(headers.authority, expected, `${JSON.stringify(config)} ${given}`);
  }
});

test('path actions', () => {
  const reject = { pathWithEscapedSlashesAction: 'REJECT_REQUEST' } as const;
  const forward = { pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD' } as const;
  const normalize = { normalizePath: true, mergeSlashes: true };
  const table: [object, string, number | undefined, string][] = [
    [{}, '/a//../b%2f', undefined, '/a//../b%2f'],
    [{}, '/a#b', 400, '/a#b'],
    [reject, '/a%2fb', 400, '/a%2fb'],
    [reject, '/a?b=%2f', undefined, '/a?b=%2f'],
    [forward, '/a%2Fb', undefined, '/a/b'],
    [normalize, '/a//b/../c', undefined, '/a/c'],
    [normalize, '/a%00', 400, '/a%00'],
  ];
  for (const [config, given, action, expected] of table) {
    const headers = new RequestHeaders('GET', given, 'h', 'http', []);
    const verdict = checkTarget(headers, { ...defaultHcmConfig, ...config }, new HcmStats());
    assert.equal(verdict?.status, action, given);
    assert.equal(headers.path, expected);
  }
});
