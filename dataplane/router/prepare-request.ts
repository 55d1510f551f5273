// What is done to a request's head before its first try: timeouts, control headers, the route's changes,
// and whether it will be retried. Called once per stream by the router filter; answers nothing.

import type { Cluster } from '../api/cluster.ts';
import { getField, type RequestHeaders, removeField, setField } from '../api/headers.ts';
import { KeptPieces } from '../network/kept-pieces.ts';
import { RequestTrait } from './control-headers.ts';
import { retryPolicyOf } from './retry/policy.ts';
import { createRetryState } from './retry/state.ts';
import type { RouteEntry } from './route-entry.ts';
import { ATTEMPT_COUNT, type RouterStream } from './stream-state.ts';
import { finalTimeouts, grpcGlobalMs, setExpectedTimeout } from './timeouts.ts';

const HEDGE = 'x-envoy-hedge-on-per-try-timeout';

/** Everything that is done to the head once, before the first try. */
export function prepareRequest(
  stream: RouterStream,
  route: RouteEntry,
  headers: RequestHeaders,
  cluster: Cluster,
): void {
  const forward = route.forward!;
  const ofCluster = cluster.config.http.retryPolicy;
  const policy = ofCluster === null ? route.retryPolicy : retryPolicyOf(ofCluster);
  const { suppressEnvoyHeaders, respectExpectedRqTimeout } = stream.config;
  const { maxGrpcTimeout } = forward;
  if (maxGrpcTimeout !== null && (stream.traits & RequestTrait.Grpc) !== 0) {
    stream.globalMs = grpcGlobalMs(headers, maxGrpcTimeout);
    stream.isFromGrpc = true;
  } else stream.globalMs = forward.timeoutMs;
  stream.perTryMs = policy === null ? 0 : policy.perTryTimeoutMs;
  stream.perTryIdleMs = policy === null ? 0 : policy.perTryIdleTimeoutMs;
  stream.hedgesOnPerTryTimeout = route.hedgesOnPerTryTimeout;
  const hasControls = (stream.traits & RequestTrait.Controls) !== 0;
  if (hasControls) takeControls(stream, headers);
  if (hasControls || stream.perTryMs > 0) finalTimeouts(headers, stream, respectExpectedRqTimeout);
  setExpectedTimeout(headers, stream, 0, !suppressEnvoyHeaders);
  if (route.virtualHost.includeRequestAttemptCount) {
    setField(headers.fields, ATTEMPT_COUNT, '1');
  }
  route.finalizeRequestHeaders(headers, stream.streamInfo, !suppressEnvoyHeaders);
  if (stream.streamInfo.schemeMatchesUpstream) {
    headers.scheme = cluster.config.tls === null ? 'http' : 'https';
  }
  if (policy !== null || hasControls) {
    const { priority } = forward;
    stream.retryState = createRetryState(policy, headers, cluster, priority, stream.config, stream);
  }
  const isRedirected = route.redirectPolicy !== null;
  if (stream.retryState !== null || isRedirected || maySpeakHttp2(stream, cluster)) {
    stream.body = new KeptPieces();
  }
}

/** Then a try may come back unprocessed, and is sent again whatever the retry policy. */
function maySpeakHttp2(stream: RouterStream, { config }: Cluster): boolean {
  switch (config.http.protocol) {
    case 'HTTP/1.1':
      return false;
    case 'downstream':
    case 'downstream-or-http2':
      return stream.streamInfo.protocol === 'HTTP/2';
    default:
      return true;
  }
}

function takeControls(stream: RouterStream, { fields }: RequestHeaders): void {
  if (removeField(fields, 'x-envoy-upstream-rq-timeout-alt-response') > 0) {
    stream.timeoutStatus = 204;
  }
  removeField(fields, 'x-envoy-upstream-alt-stat-name');
  const hedges = getField(fields, HEDGE);
  if (hedges === null) return;
  removeField(fields, HEDGE);
  if (hedges === 'true') stream.hedgesOnPerTryTimeout = true;
  else if (hedges === 'false') stream.hedgesOnPerTryTimeout = false;
}

/** The request asks for a WebSocket. */
export function isWebSocketUpgrade({ fields }: RequestHeaders): boolean {
  return getField(fields, 'upgrade')?.toLowerCase() === 'websocket';
}

/** '' when a header should say it and does not: no such cluster. */
export function clusterNameOf(route: RouteEntry, headers: RequestHeaders): string {
  const { cluster } = route.forward!;
  if (cluster.kind !== 'cluster_header') return route.clusterName;
  return headers.get(cluster.header) ?? '';
}
