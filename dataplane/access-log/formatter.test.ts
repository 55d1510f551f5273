// Formats against lines that a real Envoy 1.40 wrote for the same values.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogContext } from '../api/access-log.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import { ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import {
  checkFormat,
  compileFormat,
  createFormatter,
  defaultAccessLogFormat,
  logFormatOptions,
} from './formatter.ts';

function streamInfo(overrides: Partial<StreamInfo> = {}): StreamInfo {
  return {
    startWallMs: Date.UTC(2026, 10, 21, 10, 35, 31, 446),
    startMs: 1000,
    lastDownstreamRxByteMs: 1000.25,
    firstUpstreamTxByteMs: 1000.3,
    lastUpstreamTxByteMs: 1000.5,
    firstUpstreamRxByteMs: 1001.27,
    lastUpstreamRxByteMs: 1001.3,
    firstDownstreamTxByteMs: 1001.4,
    lastDownstreamTxByteMs: 1001.5,
    endMs: 1001.6,
    protocol: 'HTTP/1.1',
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    connectionTerminationDetails: '',
    downstreamLocalCloseReason: 'over_connection_limit',
    downstreamTransportFailureReason: '',
    responseFlags: 0,
    bytesReceived: 5,
    bytesSent: 431,
    routeName: 'all',
    virtualHostName: 'v',
    upstreamCluster: 'b',
    upstreamHost: { ip: '127.0.0.1', port: 27301 },
    upstreamHostName: '',
    upstreamLocalAddress: { ip: '127.0.0.1', port: 40001 },
    upstreamProtocol: 'HTTP/1.1',
    upstreamTls: null,
    upstreamTransportFailureReason: '',
    upstreamConnectionId: 83,
    upstreamRequestAttemptCount: 1,
    connectionId: 82,
    downstreamRemoteAddress: { ip: '::1', port: 40000 },
    downstreamDirectRemoteAddress: { ip: '192.0.2.2', port: 40000 },
    downstreamLocalAddress: { ip: '127.0.0.1', port: 27310 },
    downstreamTls: null,
    requestedServerName: '',
    filterChainName: 'fc1',
    dynamicMetadata: null,
    filterState: null,
    schemeMatchesUpstream: false,
    isHealthCheck: false,
    internalRedirects: null,
    ...overrides,
  };
}

function context(overrides: Partial<LogContext> = {}): LogContext {
  return {
    requestHeaders: new RequestHeaders('POST', '/post?a=1&b=%20x', '127.0.0.1:27310', 'http', [
      'x-envoy-original-path',
      '/orig?z=1',
      'x-forwarded-for',
      '192.0.2.2',
      'user-agent',
      'curl/7.88.1',
      'x-request-id',
      '4e75615a-fd14-4099-832e-451465c721c8',
      'x-many',
      'one',
      'x-many',
      'two',
    ]),
    responseHeaders: new ResponseHeaders(200, [
      'x-envoy-upstream-service-time',
      '1',
      'x-b2',
      '\u00e9',
    ]),
    responseTrailers: null,
    streamInfo: streamInfo(),
    localReplyBody: '',
    ...overrides,
  };
}

const text = (format: string, of = context()): string =>
  compileFormat(format, logFormatOptions).format(of);

test('the default line is the one that Envoy writes', () => {
  assert.equal(
    text(defaultAccessLogFormat),
    '[2026-11-21T10:35:31.446Z] "POST /orig?z=1 HTTP/1.1" 200 - 5 431 1 1 "192.0.2.2" "curl/7.88.1" ' +
      '"4e75615a-fd14-4099-832e-451465c721c8" "127.0.0.1:27310" "127.0.0.1:27301"\n',
  );
});

test('missing values are a dash, or nothing when empty values are omitted', () => {
  const format = '[%REQ(NOPE)%] [%RESPONSE_FLAGS%] [%GRPC_STATUS%] [%REQ(X-Y?:METHOD):2%]';
  assert.equal(text(format), '[-] [-] [-] [PO]');
  assert.equal(compileFormat(format).format(context()), '[] [-] [] [PO]');
});

