// The router between a fake client and fake pools. Bodies, flags and details are those of a running Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData } from '../../test/fakes/config.ts';
import { addHeader, forwardAction, retryPolicy } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';
import { StreamResetReason } from '../api/codec.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ForwardActionData, RetryPolicyData } from '../api/config/route.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { OutlierResult } from '../api/host.ts';

const responseOf = (status: number): ResponseHeaders => new ResponseHeaders(status, []);
const TLS_CLUSTER =
  '{name: c, transport_socket: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}}';
const RESET = 'upstream connect error or disconnect/reset before headers. ';

function forwarding(action: Partial<ForwardActionData>): RouterScenario {
  return new RouterScenario({ route: { action: forwardAction(action) } });
}

function retrying(policy: Partial<RetryPolicyData>, action: object = {}): RouterScenario {
  return forwarding({ retryPolicy: retryPolicy(policy), ...action });
}

test('a request goes out once and its response comes back', () => {
  const scenario = new RouterScenario({
    virtualHost: { includeRequestAttemptCount: true, includeAttemptCountInResponse: true },
    routeConfig: { responseHeaders: addHeader('x-rc', '%RESPONSE_CODE_DETAILS%x') },
  });
  scenario.request(['user-agent', 'x']);
  const { attempt } = scenario;
  attempt.ready();
  assert.deepEqual(attempt.fields, [
    'user-agent',
    'x',
    'x-envoy-expected-rq-timeout-ms',
    '15000',
    'x-envoy-attempt-count',
    '1',
  ]);
  assert.equal(attempt.isEnded, true);
  scenario.timers.advance(7);
  attempt.respond(200, ['a', 'b'], 'body');
  assert.equal(scenario.summary(), '200 - via_upstream: body');
  assert.deepEqual(scenario.answer!.fields, [
    'a',
    'b',
    'x-envoy-upstream-service-time',
    '7',
    'x-rc',
    'x',
    'x-envoy-attempt-count',
    '1',
  ]);
  assert.deepEqual(scenario.cluster.stats.charged, [
    { status: 200, internal: false, canary: false },
  ]);
  assert.deepEqual(scenario.cluster.stats.rqTimes, [7]);
  assert.equal(attempt.host.stats.rqSuccess, 1);
  assert.deepEqual(attempt.host.codes, [200]);
  assert.equal(attempt.resetBy, null);
  assert.equal(scenario.timers.armedCount(), 0);
});

test('body and trailers follow the headers, also those that came before the connection', () => {
  const scenario = new RouterScenario();
  scenario.request([], false).data('one');
  const { attempt } = scenario;
  attempt.ready();
  assert.equal(attempt.body, 'one');
  scenario.data('two');
  scenario.filter.decodeTrailers(['t', '1']);
  assert.deepEqual([attempt.body, attempt.trailers, attempt.isEnded], ['onetwo', ['t', '1'], true]);
});

test('an empty end after the headers is not lost while the connection is made', () => {
  const scenario = new RouterScenario();
  scenario.request([], false).data('', true);
  scenario.attempt.ready();
  assert.equal(scenario.attempt.isEnded, true);
});

test('what cannot be routed is answered as Envoy answers it', () => {
  const noRoute = new RouterScenario({ virtualHost: { routes: [] } }).request();
  assert.equal(noRoute.summary(), '404 NR route_not_found');
  assert.equal(noRoute.stats.noRoute, 1);

  const noCluster = forwarding({ cluster: { kind: 'cluster', name: 'x' } }).request();
  assert.equal(noCluster.summary(), '503 NC cluster_not_found');
  assert.equal(noCluster.stats.noCluster, 1);

  const byHeader = forwarding({ cluster: { kind: 'cluster_header', header: 'x-c' } });
  assert.equal(byHeader.request(['x-c', 'nope']).summary(), '503 NC cluster_not_found');

  const noHost = new RouterScenario();
  noHost.cluster.hosts = [];
  assert.equal(noHost.request().summary(), '503 UH no_healthy_upstream: no healthy upstream');
  assert.equal(noHost.cluster.stats.charged[0]?.status, 503);

  const maintenance = new RouterScenario();
  maintenance.cluster.isInMaintenance = true;
  assert.equal(maintenance.request().summary(), '503 UO maintenance_mode: maintenance mode');
  assert.equal(maintenance.header('x-envoy-overloaded'), 'true');
});

