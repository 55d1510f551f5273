// Redirects that are followed here instead of by the client: the request gets the target's host and path and runs
// through the filter chain again, as a new stream of the same client (Envoy: Filter::setupRedirect). Called by
// response.ts for each response head. What cannot be followed is passed on and counted.

import { getField, type RequestHeaders, type ResponseHeaders, setField } from '../api/headers.ts';
import type { InternalRedirects } from '../api/stream-info.ts';
import { letGo } from '../network/read-slab.ts';
import { dropBody } from './answers.ts';
import { parseLocation } from './redirect-location.ts';
import type { RedirectPolicy } from './redirect-policy.ts';
import type { RouterStream } from './stream-state.ts';
import { dropUpstream } from './tries.ts';
import type { UpstreamRequest } from './upstream-request.ts';

const SEE_OTHER = 303;
const NO_BODY: readonly Buffer[] = [];

/** True = the request is on its way to somewhere else, and this stream is over. */
export function followRedirect(
  stream: RouterStream,
  response: ResponseHeaders,
  request: UpstreamRequest,
  endStream: boolean,
): boolean {
  const policy = stream.route!.redirectPolicy;
  if (policy?.follows(response.status) !== true) return false;
  const { stats } = stream.cluster!;
  const location = getField(response.fields, 'location');
  if (canBeSentAgain(stream) && location !== null && turn(stream, policy, response, location)) {
    stats.upstreamInternalRedirectSucceededTotal++;
    // Its rest is of no interest.
    if (endStream) request.complete();
    recreate(stream, response);
    return true;
  }
  stats.upstreamInternalRedirectFailedTotal++;
  return false;
}

/** All of the request came and is kept; a tunnel's would be a conversation. */
function canBeSentAgain({ requestCompleteMs, body, headers }: RouterStream): boolean {
  if (requestCompleteMs === -1 || body === null) return false;
  return headers!.path !== '' && getField(headers!.fields, 'upgrade') === null;
}

/** Makes of the head what is asked next; false = it is as it was, and the reason counted. */
function turn(
  stream: RouterStream,
  policy: RedirectPolicy,
  response: ResponseHeaders,
  location: string,
): boolean {
  const { stats } = stream.config;
  const headers = stream.headers!;
  const target = parseLocation(location);
  if (target === null) {
    stats.passthroughInternalRedirectBadLocation++;
    return false;
  }
  const isFromHttps = headers.scheme !== 'http' && stream.callbacks.connection?.tls != null;
  const isToHttps = target.scheme !== 'http';
  if (!policy.allowCrossSchemeRedirect && isFromHttps !== isToHttps) {
    stats.passthroughInternalRedirectUnsafeScheme++;
    return false;
  }
  const { streamInfo } = stream;
  streamInfo.internalRedirects ??= { count: 0, targets: new Map() };
  const redirects = streamInfo.internalRedirects;
  if (redirects.count >= policy.maxInternalRedirects) {
    stats.passthroughInternalRedirectTooManyRedirects++;
    return false;
  }
  const { authority, path, scheme, fields } = headers;
  headers.fields = copyResponseHeaders(fields, response, policy.responseHeadersToCopy);
  headers.scheme = target.scheme;
  headers.authority = target.authority;
  headers.path = target.path;
  if (!leadsSomewhere(stream, policy, redirects, isFromHttps, isToHttps)) {
    headers.fields = fields;
    headers.scheme = scheme;
    headers.authority = authority;
    headers.path = path;
    return false;
  }
  if (response.status === SEE_OTHER) becomeGet(stream, headers);
  redirects.count++;
  const original = `${isFromHttps ? 'https' : 'http'}://${authority}${path}`;
  setField(headers.fields, 'x-envoy-original-url', original);
  return true;
}

function leadsSomewhere(
  stream: RouterStream,
  policy: RedirectPolicy,
  redirects: InternalRedirects,
  isFromHttps: boolean,
  isToHttps: boolean,
): boolean {
  const { stats } = stream.config;
  const { callbacks } = stream;
  const fromRoute = stream.route!.name;
  callbacks.clearRouteCache();
  const route = callbacks.route();
  if (route === null) {
    stats.passthroughInternalRedirectNoRoute++;
    return false;
  }
  const redirect = { fromRoute, toRoute: route.name, isFromHttps, isToHttps };
  if (policy.accepts(redirect, redirects)) return true;
  stats.passthroughInternalRedirectPredicate++;
  return false;
}

/** The request's fields, those named taken from the response, or left out where it has none of the name. */
function copyResponseHeaders(
  fields: readonly string[],
  response: ResponseHeaders,
  names: readonly string[],
): string[] {
  const copy: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (!names.includes(fields[i]!)) copy.push(fields[i]!, fields[i + 1]!);
  }
  for (const name of names) {
    for (let i = 0; i < response.fields.length; i += 2) {
      if (response.fields[i] === name) copy.push(name, response.fields[i + 1]!);
    }
  }
  return copy;
}

/** RFC 9110 15.4.4. */
function becomeGet(stream: RouterStream, headers: RequestHeaders): void {
  if (headers.method === 'GET' || headers.method === 'HEAD') return;
  headers.method = 'GET';
  headers.remove('content-length');
  dropBody(stream);
}

function recreate(stream: RouterStream, response: ResponseHeaders): void {
  const kept = stream.body?.pieces ?? NO_BODY;
  // Not this stream's any more: its end would give the pieces back.
  stream.body = null;
  stream.isDone = true;
  dropUpstream(stream);
  stream.callbacks.recreateStream(response, kept);
  for (const piece of kept) letGo(piece);
}
