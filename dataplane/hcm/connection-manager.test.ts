import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection, fakeTls } from '../../test/fakes/connection.ts';
import { fakeRoute, HcmScenario } from '../../test/fakes/hcm.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import { immediateDrain } from '../api/drain.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { ResponseFlag } from '../api/stream-info.ts';

const POST = 'POST / HTTP/1.1\r\nHost: h\r\n';

function answer(scenario: HcmScenario, fields: string[] = []): void {
  scenario.router.encodeHeaders(new ResponseHeaders(200, fields), true, 'via_upstream');
}

/** Head lines of the first response, without status line and date. */
function responseHead(scenario: HcmScenario): string[] {
  const head = scenario.connection.written.split('\r\n\r\n')[0]!;
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => !line.startsWith('date: '));
}

test('a request goes through and leaves stats and one log line', () => {
  const scenario = new HcmScenario();
  scenario.get('/a?b');
  scenario.timers.advance(7);
  answer(scenario);
  assert.match(
    scenario.connection.written,
    /^HTTP\/1.1 200 OK\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n$/,
  );
  assert.deepEqual(scenario.logs, [
    {
      method: 'GET',
      path: '/a?b',
      code: 200,
      flags: 0,
      details: 'via_upstream',
      bytesReceived: 0,
      bytesSent: 0,
      remote: '10.1.2.3',
      durationMs: 7,
      localReplyBody: '',
    },
  ]);
  for (const [name, value] of [
    ['downstream_cx_total', 1],
    ['downstream_cx_active', 1],
    ['downstream_cx_http1_active', 1],
    ['downstream_rq_total', 1],
    ['downstream_rq_active', 0],
    ['downstream_rq_completed', 1],
    ['downstream_rq_2xx', 1],
    ['downstream_cx_rx_bytes_total', 30],
    ['downstream_cx_tx_bytes_total', scenario.connection.written.length],
  ] as const) {
    assert.equal(scenario.stat(`http.test.${name}`), value, name);
  }
});

test("a connection's own log knows the protocol once a head has begun, not of what is refused", () => {
  const after = (text: string) => {
    const scenario = new HcmScenario();
    scenario.send(text);
    const { protocol, responseFlags } = scenario.connectionInfo;
    return [protocol, responseFlags];
  };
  assert.deepEqual(after('GET / HTTP/1.1\r\nHost: h\r\n\r\n'), ['HTTP/1.1', 0]);
  assert.deepEqual(after('GET / HT'), ['HTTP/1.1', 0]);
  const refused = ['', ResponseFlag.DownstreamProtocolError];
  assert.deepEqual(after('GET / HTTP/1.0\r\nHost: h\r\n\r\n'), refused);
  assert.deepEqual(after('junk\r\n\r\n'), refused);
  assert.equal(new HcmScenario().connectionInfo.protocol, '');
});