test('a cluster with too much to do has requests refused before they take a host', () => {
  const some = new RouterScenario();
  some.cluster.dropped = 'drop_overload';
  assert.equal(some.request().summary(), '503 DO drop_overload: drop overload');
  assert.equal(some.header('x-envoy-drop-overload'), 'true');
  assert.equal(some.cluster.tries.length, 0);
  assert.equal(some.cluster.stats.charged[0]?.status, 503);

  const all = new RouterScenario();
  all.cluster.dropped = 'unconditional_drop_overload';
  assert.equal(
    all.request().summary(),
    '503 UDO unconditional_drop_overload: unconditional drop overload',
  );
  assert.equal(all.header('x-envoy-unconditional-drop-overload'), 'true');
});

test('direct responses and redirects need no cluster', () => {
  const direct = new RouterScenario({
    route: { action: { kind: 'direct_response', status: 201, body: 'hello' } },
  }).request();
  assert.equal(direct.summary(), '201 - direct_response: hello');
  assert.equal(direct.header('location'), 'http://a.com/p');
  assert.equal(direct.stats.rqDirectResponse, 1);
});

test('each way to lose an upstream has its status, flag, details and body', () => {
  const { Overflow, LocalConnectionFailure, RemoteConnectionFailure, ConnectionTimeout } =
    StreamResetReason;
  const beforeConnected = (reason: StreamResetReason, transport: string): string => {
    const scenario = new RouterScenario().request();
    scenario.attempt.fail(reason, transport);
    return scenario.summary();
  };
  const started = 'upstream_reset_before_response_started';
  assert.equal(
    beforeConnected(RemoteConnectionFailure, 'delayed connect error: Connection refused'),
    `503 UF ${started}{remote_connection_failure|delayed_connect_error:_Connection_refused}: ${RESET}reset reason: remote connection failure`,
  );
  assert.equal(
    beforeConnected(LocalConnectionFailure, ''),
    `503 UF ${started}{local_connection_failure}: ${RESET}reset reason: local connection failure`,
  );
  assert.equal(
    beforeConnected(ConnectionTimeout, ''),
    `503 UF ${started}{connection_timeout}: ${RESET}reset reason: connection timeout`,
  );
  assert.equal(
    beforeConnected(Overflow, ''),
    `503 UO ${started}{overflow}: ${RESET}reset reason: overflow`,
  );
  const connected = (reason: StreamResetReason): string => {
    const scenario = new RouterScenario().request();
    scenario.attempt.ready().resetByPeer(reason);
    return scenario.summary().split(':')[0]!;
  };
  const { ConnectionTermination, RemoteReset, RemoteRefusedStreamReset, ProtocolError } =
    StreamResetReason;
  assert.equal(connected(ConnectionTermination), `503 UC ${started}{connection_termination}`);
  assert.equal(connected(RemoteReset), `503 UR ${started}{remote_reset}`);
  assert.equal(
    connected(RemoteRefusedStreamReset),
    `503 UR ${started}{remote_refused_stream_reset}`,
  );
  assert.equal(connected(ProtocolError), `502 UPE ${started}{protocol_error}`);
});

