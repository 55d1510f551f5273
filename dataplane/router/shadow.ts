// Mirroring (Envoy: shadowing): copies of a request for other clusters, whose answers nobody sees. A copy goes out as
// the request comes in; an upstream that reads too slowly for it loses its copy, the request itself is never held up.
// Called by the router filter. What a copy looks like is shadow-policy.ts, how it is sent is async-client.ts.

import type { AsyncRequest } from '../api/async-client.ts';
import { getField, RequestHeaders, type Trailers } from '../api/headers.ts';
import { clusterShadowPolicies, type ShadowPolicy } from './shadow-policy.ts';
import type { RouterStream } from './stream-state.ts';

/** The head as it goes out, kept before the first try may change it; null = nothing is mirrored. */
export function copyForShadows(stream: RouterStream): RequestHeaders | null {
  const headers = stream.headers!;
  // The other side of a tunnel is a conversation, which cannot be had twice.
  if (policiesOf(stream).length === 0 || headers.method === 'CONNECT') return null;
  return getField(headers.fields, 'upgrade') === null ? copyOf(headers) : null;
}

/** Behind the start of the first try, with what copyForShadows returned. */
export function startShadows(stream: RouterStream, head: RequestHeaders, endStream: boolean): void {
  const client = stream.config.asyncClient;
  // A mirrored request is not mirrored again; answered already, its body will not come.
  if (client === null || (stream.isDone && !endStream)) return;
  const policies = policiesOf(stream);
  const random = stream.callbacks.streamRandom();
  for (let i = 0; i < policies.length; i++) {
    const policy = policies[i]!;
    const cluster = policy.takes(random) ? policy.clusterOf(head) : '';
    if (cluster === '') continue;
    const copy = copyOf(head);
    policy.apply(copy, stream.streamInfo);
    const request = client.start(copy, endStream, {
      cluster,
      timeoutMs: stream.globalMs,
      bufferLimitBytes: limitOf(stream),
      observer: null,
    });
    if (request === null || endStream) continue;
    stream.shadows ??= [];
    stream.shadows.push(request);
  }
}

function policiesOf({ route, cluster }: RouterStream): readonly ShadowPolicy[] {
  const ofCluster = clusterShadowPolicies(cluster!.config);
  return ofCluster.length > 0 ? ofCluster : route!.shadowPolicies;
}

function copyOf(headers: RequestHeaders): RequestHeaders {
  const { method, path, authority, scheme, fields } = headers;
  const copy = new RequestHeaders(method, path, authority, scheme, [...fields]);
  copy.spelling = headers.spelling;
  copy.neverIndexed = headers.neverIndexed;
  return copy;
}

function limitOf(stream: RouterStream): number {
  return Math.min(
    stream.route!.bufferLimitBytes ?? Number.POSITIVE_INFINITY,
    stream.bufferLimitBytes(),
  );
}

/** A piece of the request's body. */
export function sendShadowData(
  stream: RouterStream,
  shadows: AsyncRequest[],
  data: Buffer,
  endStream: boolean,
): void {
  for (let i = shadows.length - 1; i >= 0; i--) {
    const shadow = shadows[i]!;
    if (shadow.sendData(data, endStream)) continue;
    stream.cluster!.stats.retryOrShadowAbandoned++;
    shadow.cancel();
    shadows.splice(i, 1);
  }
  // From here on they are on their own.
  if (endStream) stream.shadows = null;
}

/** The trailers, which end the request. */
export function sendShadowTrailers(
  stream: RouterStream,
  shadows: AsyncRequest[],
  trailers: Trailers,
): void {
  for (let i = 0; i < shadows.length; i++) shadows[i]!.sendTrailers([...trailers]);
  stream.shadows = null;
}

/** The request ends before it was complete, and so do its copies. */
export function dropShadows(stream: RouterStream): void {
  const { shadows } = stream;
  stream.shadows = null;
  if (shadows === null) return;
  for (let i = 0; i < shadows.length; i++) shadows[i]!.cancel();
}
