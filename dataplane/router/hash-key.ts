// By what a request's host is chosen where its cluster hashes: the hash policy of the cluster, else of the route, and the
// cookies that clients get to come back to the same host. Called by the router filter and its response part.

import { xxhash64Text } from '../../common/xxhash64.ts';
import type { HashCookieData } from '../api/config/hash-policy.ts';
import { formatAddress } from '../api/connection.ts';
import type { ResponseHeaders } from '../api/headers.ts';
import { setCookieValue } from '../matcher/cookies.ts';
import type { RouterStream } from './stream-state.ts';

/** Null = no policy, or nothing to hash by. */
export function hashKeyOf(stream: RouterStream): bigint | null {
  const policy = stream.cluster?.hashPolicy ?? stream.route?.hashPolicy ?? null;
  return policy === null ? null : policy.hash(stream.headers, stream.streamInfo, stream);
}

/** Envoy: Filter::addDownstreamSetCookie. All requests of one connection get one value, so that they agree. */
export function issueCookie(stream: RouterStream, cookie: HashCookieData): string {
  const { downstreamDirectRemoteAddress: remote, downstreamLocalAddress: local } =
    stream.streamInfo;
  const hash = xxhash64Text(formatAddress(remote) + formatAddress(local));
  const value = hash.toString(16).padStart(16, '0');
  const text = setCookieValue({ ...cookie, ttlS: cookie.ttlS ?? 0 }, value);
  stream.issuedCookies ??= [];
  // Each try asks again.
  if (!stream.issuedCookies.includes(text)) stream.issuedCookies.push(text);
  return value;
}

/** On the response that goes to the client. */
export function setIssuedCookies(cookies: readonly string[], { fields }: ResponseHeaders): void {
  for (const cookie of cookies) fields.push('set-cookie', cookie);
}