test('an overflow blames no host; every other reset does', () => {
  const overflow = new RouterScenario();
  overflow.cluster.failAtOnce = StreamResetReason.Overflow;
  overflow.request();
  const host = overflow.attempt.host;
  assert.deepEqual([host.stats.rqError, host.results], [0, []]);
  assert.equal(overflow.header('x-envoy-overloaded'), 'true');
  assert.equal(overflow.streamInfo.upstreamHost, null);

  const failed = new RouterScenario().request();
  failed.attempt.fail(StreamResetReason.RemoteConnectionFailure);
  assert.equal(failed.attempt.host.stats.rqError, 1);
  assert.deepEqual(failed.attempt.host.results, [OutlierResult.LocalOriginConnectFailed]);
  assert.deepEqual(failed.streamInfo.upstreamHost, failed.attempt.host.address);
});

test('a reset after the response began resets the client', () => {
  const late = new RouterScenario().request();
  late.attempt.ready().decoder.decodeHeaders(responseOf(200), false);
  late.attempt.resetByPeer();
  assert.equal(
    late.summary(),
    'reset UC upstream_reset_after_response_started{connection_termination}',
  );
});

test('retries a 5xx until it goes well, each time after a longer wait', () => {
  const scenario = retrying({ numRetries: 3 }).request();
  scenario.attempt.ready().respond(503, [], 'no');
  assert.equal(scenario.attempt.resetBy, StreamResetReason.LocalReset);
  assert.equal(scenario.summary(), '(no answer)');
  scenario.timers.advance(11);
  assert.equal(scenario.cluster.tries.length, 1);
  scenario.timers.advance(1);
  assert.equal(scenario.cluster.tries.length, 2);
  scenario.attempt.ready().respond(502);
  scenario.timers.advance(24);
  assert.equal(scenario.cluster.tries.length, 2);
  scenario.timers.advance(1);
  scenario.attempt.ready().respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.streamInfo.upstreamRequestAttemptCount, 3);
  const { stats, retries } = scenario.cluster;
  assert.deepEqual(
    [stats.upstreamRqRetry, stats.upstreamRqRetrySuccess, stats.upstreamRqRetryLimitExceeded],
    [2, 1, 0],
  );
  assert.deepEqual(stats.retried, [503, 502]);
  assert.equal(retries.count(), 0);
  assert.deepEqual(
    stats.charged.map(({ status }) => status),
    [200],
  );
});

test('the last failure is passed on when retries run out', () => {
  const scenario = retrying({ numRetries: 1 }).request();
  scenario.attempt.ready().respond(503);
  scenario.timers.advance(25);
  scenario.attempt.ready().respond(503, [], 'second');
  assert.equal(scenario.summary(), '503 URX via_upstream: second');
  assert.equal(scenario.cluster.stats.upstreamRqRetryLimitExceeded, 1);
  assert.equal(scenario.timers.armedCount(), 0);
});

test('a reset that was retried says so', () => {
  const scenario = retrying({ retryOn: ['connect-failure'] }).request();
  scenario.attempt.fail(StreamResetReason.RemoteConnectionFailure);
  scenario.timers.advance(25);
  scenario.attempt.fail(StreamResetReason.RemoteConnectionFailure);
  assert.equal(
    scenario.summary(),
    `503 URX,UF upstream_reset_before_response_started{remote_connection_failure}: ${RESET}retried and the latest reset reason: remote connection failure`,
  );
});

test('retries beyond the ceiling do not happen', () => {
  const scenario = retrying({});
  scenario.cluster.retries.ceiling = 0;
  scenario.request().attempt.ready().respond(503);
  assert.equal(scenario.summary(), '503 UO via_upstream');
  assert.equal(scenario.cluster.stats.upstreamRqRetryOverflow, 1);
});

const { RemoteConnectionFailure, RemoteReset, RemoteRefusedStreamReset, Overflow } =
  StreamResetReason;

