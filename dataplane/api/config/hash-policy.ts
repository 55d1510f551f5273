// What a request's hash is made of: plain data from config.route.v3.RouteAction.HashPolicy. Compiled by
// compile/hash-policy, computed by matcher/hash-policy.

import type { RegexRewriteData } from '../matcher-data.ts';

/** One source of the hash. Those that give none are passed over. */
export interface HashPolicyData {
  readonly source: HashSourceData;
  /** What comes after it does not count once there is a hash. */
  readonly terminal: boolean;
}

/** By `kind`; names are those of HashPolicy.policy_specifier. */
export type HashSourceData =
  | {
      readonly kind: 'header';
      /** Lower-case. */
      readonly name: string;
      readonly rewrite: RegexRewriteData | null;
    }
  | ({ readonly kind: 'cookie' } & HashCookieData)
  | { readonly kind: 'source_ip' }
  | { readonly kind: 'query_parameter'; readonly name: string }
  | { readonly kind: 'filter_state'; readonly key: string };

export interface HashCookieData {
  readonly name: string;
  /** Null = a request without the cookie gets none; 0 = one for the session. */
  readonly ttlS: number | null;
  /** '' = none. */
  readonly path: string;
  /** A value of '' = a name alone. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}