test('pipelined requests are answered in order on one connection', async () => {
  const scenario = new HcmScenario();
  scenario.send('GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal(scenario.upstreamRequest.path, '/1');
  answer(scenario);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(scenario.upstreamRequest.path, '/2');
  answer(scenario);
  assert.deepEqual(
    scenario.logs.map(({ path }) => path),
    ['/1', '/2'],
  );
});

test('hop-by-hop response headers go, server is overwritten, date is kept, via is appended', () => {
  const scenario = new HcmScenario({ config: { via: 'rv' } });
  scenario.get();
  answer(scenario, [
    'connection',
    'keep-alive, x-foo',
    'x-foo',
    '1',
    'keep-alive',
    'timeout=5',
    'upgrade',
    'h2c',
    'proxy-connection',
    'x',
    'te',
    'trailers',
    'server',
    'up',
    'date',
    'then',
    'via',
    '1.1 up',
  ]);
  assert.match(scenario.connection.written, /\r\ndate: then\r\n/);
  assert.deepEqual(responseHead(scenario), [
    'x-foo: 1',
    'te: trailers',
    'server: envoy',
    'via: 1.1 up, rv',
    'content-length: 0',
  ]);
});

test('server_header_transformation decides about the server header', () => {
  const table: ['OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH', string[], string | undefined][] =
    [
      ['OVERWRITE', ['server', 'up'], 'server: envoy'],
      ['APPEND_IF_ABSENT', ['server', 'up'], 'server: up'],
      ['APPEND_IF_ABSENT', [], 'server: envoy'],
      ['PASS_THROUGH', ['server', 'up'], 'server: up'],
      ['PASS_THROUGH', [], undefined],
    ];
  for (const [serverHeaderTransformation, fields, expected] of table) {
    const scenario = new HcmScenario({ config: { serverHeaderTransformation } });
    scenario.get();
    answer(scenario, fields);
    const line = responseHead(scenario).find((candidate) => candidate.startsWith('server'));
    assert.equal(line, expected, serverHeaderTransformation);
  }
});

test('the request id is echoed when asked for', () => {
  const always = new HcmScenario({ config: { alwaysSetRequestIdInResponse: true } });
  always.get('/', 'x-request-id: q\r\n');
  answer(always);
  assert.deepEqual(responseHead(always), ['server: envoy', 'x-request-id: q', 'content-length: 0']);
});

test('Expect: 100-continue is answered here and not passed on', () => {
  const scenario = new HcmScenario();
  scenario.send(`${POST}Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n`);
  assert.equal(scenario.connection.takeWritten(), 'HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(scenario.upstreamRequest.get('expect'), null);
  scenario.send('ab');
  answer(scenario);
  assert.equal(scenario.stat('http.test.downstream_rq_1xx'), 1);
  assert.equal(scenario.stat('http.test.downstream_rq_completed'), 2);
});

test('requests that the connection manager refuses', () => {
  const table: [string, string, number, string, RegExp][] = [
    ['GET /a#b HTTP/1.1', 'Host: h', 400, 'path_normalization_failed', /connection: close/],
    ['GET /a HTTP/1.1', 'x: y', 400, 'missing_host_header', /connection: close/],
    ['GET /a HTTP/1.1', 'Host: h\r\nConnection: host', 400, 'missing_host_header', /close/],
    [
      'GET /a HTTP/1.1',
      'Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket',
      403,
      'upgrade_failed',
      /close/,
    ],
  ];
  for (const [line, headers, status, details, head] of table) {
    const scenario = new HcmScenario();
    scenario.send(`${line}\r\n${headers}\r\n\r\n`);
    assert.match(scenario.connection.written, new RegExp(`^HTTP/1.1 ${status} `), line);
    assert.match(scenario.connection.written, head);
    assert.match(scenario.connection.written, /content-length: 0\r\n\r\n$/);
    assert.equal(scenario.logs[0]?.details, details);
    assert.equal(scenario.logs[0]?.flags, 0);
    assert.equal(scenario.connection.isOpen(), false);
  }
});

test('a Connection header that names what it must not is a protocol error', () => {
  for (const value of ['x-forwarded-for', 'x-forwarded-host', 'a,b,c,d,e,f,g,h,i,j']) {
    const scenario = new HcmScenario();
    scenario.get('/', `Connection: ${value}\r\n`);
    assert.match(scenario.connection.written, /^HTTP\/1.1 400 .*\r\n\r\nBad Request$/s);
    assert.equal(scenario.logs[0]?.details, 'http1.connection_header_rejected');
    assert.equal(scenario.logs[0]?.flags, ResponseFlag.DownstreamProtocolError);
    assert.equal(scenario.logs[0]?.method, null);
  }
});

test('what the codec refuses is answered, logged without a request and counted', () => {
  const scenario = new HcmScenario();
  scenario.send('GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n');
  assert.match(scenario.connection.written, /^HTTP\/1.1 400 Bad Request\r\ncontent-length: 11\r\n/);
  assert.match(scenario.connection.written, /connection: close\r\n\r\nBad Request$/);
  assert.equal(scenario.logs.length, 1);
  assert.equal(scenario.logs[0]?.flags, ResponseFlag.DownstreamProtocolError);
  assert.equal(scenario.logs[0]?.method, null);
  assert.equal(scenario.stat('http.test.downstream_cx_protocol_error'), 1);
  assert.equal(scenario.stat('http.test.downstream_rq_4xx'), 1);
  assert.equal(scenario.stat('http.test.downstream_rq_active'), 0);
});

test('a broken body is answered through the stream that it belongs to', () => {
  const scenario = new HcmScenario();
  scenario.send(`${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`);
  assert.match(scenario.connection.written, /^HTTP\/1.1 400 /);
  assert.equal(scenario.logs.length, 1);
  assert.equal(scenario.logs[0]?.method, 'POST');
  assert.equal(scenario.logs[0]?.flags, ResponseFlag.DownstreamProtocolError);
  assert.deepEqual(scenario.journal.slice(-1), ['router.onDestroy']);
});

test('an HTTP/2 preface is a protocol error to codec_type HTTP1', () => {
  const scenario = new HcmScenario({ config: { codecType: 'HTTP1' } });
  scenario.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  assert.match(scenario.connection.written, /^HTTP\/1.1 (400|505) /);
  assert.equal(scenario.stat('http.test.downstream_cx_protocol_error'), 1);
});

test('a client that goes away: DC, downstream_remote_disconnect, code 0', () => {
  const scenario = new HcmScenario();
  scenario.get();
  scenario.connection.remoteClose();
  assert.equal(scenario.logs[0]?.code, 0);
  assert.equal(scenario.logs[0]?.flags, ResponseFlag.DownstreamConnectionTermination);
  assert.equal(scenario.logs[0]?.details, 'downstream_remote_disconnect');
  for (const [name, value] of [
    ['downstream_cx_destroy', 1],
    ['downstream_cx_destroy_remote', 1],
    ['downstream_cx_destroy_active_rq', 1],
    ['downstream_cx_destroy_remote_active_rq', 1],
    ['downstream_cx_active', 0],
    ['downstream_cx_http1_active', 0],
    ['downstream_rq_rx_reset', 1],
    ['downstream_rq_active', 0],
  ] as const) {
    assert.equal(scenario.stat(`http.test.${name}`), value, name);
  }
  scenario.config.streamTimers.dispose();
  assert.equal(scenario.timers.armedCount(), 0);
});

test('a connection that we close with a request open logs downstream_local_disconnect', () => {
  const scenario = new HcmScenario();
  scenario.get();
  scenario.connection.close(ConnectionCloseType.NoFlush);
  assert.equal(scenario.logs[0]?.flags, 0);
  assert.equal(scenario.logs[0]?.details, 'downstream_local_disconnect');
  assert.equal(scenario.stat('http.test.downstream_cx_destroy_local_active_rq'), 1);
});

test('stream_idle_timeout: 504 once the request is complete, 408 before', () => {
  const complete = new HcmScenario({ config: { streamIdleTimeoutMs: 500 } });
  complete.get();
  complete.timers.advance(499);
  assert.equal(complete.connection.written, '');
  complete.timers.advance(1);
  assert.match(complete.connection.written, /^HTTP\/1.1 504 .*\r\n\r\nstream timeout$/s);
  assert.equal(complete.logs[0]?.flags, ResponseFlag.StreamIdleTimeout);
  assert.equal(complete.logs[0]?.details, 'stream_idle_timeout');
  assert.equal(complete.connection.isOpen(), true);

  const incomplete = new HcmScenario({ config: { streamIdleTimeoutMs: 500 } });
  incomplete.send(`${POST}Content-Length: 5\r\n\r\na`);
  incomplete.timers.advance(400);
  incomplete.send('b');
  incomplete.timers.advance(400);
  assert.equal(incomplete.connection.written, '');
  incomplete.timers.advance(100);
  assert.match(incomplete.connection.written, /^HTTP\/1.1 408 .*\r\nconnection: close\r\n/s);
  assert.equal(incomplete.stat('http.test.downstream_rq_idle_timeout'), 1);
});

test('stream_idle_timeout after the head was sent resets', () => {
  const scenario = new HcmScenario({ config: { streamIdleTimeoutMs: 500 } });
  scenario.get();
  scenario.router.encodeHeaders(new ResponseHeaders(200, []), false, 'via_upstream');
  scenario.timers.advance(500);
  assert.equal(scenario.connection.isOpen(), false);
  assert.equal(scenario.logs[0]?.code, 200);
  assert.equal(scenario.logs[0]?.flags, ResponseFlag.StreamIdleTimeout);
});

test("a route's idle timeout replaces the manager's; 0 switches it off", () => {
  const shorter = new HcmScenario({ route: fakeRoute({ idleTimeoutMs: 100 }) });
  shorter.get();
  shorter.timers.advance(100);
  assert.match(shorter.connection.written, /^HTTP\/1.1 504 /);
  const off = new HcmScenario({
    config: { streamIdleTimeoutMs: 100 },
    route: fakeRoute({ idleTimeoutMs: 0 }),
  });
  off.get();
  off.timers.advance(1000);
  assert.equal(off.connection.written, '');
});

test('request_timeout covers the request until it is complete', () => {
  const slow = new HcmScenario({ config: { requestTimeoutMs: 500 } });
  slow.send(`${POST}Content-Length: 5\r\n\r\na`);
  slow.timers.advance(500);
  assert.match(slow.connection.written, /^HTTP\/1.1 408 .*\r\n\r\nrequest timeout$/s);
  assert.equal(slow.logs[0]?.details, 'request_overall_timeout');
  assert.equal(slow.stat('http.test.downstream_rq_timeout'), 1);
  const complete = new HcmScenario({ config: { requestTimeoutMs: 500 } });
  complete.get();
  complete.timers.advance(5000);
  assert.equal(complete.connection.written, '');
});

test('max_stream_duration ends a stream however busy it is', () => {
  const scenario = new HcmScenario({ config: { maxStreamDurationMs: 500 } });
  scenario.get();
  scenario.timers.advance(500);
  assert.match(
    scenario.connection.written,
    /^HTTP\/1.1 504 .*\r\n\r\ndownstream duration timeout$/s,
  );
  assert.equal(scenario.logs[0]?.details, 'max_duration_timeout');
  assert.equal(scenario.logs[0]?.flags, 0);
  assert.equal(scenario.stat('http.test.downstream_rq_max_duration_reached'), 1);
});

test("a route's max_stream_duration replaces the manager's; 0 switches it off", () => {
  const config = { maxStreamDurationMs: 1000, streamIdleTimeoutMs: 0 };
  const longer = new HcmScenario({ config, route: fakeRoute({ maxStreamDurationMs: 3000 }) });
  longer.get();
  longer.timers.advance(2999);
  assert.equal(longer.connection.written, '');
  longer.timers.advance(1);
  assert.match(longer.connection.written, /^HTTP\/1.1 504 /);
  assert.equal(longer.logs[0]?.details, 'max_duration_timeout');

  const off = new HcmScenario({ config, route: fakeRoute({ maxStreamDurationMs: 0 }) });
  off.get();
  off.timers.advance(60_000);
  assert.equal(off.connection.written, '');
});

test('request_headers_timeout answers a head that does not end', () => {
  const scenario = new HcmScenario({ config: { requestHeadersTimeoutMs: 500 } });
  scenario.timers.advance(10_000);
  scenario.send('GET / HT');
  scenario.timers.advance(300);
  scenario.send('TP/1.1\r\nHost: h\r\n');
  assert.equal(scenario.connection.written, '');
  scenario.timers.advance(200);
  assert.match(scenario.connection.written, /^HTTP\/1.1 408 .*\r\n\r\nrequest header timeout$/s);
  assert.equal(scenario.logs[0]?.details, 'request_header_timeout');
  assert.equal(scenario.logs[0]?.flags, 0);
  assert.equal(scenario.stat('http.test.downstream_rq_header_timeout'), 1);
  assert.equal(scenario.stat('http.test.downstream_cx_protocol_error'), 0);
});

test('a head that ends in time does not fall to request_headers_timeout', () => {
  const scenario = new HcmScenario({ config: { requestHeadersTimeoutMs: 500 } });
  scenario.send('GET / HTTP/1.1\r\n');
  scenario.timers.advance(400);
  scenario.send('Host: h\r\n\r\n');
  scenario.timers.advance(1000);
  assert.equal(scenario.connection.written, '');
  answer(scenario);
  assert.match(scenario.connection.written, /^HTTP\/1.1 200 /);
});

test('an idle connection ends after idle_timeout and drain_timeout; requests start it anew', () => {
  const scenario = new HcmScenario({ config: { idleTimeoutMs: 1000, drainTimeoutMs: 100 } });
  scenario.timers.advance(900);
  scenario.get();
  scenario.timers.advance(5000);
  answer(scenario);
  scenario.timers.advance(999);
  assert.equal(scenario.stat('http.test.downstream_cx_idle_timeout'), 0);
  scenario.timers.advance(1);
  assert.equal(scenario.stat('http.test.downstream_cx_idle_timeout'), 1);
  assert.equal(scenario.connection.isOpen(), true);
  scenario.timers.advance(100);
  assert.equal(scenario.connection.isOpen(), false);
});

test('a connection that never spoke closes at once when idle_timeout or its age is reached', () => {
  for (const config of [{ idleTimeoutMs: 500 }, { maxConnectionDurationMs: 500 }]) {
    const scenario = new HcmScenario({ config });
    scenario.timers.advance(500);
    assert.equal(scenario.connection.closedBy, ConnectionCloseType.FlushWrite);
    scenario.config.streamTimers.dispose();
    assert.equal(scenario.timers.armedCount(), 0);
  }
});

test('max_connection_duration ends keep-alive with the next response', () => {
  const scenario = new HcmScenario({ config: { maxConnectionDurationMs: 500 } });
  scenario.get();
  scenario.timers.advance(500);
  assert.equal(scenario.stat('http.test.downstream_cx_max_duration_reached'), 1);
  answer(scenario);
  assert.deepEqual(responseHead(scenario), [
    'server: envoy',
    'connection: close',
    'content-length: 0',
  ]);
  assert.equal(scenario.connection.isOpen(), false);
});

test('http1_safe_max_connection_duration lets an old idle connection serve one request more', () => {
  const scenario = new HcmScenario({
    config: { maxConnectionDurationMs: 500, http1SafeMaxConnectionDuration: true },
  });
  scenario.get();
  answer(scenario);
  scenario.connection.takeWritten();
  scenario.timers.advance(20_000);
  assert.equal(scenario.stat('http.test.downstream_cx_max_duration_reached'), 1);
  assert.equal(scenario.connection.isOpen(), true);
  scenario.get();
  answer(scenario);
  assert.match(scenario.connection.takeWritten(), /\r\nconnection: close\r\n/);
  assert.equal(scenario.connection.isOpen(), false);
});

test('1xx of the upstream reaches the client with proxy_100_continue only', () => {
  for (const proxy100Continue of [true, false]) {
    const scenario = new HcmScenario({ config: { proxy100Continue } });
    scenario.send(
      'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n',
    );
    const before = scenario.connection.takeWritten();
    assert.equal(before, proxy100Continue ? '' : 'HTTP/1.1 100 Continue\r\n\r\n');
  }
});

test('max_requests_per_connection closes after the last allowed response', () => {
  const scenario = new HcmScenario({ config: { maxRequestsPerConnection: 2 } });
  scenario.get();
  answer(scenario);
  assert.doesNotMatch(scenario.connection.takeWritten(), /connection: close/);
  scenario.get();
  answer(scenario);
  assert.match(scenario.connection.written, /connection: close/);
  assert.equal(scenario.stat('http.test.downstream_cx_max_requests_reached'), 1);
});

test('draining: the next response ends its connection, an idle one ends after drain_timeout', () => {
  const busy = new HcmScenario({ config: { drainTimeoutMs: 100 } });
  busy.get();
  busy.config.startDrain(immediateDrain(0));
  answer(busy);
  assert.match(busy.connection.written, /connection: close/);
  assert.equal(busy.connection.isOpen(), false);

  const idle = new HcmScenario({ config: { drainTimeoutMs: 100 } });
  idle.get();
  answer(idle);
  idle.config.startDrain(immediateDrain(0));
  assert.equal(idle.connection.isOpen(), true);
  idle.timers.advance(100);
  assert.equal(idle.connection.isOpen(), false);
});

test('a draining process ends keep-alive too', () => {
  const scenario = new HcmScenario();
  scenario.healthchecksFail = true;
  scenario.get();
  answer(scenario);
  assert.match(scenario.connection.written, /connection: close/);
  assert.equal(scenario.stat('http.test.downstream_cx_drain_close'), 1);
});

test('a path with escaped slashes is redirected to its plain form when so configured', () => {
  const scenario = new HcmScenario({
    config: { normalizePath: true, pathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT' },
  });
  scenario.get('/a%2Fb?x=%2f');
  assert.match(
    scenario.connection.written,
    /^HTTP\/1.1 307 Temporary Redirect\r\nlocation: \/a\/b\?x=%2f\r\n/,
  );
  assert.equal(scenario.logs[0]?.details, 'path_normalization_failed');
  assert.equal(scenario.connection.isOpen(), true);
});

test("a local reply carries the route's response headers, then the sender's", () => {
  const scenario = new HcmScenario({
    route: fakeRoute({
      finalizeResponseHeaders: (response) => response.fields.push('x-route', '1'),
    }),
  });
  scenario.get();
  scenario.router.sendLocalReply(
    503,
    'no healthy upstream',
    (headers) => headers.fields.push('x-modify', '2'),
    'no_healthy_upstream',
  );
  assert.deepEqual(responseHead(scenario), [
    'x-route: 1',
    'x-modify: 2',
    'content-length: 19',
    'content-type: text/plain',
    'server: envoy',
  ]);
});

test('a gRPC request is answered trailers-only', () => {
  const scenario = new HcmScenario();
  scenario.send(`${POST}content-type: application/grpc\r\nContent-Length: 0\r\n\r\n`);
  scenario.router.sendLocalReply(503, 'no 100%', null, 'x');
  assert.match(scenario.connection.written, /^HTTP\/1.1 200 OK\r\n/);
  assert.deepEqual(responseHead(scenario), [
    'content-type: application/grpc',
    'grpc-status: 14',
    'grpc-message: no 100%25',
    'server: envoy',
    'content-length: 0',
  ]);
  assert.equal(scenario.logs[0]?.code, 200);
});

test('without routes the filters still run and see no route', () => {
  const scenario = new HcmScenario({ route: null });
  scenario.get();
  assert.equal(scenario.router.route(), null);
  assert.equal(scenario.router.routeSpecificConfig(), null);
});

test('a TLS connection counts as such and gives the scheme', () => {
  const connection = new FakeConnection();
  connection.tls = fakeTls();
  const scenario = new HcmScenario({ connection });
  scenario.get();
  assert.equal(scenario.upstreamRequest.scheme, 'https');
  assert.equal(scenario.upstreamRequest.get('x-forwarded-proto'), 'https');
  assert.equal(scenario.stat('http.test.downstream_cx_ssl_active'), 1);
  connection.remoteClose();
  assert.equal(scenario.stat('http.test.downstream_cx_ssl_active'), 0);
});