test('which responses are retried', () => {
  const cases: readonly (readonly [Partial<RetryPolicyData>, number, string[], boolean])[] = [
    [{ retryOn: ['5xx'] }, 500, [], true],
    [{ retryOn: ['5xx'] }, 499, [], false],
    [{ retryOn: ['gateway-error'] }, 500, [], false],
    [{ retryOn: ['gateway-error'] }, 502, [], true],
    [{ retryOn: ['gateway-error'] }, 504, [], true],
    [{ retryOn: ['retriable-4xx'] }, 409, [], true],
    [{ retryOn: ['retriable-4xx'] }, 404, [], false],
    [{ retryOn: ['retriable-status-codes'], retriableStatusCodes: [418] }, 418, [], true],
    [{ retryOn: ['5xx'], retriableStatusCodes: [418] }, 418, [], false],
    [{ retryOn: ['5xx'] }, 503, ['x-envoy-ratelimited', '1'], false],
    [{ retryOn: ['envoy-ratelimited'] }, 429, ['x-envoy-ratelimited', '1'], true],
    [{ retryOn: ['unavailable'] }, 200, ['grpc-status', '14'], true],
    [{ retryOn: ['cancelled', 'internal'] }, 200, ['grpc-status', '14'], false],
    [{ retryOn: ['no-such-word'] }, 503, [], false],
    [{ retryOn: ['reset', 'connect-failure'] }, 503, [], false],
  ];
  for (const [policy, status, fields, isRetried] of cases) {
    const scenario = retrying(policy).request(['content-type', 'application/grpc']);
    scenario.attempt.ready().respond(status, fields);
    assert.equal(scenario.answer === null, isRetried, JSON.stringify([policy, status]));
  }
});

test('which resets are retried', () => {
  const cases: readonly (readonly [string, StreamResetReason, 'pool' | 'stream', boolean])[] = [
    ['connect-failure', RemoteConnectionFailure, 'pool', true],
    ['connect-failure', RemoteReset, 'stream', false],
    ['reset', RemoteReset, 'stream', true],
    ['5xx', RemoteReset, 'stream', true],
    ['gateway-error', RemoteConnectionFailure, 'pool', true],
    ['refused-stream', RemoteRefusedStreamReset, 'stream', true],
    ['refused-stream', RemoteReset, 'stream', false],
    ['reset-before-request', RemoteConnectionFailure, 'pool', true],
    ['reset-before-request', RemoteReset, 'stream', false],
    ['retriable-4xx', RemoteReset, 'stream', false],
    ['5xx', Overflow, 'pool', false],
  ];
  for (const [word, reason, where, isRetried] of cases) {
    const scenario = retrying({ retryOn: [word] }).request();
    if (where === 'pool') scenario.attempt.fail(reason);
    else scenario.attempt.ready().resetByPeer(reason);
    assert.equal(scenario.answer === null, isRetried, `${word} ${reason}`);
  }
});

test('trusted headers ask for retries and timeouts, and do not reach the upstream', () => {
  const scenario = new RouterScenario().request([
    'x-envoy-retry-on',
    'retriable-status-codes, 5xx',
    'x-envoy-max-retries',
    '2',
    'x-envoy-retriable-status-codes',
    '418,x',
    'x-envoy-retry-grpc-on',
    'cancelled',
    'x-envoy-upstream-rq-timeout-ms',
    '300',
    'x-envoy-upstream-rq-per-try-timeout-ms',
    '100',
    'x-envoy-upstream-alt-stat-name',
    'a',
    'x-envoy-hedge-on-per-try-timeout',
    'false',
    'x-envoy-retriable-header-names',
    'x',
    'x-envoy-foo',
    '1',
    'x-envoy-expected-rq-timeout-ms',
    '5',
  ]);
  scenario.attempt.ready().respond(418);
  assert.deepEqual(scenario.attempt.fields, [
    'x-envoy-foo',
    '1',
    'x-envoy-expected-rq-timeout-ms',
    '100',
  ]);
  for (let i = 0; i < 2; i++) {
    scenario.timers.advance(25);
    scenario.attempt.ready().respond(503);
  }
  assert.equal(scenario.summary(), '503 URX via_upstream');
  assert.equal(scenario.cluster.tries.length, 3);
});