test('a percent sign is written twice', () => {
  assert.equal(text('100%% %%REQ(X)%%'), '100% %REQ(X)%');
});

test('a header operator takes the first of several values', () => {
  assert.equal(text('%REQ(X-MANY)%'), 'one');
});

test('time patterns are rendered as Envoy renders them', () => {
  const pattern = '%Y/%m/%dT%H:%M:%S.%3f %6f %9f %s %f %E3S %1f %j %a %b %e %Z %z %%';
  assert.equal(
    text(`%START_TIME(${pattern})%`),
    '2026/11/21T10:35:31.446 446000 446000000 1795257331 446000000 31.446 4 325 Sat Nov 21 UTC +0000 %',
  );
  assert.equal(text('%START_TIME(%%3f %F %T)%'), '%3f 2026-11-21 10:35:31');
});

test('a time pattern follows the clock across seconds', () => {
  const compiled = compileFormat('%START_TIME(%S.%3f)% %START_TIME%');
  const at = (ms: number): string =>
    compiled.format(
      context({ streamInfo: streamInfo({ startWallMs: Date.UTC(2026, 0, 1) + ms }) }),
    );
  assert.equal(at(1), '00.001 2026-01-01T00:00:00.001Z');
  assert.equal(at(999), '00.999 2026-01-01T00:00:00.999Z');
  assert.equal(at(1000), '01.000 2026-01-01T00:00:01.000Z');
});

test('durations are whole milliseconds of their moments', () => {
  assert.equal(
    text(
      '%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%',
    ),
    '1 0 0 1 0',
  );
  assert.equal(text('%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%'), '1500');
  const unfinished = context({ streamInfo: streamInfo({ endMs: -1, firstUpstreamRxByteMs: -1 }) });
  assert.equal(text('%DURATION% %RESPONSE_DURATION%', unfinished), '- -');
});

test('flags are printed in the order in which a request meets them', () => {
  const flags = ResponseFlag.UpstreamConnectionFailure | ResponseFlag.UpstreamRetryLimitExceeded;
  const failed = context({ streamInfo: streamInfo({ responseFlags: flags }) });
  assert.equal(
    text('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', failed),
    'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure',
  );
  const connection = { ...failed, type: 'TcpConnectionEnd' } as const;
  assert.equal(
    text('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %ACCESS_LOG_TYPE%', connection),
    'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded TcpConnectionEnd',
  );
});

test('a server name that is none is marked and cannot break out of its line', () => {
  for (const [name, expected] of [
    ['a_b.c-d', 'a_b.c-d'],
    ['', '-'],
    ['a b\r\nx: y', 'invalid:a_b__x__y'],
  ] as const) {
    const of = context({ streamInfo: streamInfo({ requestedServerName: name }) });
    assert.equal(text('%REQUESTED_SERVER_NAME%', of), expected);
  }
});

test('why we closed a connection is there to be logged', () => {
  assert.equal(text('%DOWNSTREAM_LOCAL_CLOSE_REASON%'), 'over_connection_limit');
});

test('blanks in details become underscores', () => {
  const info = streamInfo({
    responseCodeDetails: 'a b',
    downstreamTransportFailureReason: 'TLS_error:no shared cipher',
    upstreamTransportFailureReason: 'delayed connect error: Connection refused',
  });
  assert.equal(
    text(
      '%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)% %UPSTREAM_TRANSPORT_FAILURE_REASON% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
      context({ streamInfo: info }),
    ),
    'a_b a b delayed_connect_error:_Connection_refused TLS_error:no_shared_cipher',
  );
});

test('addresses come with and without port', () => {
  assert.equal(
    text(
      '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT% %UPSTREAM_HOST_NAME%',
    ),
    '[::1]:40000 ::1 27310 127.0.0.1:27301',
  );
});

test('path and query operators see the original and the present path', () => {
  assert.equal(
    text('%PATH(NQ:PATH)% %PATH(WQ:ORIG)% %PATH% %QUERY_PARAM(b)% %QUERY_PARAMS(ORIG)%'),
    '/post /orig?z=1 /orig?z=1  x a=1&b=%20x',
  );
});

