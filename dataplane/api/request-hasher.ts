// The hash of a request by the hash policies of its route, cluster or balancing policy. Made by matcher/hash-policy.

import type { HashCookieData } from './config/hash-policy.ts';
import type { RequestHeaders } from './headers.ts';
import type { StreamInfo } from './stream-info.ts';

/** Immutable; shared by all requests of a worker. */
export interface RequestHasher {
  /**
   * 64 bits; null = nothing to hash by. `headers` null = no HTTP request; `issuer` null = clients are given no cookies.
   */
  hash(
    headers: RequestHeaders | null,
    streamInfo: StreamInfo | null,
    issuer: CookieIssuer | null,
  ): bigint | null;
}

/** Gives a client that came without one a cookie to be hashed by. */
export interface CookieIssuer {
  /** The new cookie's value; the response is to set it. */
  issueCookie(cookie: HashCookieData): string;
}