test('the route timeout runs from the end of the request and over all tries', () => {
  const scenario = retrying({ numRetries: 5 }, { timeoutMs: 100 });
  scenario.request([], false).attempt.ready();
  scenario.timers.advance(500);
  scenario.data('x', true);
  scenario.timers.advance(90);
  scenario.attempt.respond(503);
  scenario.timers.advance(9);
  assert.equal(scenario.summary(), '(no answer)');
  scenario.timers.advance(1);
  assert.equal(scenario.summary(), '504 UT response_timeout: upstream request timeout');
  scenario.timers.advance(1000);
  assert.equal(scenario.cluster.tries.length, 1);
  assert.equal(scenario.cluster.retries.count(), 0);
});

test('a timeout is charged to the host and the cluster', () => {
  const scenario = forwarding({ timeoutMs: 100 }).request();
  const { attempt, cluster } = scenario;
  attempt.ready();
  scenario.timers.advance(100);
  assert.equal(attempt.resetBy, StreamResetReason.LocalReset);
  assert.equal(cluster.stats.upstreamRqTimeout, 1);
  assert.deepEqual([attempt.host.stats.rqTimeout, attempt.host.stats.rqError], [1, 1]);
  assert.ok(attempt.host.results.includes(OutlierResult.LocalOriginTimeout));
  assert.equal(cluster.stats.charged[0]?.status, 504);
});

test('x-envoy-upstream-rq-timeout-alt-response turns the 504 into an empty 204', () => {
  const scenario = forwarding({ timeoutMs: 100 });
  scenario.request(['x-envoy-upstream-rq-timeout-alt-response', '1']).attempt.ready();
  scenario.timers.advance(100);
  assert.equal(scenario.summary(), '204 UT response_timeout');
});

test('a try that takes too long is retried, then answered', () => {
  const scenario = retrying({ perTryTimeoutMs: 50 }).request();
  scenario.attempt.ready();
  assert.equal(scenario.attempt.fields[1], '50');
  scenario.timers.advance(50 + 12);
  assert.equal(scenario.cluster.tries.length, 2);
  scenario.attempt.ready();
  scenario.timers.advance(50);
  assert.equal(scenario.summary(), '504 URX,UT upstream_per_try_timeout: upstream request timeout');
  const { stats } = scenario.cluster;
  assert.deepEqual([stats.upstreamRqPerTryTimeout, stats.upstreamRqTimeout], [2, 0]);
});

test('a per-try timeout that is not below the route timeout has no effect', () => {
  const scenario = retrying({ perTryTimeoutMs: 100 }, { timeoutMs: 100 }).request();
  scenario.attempt.ready();
  scenario.timers.advance(100);
  assert.equal(scenario.summary(), '504 UT response_timeout: upstream request timeout');
});

test("a cluster's max_stream_duration ends a try however busy it is", () => {
  const scenario = forwarding({ timeoutMs: 0 });
  const { config } = scenario.cluster;
  scenario.cluster.config = { ...config, http: { ...config.http, maxStreamDurationMs: 500 } };
  scenario.request();
  scenario.timers.advance(10_000);
  assert.equal(scenario.summary(), '(no answer)', 'it runs from the connection on');
  scenario.attempt.ready();
  scenario.timers.advance(500);
  assert.equal(
    scenario.summary(),
    '504 UMSDR upstream_max_stream_duration_reached: upstream max stream duration reached',
  );
  assert.equal(scenario.cluster.stats.upstreamRqMaxDurationReached, 1);
});