test('gRPC status is of the trailers first and only for gRPC requests', () => {
  const grpc = context({
    requestHeaders: new RequestHeaders('POST', '/s/m', 'h', 'http', [
      'content-type',
      'application/grpc+proto',
    ]),
    responseTrailers: ['grpc-status', '14'],
  });
  assert.equal(
    text(
      '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%',
      grpc,
    ),
    'Unavailable UNAVAILABLE 14 14',
  );
  assert.equal(text('%GRPC_STATUS%', context({ responseTrailers: ['grpc-status', '14'] })), '-');
  const { requestHeaders } = grpc;
  assert.equal(text('%GRPC_STATUS%', context({ requestHeaders })), 'Unknown');
  // Checked against Envoy 1.40.
  for (const status of [['abc'], ['-1'], ['5', '0'], ['99999999999999999999']]) {
    const responseTrailers = status.flatMap((value) => ['grpc-status', value]);
    const odd = context({ requestHeaders, responseTrailers });
    assert.equal(text('%GRPC_STATUS% %GRPC_STATUS_NUMBER%', odd), '-1 -1');
  }
  const empty = context({ requestHeaders, responseTrailers: ['grpc-status', ''] });
  assert.equal(text('%GRPC_STATUS%', empty), 'Unknown');
});

test('metadata is looked up by its keys', () => {
  const noted = context({
    streamInfo: streamInfo({ dynamicMetadata: { ns: { a: { b: 'x' }, n: [1] } } }),
  });
  assert.equal(
    text('%DYNAMIC_METADATA(ns:a:b)% %DYNAMIC_METADATA(ns:n)% %DYNAMIC_METADATA(ns:z)%', noted),
    'x [1] -',
  );
});

const json = (tree: Record<string, never> | object, omitEmptyValues = false): string =>
  createFormatter({
    kind: 'json',
    // Test trees are plain data.
    tree: tree as never,
    omitEmptyValues,
    sortProperties: false,
  }).format(context());

test('JSON keeps types, sorts keys and writes null for what is missing', () => {
  const tree = {
    z: '%RESPONSE_CODE%',
    st: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
    mixed: 'a %RESPONSE_CODE% %REQ(NOPE)% b',
    miss: '%REQ(NOPE)%',
    num: 5,
    nul: null,
    nest: { l: ['%REQ(:METHOD)%', 1], a: '%PROTOCOL%' },
    xb2: '%RESP(X-B2)%',
    pct: '100%%',
  };
  assert.equal(
    json(tree),
    '{"miss":null,"mixed":"a 200 - b","nest":{"a":"HTTP/1.1","l":["POST",1]},"nul":null,"num":5,' +
      '"pct":"100%","st":"1","xb2":"\\u00e9","z":200}\n',
  );
  assert.equal(
    json(tree, true),
    '{"mixed":"a 200  b","nest":{"a":"HTTP/1.1","l":["POST",1]},"num":5,"pct":"100%","st":"1",' +
      '"xb2":"\\u00e9","z":200}\n',
  );
});

test('config text past ASCII becomes its UTF-8 bytes', () => {
  assert.equal(text('\u00fc'), '\u00c3\u00bc');
  assert.equal(json({ a: '\u00fc' }), '{"a":"\u00c3\u00bc"}\n');
});

test('a wrong format is refused with its reason', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['50% of', /malformed operator at position 2/],
    ['%REQ(X', /malformed operator at position 0/],
    ['%NO_SUCH%', /not supported yet: %NO_SUCH%/],
    ['%REQ%', /%REQ% needs an argument/],
    ['%PROTOCOL(X)%', /%PROTOCOL% takes no argument/],
    ['%START_TIME(%Q)%', /unknown conversion/],
    ['%REQ(A?B?C)%', /more than one alternative/],
    ['%COMMON_DURATION(A:B:ms)%', /unknown moment 'A'/],
    ['%constructor%', /malformed/],
  ];
  for (const [format, reason] of cases) assert.match(checkFormat(format).join(), reason, format);
  assert.deepEqual(checkFormat(defaultAccessLogFormat), []);
});
