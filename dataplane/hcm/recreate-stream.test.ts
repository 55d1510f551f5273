// Internal redirects as the connection manager sees them: one request of a client, two streams one after the other.
// Stats and log lines are those of a running Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRoute, HcmScenario, type HcmScenarioOptions } from '../../test/fakes/hcm.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { FilterDataStatus, FilterHeadersStatus } from '../api/http-filter.ts';

function answer(scenario: HcmScenario): void {
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), true, 'via_upstream');
}

/** As the router does it. */
function redirect(scenario: HcmScenario, path: string, body: readonly Buffer[] = []): void {
  scenario.upstreamRequest.path = path;
  scenario.router.recreateStream(new ResponseHeaders(302, []), body);
}

const log = ({ logs }: HcmScenario) =>
  logs.map(({ path, code, details }) => `${path} ${code} ${details}`);

test('the request goes through all filters again, and both streams leave a log line', () => {
  const scenario = new HcmScenario({ filters: { first: {} } });
  scenario.get('/a');
  scenario.timers.advance(3);
  redirect(scenario, '/b');
  assert.deepEqual(scenario.journal, [
    'first.decodeHeaders end',
    'router.decodeHeaders end',
    'first.onDestroy',
    'router.onDestroy',
    'first.decodeHeaders end',
    'router.decodeHeaders end',
  ]);
  assert.equal(scenario.connection.written, '');
  assert.equal(scenario.upstreamRequest.path, '/b');
  assert.equal(scenario.routeMatches, 2);
  scenario.timers.advance(4);
  answer(scenario);
  assert.match(scenario.connection.written, /^HTTP\/1.1 200 OK\r\n/);
  assert.deepEqual(log(scenario), ['/b 302 internal_redirect', '/b 200 via_upstream']);
  // Both count from when the client's request began.
  assert.deepEqual(
    scenario.logs.map(({ durationMs }) => durationMs),
    [3, 7],
  );
  for (const [name, value] of [
    ['downstream_rq_total', 2],
    ['downstream_rq_http1_total', 2],
    ['downstream_rq_completed', 1],
    ['downstream_rq_2xx', 1],
    ['downstream_rq_3xx', 0],
    ['downstream_rq_active', 0],
    ['downstream_rq_rx_reset', 0],
    ['downstream_rq_tx_reset', 0],
  ] as const) {
    assert.equal(scenario.stat(`http.test.${name}`), value, name);
  }
});

test('the body is given again, and the next request on the connection is not disturbed', () => {
  const scenario = new HcmScenario();
  scenario.send('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcdef');
  const before = scenario.journal.length;
  redirect(scenario, '/b', [Buffer.from('abc'), Buffer.from('def')]);
  assert.deepEqual(scenario.journal.slice(before), [
    'router.onDestroy',
    'router.decodeHeaders',
    'router.decodeData abc',
    'router.decodeData def end',
  ]);
  answer(scenario);
  assert.deepEqual(
    scenario.logs.map(({ bytesReceived }) => bytesReceived),
    [6, 12],
  );
  scenario.get('/c');
  answer(scenario);
  assert.equal(scenario.connection.written.match(/HTTP\/1.1 200 OK/g)?.length, 2);
  // No more timers than without the redirect.
  const plain = new HcmScenario();
  plain.get('/a');
  answer(plain);
  assert.equal(scenario.timers.armedCount(), plain.timers.armedCount());
});

test('path checks are done again, who the client is stays', () => {
  const options: HcmScenarioOptions = {
    config: {
      normalizePath: true,
      pathWithEscapedSlashesAction: 'REJECT_REQUEST',
      xffNumTrustedHops: 1,
    },
  };
  const scenario = new HcmScenario(options);
  scenario.get('/a', 'x-forwarded-for: 1.1.1.1, 2.2.2.2\r\n');
  const forwarded = scenario.upstreamRequest.get('x-forwarded-for');
  redirect(scenario, '/b/../c');
  assert.equal(scenario.upstreamRequest.path, '/c');
  assert.equal(scenario.upstreamRequest.get('x-forwarded-for'), forwarded);
  answer(scenario);
  const [first, second] = scenario.logs;
  assert.equal(first?.remote, second?.remote);
  assert.notEqual(first?.remote, '10.1.2.3');

  const refused = new HcmScenario(options);
  refused.get('/a');
  redirect(refused, '/b%2Fc');
  assert.match(refused.connection.written, /^HTTP\/1.1 400 /);
  assert.equal(refused.logs[1]?.details, 'path_normalization_failed');
});

test('a client that leaves ends the stream that is there', () => {
  const scenario = new HcmScenario();
  scenario.get('/a');
  redirect(scenario, '/b');
  scenario.connection.remoteClose();
  assert.deepEqual(log(scenario), [
    '/b 302 internal_redirect',
    '/b 0 downstream_remote_disconnect',
  ]);
  assert.equal(scenario.stat('http.test.downstream_rq_active'), 0);
  const plain = new HcmScenario();
  plain.get('/a');
  plain.connection.remoteClose();
  assert.equal(scenario.timers.armedCount(), plain.timers.armedCount());
});

test('max_stream_duration counts from the beginning of the request', () => {
  const scenario = new HcmScenario({ route: fakeRoute({ maxStreamDurationMs: 100 }) });
  scenario.get('/a');
  scenario.timers.advance(60);
  redirect(scenario, '/b');
  scenario.timers.advance(60);
  assert.equal(scenario.logs[1]?.details, 'max_duration_timeout');
});

test('a filter that waits in the first stream hears nothing of the second', () => {
  let waits = 0;
  const scenario = new HcmScenario({
    filters: {
      gate: {
        decodeHeaders: () => {
          waits++;
          return waits === 1 ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
        },
      },
      router: { decodeHeaders: FilterHeadersStatus.StopIteration },
    },
  });
  scenario.get('/a');
  const former = scenario.router;
  redirect(scenario, '/b');
  // Too late: that stream is over.
  former.encodeHeaders(new ResponseHeaders(500, []), true, 'late');
  former.resetStream();
  assert.equal(scenario.connection.written, '');
  scenario.filters.get('gate')?.decoderCallbacks.continueDecoding();
  answer(scenario);
  assert.match(scenario.connection.written, /^HTTP\/1.1 200 OK/);
});

test('a redirect that comes behind a local reply is too late', () => {
  const scenario = new HcmScenario({
    filters: {
      slow: {
        encodeHeaders: FilterHeadersStatus.StopIteration,
        encodeData: FilterDataStatus.StopIterationAndBuffer,
      },
    },
  });
  scenario.get('/a');
  scenario.router.sendLocalReply(503, 'no', null, 'ours');
  redirect(scenario, '/b');
  assert.equal(scenario.routeMatches, 1);
  scenario.filters.get('slow')?.encoderCallbacks.continueEncoding();
  assert.match(scenario.connection.written, /^HTTP\/1.1 503 /);
  assert.deepEqual(log(scenario), ['/b 503 ours']);
});