test('max_grpc_timeout: what a gRPC client asks for is the timeout, and the upstream is told', () => {
  const grpc = (timeout: string) => ['content-type', 'application/grpc', 'grpc-timeout', timeout];
  const timeoutsOf = (maxMs: number, offsetMs: number, fields: string[]) => {
    const scenario = forwarding({ maxGrpcTimeout: { maxMs, offsetMs } });
    scenario.request(fields).attempt.ready();
    const sent = scenario.attempt.headers;
    return [sent?.get('grpc-timeout'), sent?.get('x-envoy-expected-rq-timeout-ms')];
  };
  assert.deepEqual(timeoutsOf(0, 200, grpc('5S')), ['4800m', '4800']);
  assert.deepEqual(timeoutsOf(1000, 200, grpc('5S')), ['1000m', '1000']);
  // An offset that would leave nothing is not taken off: 0 would mean no timeout.
  assert.deepEqual(timeoutsOf(0, 200, grpc('100m')), ['100m', '100']);
  assert.deepEqual(timeoutsOf(1000, 0, ['content-type', 'application/grpc']), ['1000m', '1000']);
  assert.deepEqual(timeoutsOf(0, 0, ['content-type', 'application/grpc']), [null, null]);
  assert.deepEqual(timeoutsOf(1000, 0, ['grpc-timeout', '5S']), ['5S', '15000']);
});

test('the scheme can be made the one that the upstream is reached by', () => {
  const scenario = forwarding({});
  scenario.streamInfo.schemeMatchesUpstream = true;
  const { config } = scenario.cluster;
  const { tls } = compiledData('cluster', TLS_CLUSTER) as ClusterConfig;
  scenario.cluster.config = { ...config, tls };
  scenario.request();
  assert.equal(scenario.attempt.ready().headers?.scheme, 'https');
});

test('an idle try ends, also in the middle of the response', () => {
  const scenario = retrying({ perTryIdleTimeoutMs: 40 }).request();
  const { decoder } = scenario.attempt.ready();
  scenario.timers.advance(30);
  decoder.decodeHeaders(responseOf(200), false);
  scenario.timers.advance(30);
  decoder.decodeData(Buffer.from('x'), false);
  scenario.timers.advance(39);
  assert.equal(scenario.isReset, false);
  scenario.timers.advance(1);
  assert.equal(scenario.summary(), 'reset UT upstream_per_try_idle_timeout');
  assert.equal(scenario.cluster.stats.upstreamRqPerTryIdleTimeout, 1);
});

test('a retry gets the whole body again, and what comes during the wait', () => {
  const scenario = retrying({});
  scenario.request([], false).data('one,').attempt.ready();
  scenario.attempt.respond(503);
  scenario.data('two,');
  scenario.timers.advance(25);
  scenario.attempt.ready();
  scenario.data('three', true);
  assert.deepEqual([scenario.attempt.body, scenario.attempt.isEnded], ['one,two,three', true]);
  scenario.attempt.respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
});

test('a body past the limit ends retries; without a try under way also the request', () => {
  const sending = retrying({});
  sending.request([], false).attempt.ready();
  sending.data('x'.repeat(1024));
  sending.data('y', true);
  assert.equal(sending.cluster.stats.retryOrShadowAbandoned, 1);
  sending.attempt.respond(503);
  assert.equal(sending.summary(), '503 - via_upstream');

  const waiting = retrying({});
  waiting.request([], false).attempt.ready().respond(503);
  waiting.data('x'.repeat(1025));
  assert.equal(
    waiting.summary(),
    '507 - request_payload_exceeded_retry_buffer_limit: exceeded request buffer limit while retrying upstream',
  );
  assert.equal(waiting.timers.armedCount(), 0);
});

test('the route may lower the limit', () => {
  const scenario = new RouterScenario({
    route: {
      perRequestBufferLimitBytes: 10,
      action: forwardAction({ retryPolicy: retryPolicy() }),
    },
  });
  scenario.request([], false).attempt.ready();
  scenario.data('x'.repeat(11), true);
  assert.equal(scenario.cluster.stats.retryOrShadowAbandoned, 1);
});

test('previous_hosts sends retries elsewhere', () => {
  const scenario = retrying({ hostPredicates: [{ kind: 'previous_hosts' }], numRetries: 2 });
  const [first, second] = scenario.cluster.hosts;
  scenario.cluster.hosts = [first!, first!, second!];
  scenario.request().attempt.ready().respond(503);
  scenario.timers.advance(25);
  assert.equal(scenario.attempt.host, second);
});

test('the upstream learns of the attempt and of the time that is left', () => {
  const scenario = new RouterScenario({
    virtualHost: { includeRequestAttemptCount: true },
    route: { action: forwardAction({ retryPolicy: retryPolicy(), timeoutMs: 1000 }) },
  }).request();
  scenario.timers.advance(100);
  scenario.attempt.ready().respond(503);
  scenario.timers.advance(12);
  scenario.attempt.ready();
  assert.deepEqual(scenario.attempt.fields, [
    'x-envoy-expected-rq-timeout-ms',
    '888',
    'x-envoy-attempt-count',
    '2',
  ]);
});

test('a cluster that went away during the wait is no healthy upstream', () => {
  const scenario = retrying({}).request();
  scenario.attempt.ready().respond(503);
  scenario.clusters.clusters.clear();
  scenario.timers.advance(25);
  assert.equal(scenario.summary(), '503 UH no_healthy_upstream: no healthy upstream');
});

test('suppress_envoy_headers adds nothing of its own', () => {
  const scenario = new RouterScenario({ router: { suppressEnvoyHeaders: true } }).request();
  scenario.attempt.ready().respond(200, ['a', 'b']);
  assert.deepEqual(scenario.attempt.fields, []);
  assert.deepEqual(scenario.answer!.fields, ['a', 'b']);
});

test('a trusted egress proxy may dictate the timeout', () => {
  const scenario = new RouterScenario({ router: { respectExpectedRqTimeout: true } });
  scenario.request(['x-envoy-expected-rq-timeout-ms', '70']).attempt.ready();
  scenario.timers.advance(70);
  assert.equal(scenario.summary(), '504 UT response_timeout: upstream request timeout');
});

test('gRPC counts the status of headers or trailers', () => {
  const grpc = ['content-type', 'application/grpc'];
  const trailersOnly = new RouterScenario().request([...grpc]);
  trailersOnly.attempt.ready().respond(200, ['grpc-status', '14']);
  assert.deepEqual(trailersOnly.attempt.host.codes, [503]);
  assert.equal(trailersOnly.attempt.host.stats.rqError, 1);

  const withTrailers = new RouterScenario().request([...grpc]);
  const { decoder, host } = withTrailers.attempt.ready();
  decoder.decodeHeaders(responseOf(200), false);
  assert.equal(host.stats.rqSuccess, 0);
  decoder.decodeTrailers(['grpc-status', '0']);
  assert.equal(host.stats.rqSuccess, 1);
  assert.deepEqual(withTrailers.answer?.trailers, ['grpc-status', '0']);

  const cut = new RouterScenario().request([...grpc]);
  cut.attempt.ready().decoder.decodeHeaders(responseOf(200), false);
  cut.attempt.resetByPeer();
  assert.equal(cut.stats.rqResetAfterDownstreamResponseStarted, 1);
  assert.equal(cut.attempt.host.stats.rqError, 1);
});

test('a response before the end of the request ends the request', () => {
  const scenario = new RouterScenario();
  scenario.request([], false).attempt.ready();
  scenario.attempt.respond(413, [], 'big');
  assert.equal(scenario.summary(), '413 - via_upstream: big');
  assert.equal(scenario.attempt.resetBy, StreamResetReason.LocalReset);
  assert.equal(scenario.header('x-envoy-upstream-service-time'), null);
  scenario.data('more', true);
  assert.equal(scenario.attempt.body, '');
  assert.equal(scenario.timers.armedCount(), 0);
});

test('a slow upstream pauses the client, and a lost one sets it free', () => {
  const scenario = retrying({});
  scenario.request([], false).attempt.ready();
  scenario.attempt.streamCallbacks.onAboveWriteBufferHighWatermark();
  assert.equal(scenario.paused, 1);
  scenario.attempt.resetByPeer();
  assert.equal(scenario.paused, 0);
  const { stats } = scenario.cluster;
  assert.equal(stats.upstreamFlowControlBackedUpTotal, 1);
});

test('a body that outgrows the buffer while there is no connection pauses the client', () => {
  const scenario = new RouterScenario();
  scenario.request([], false).data('x'.repeat(1025));
  assert.equal(scenario.paused, 1);
  scenario.attempt.ready();
  assert.equal(scenario.paused, 0);
});

test('a slow client pauses the upstream, also the one of a later try', () => {
  const scenario = retrying({}).request();
  scenario.watermarks!.onAboveWriteBufferHighWatermark();
  const first = scenario.attempt.ready();
  assert.equal(first.readDisableCount, 1);
  first.respond(503);
  scenario.timers.advance(25);
  const second = scenario.attempt.ready();
  assert.equal(second.readDisableCount, 1);
  scenario.watermarks!.onBelowWriteBufferLowWatermark();
  assert.equal(second.readDisableCount, 0);
});

test('a client that goes away cancels what is under way', () => {
  const pending = new RouterScenario().request();
  pending.filter.onDestroy();
  assert.equal(pending.attempt.isCancelled, true);

  const active = new RouterScenario().request();
  active.attempt.ready();
  active.filter.onDestroy();
  assert.equal(active.attempt.resetBy, StreamResetReason.LocalReset);
  assert.equal(active.timers.armedCount(), 0);

  const backingOff = retrying({}).request();
  backingOff.attempt.ready().respond(503);
  backingOff.filter.onDestroy();
  assert.equal(backingOff.timers.armedCount(), 0);
  assert.equal(backingOff.cluster.retries.count(), 0);
});

const upgradeFields = () => ['connection', 'upgrade', 'upgrade', 'websocket'];

test('a tunnel has no route timeout, and each direction ends for itself', () => {
  const scenario = new RouterScenario();
  scenario.request(upgradeFields(), false);
  const attempt = scenario.attempt.ready();
  attempt.decoder.decodeHeaders(new ResponseHeaders(101, []), false);
  scenario.timers.advance(20_000);
  assert.equal(scenario.answer?.status, 101);
  attempt.decoder.decodeData(Buffer.from('last'), true);
  assert.equal(scenario.answer.isEnded, true);
  assert.equal(attempt.resetBy, null);
  scenario.data('on', true);
  assert.equal(attempt.body, 'on');
  assert.equal(attempt.isEnded, true);
  assert.equal(attempt.resetBy, null);
});

test('a WebSocket that nobody answers falls to the route timeout', () => {
  const scenario = new RouterScenario();
  scenario.request(upgradeFields(), false);
  scenario.attempt.ready();
  scenario.timers.advance(15_000);
  assert.equal(scenario.summary(), '504 UT response_timeout: upstream request timeout');
});

test('an upgrade is tried again before the 101, and never after it', () => {
  const retrying = {
    action: forwardAction({ retryPolicy: retryPolicy({ retryOn: ['5xx', 'reset'] }) }),
  };
  const scenario = new RouterScenario({ route: retrying });
  scenario.request(upgradeFields(), false);
  scenario.attempt.ready().respond(503);
  scenario.timers.advance(30);
  assert.equal(scenario.cluster.tries.length, 2);
  scenario.attempt.ready().decoder.decodeHeaders(new ResponseHeaders(101, []), false);
  scenario.data('bytes');
  scenario.attempt.resetByPeer();
  assert.equal(scenario.cluster.tries.length, 2);
  assert.equal(scenario.isReset, true);
});
