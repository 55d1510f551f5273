// What a route asks of a request beside its path: headers, query parameters, a fraction of the traffic, gRPC.

import { isGrpcContentType } from '../access-log/grpc-status.ts';
import type { QueryParameterMatcherData, RouteMatchData } from '../api/config/route.ts';
import type { RequestHeaders } from '../api/headers.ts';
import { HeaderMatcher, matchesAllHeaders } from '../matcher/header-matcher.ts';
import { queryOf, queryParameter } from '../matcher/query-parameter.ts';
import { RuntimeFraction } from '../matcher/runtime-value.ts';
import { compileStringMatcher, type StringMatcher } from '../matcher/string-matcher.ts';

interface QueryMatcher {
  readonly name: string;
  /** Null = present. */
  readonly matcher: StringMatcher | null;
  readonly present: boolean;
}

/** Immutable; only routes that ask for something have one. */
export class Conditions {
  readonly #headers: readonly HeaderMatcher[];
  readonly #query: readonly QueryMatcher[];
  readonly #fraction: RuntimeFraction | null;
  readonly #grpc: boolean;

  constructor(match: RouteMatchData) {
    this.#headers = match.headers.map((header) => new HeaderMatcher(header));
    this.#query = match.queryParameters.map(compileQueryMatcher);
    const { runtimeFraction: fraction } = match;
    this.#fraction = fraction === null ? null : new RuntimeFraction(fraction);
    this.#grpc = match.grpc;
  }

  /** `random` is the stream's: two fractional routes see the same one, so that canary tiers nest. */
  holds(headers: RequestHeaders, random: number): boolean {
    if (this.#fraction !== null && !this.#fraction.holds(random)) return false;
    if (this.#grpc && !isGrpcContentType(headers.get('content-type'))) return false;
    if (!matchesAllHeaders(this.#headers, headers)) return false;
    return this.#query.length === 0 || this.#matchesQuery(headers.path);
  }

  #matchesQuery(path: string): boolean {
    const query = queryOf(path);
    for (let i = 0; i < this.#query.length; i++) {
      const { name, matcher, present } = this.#query[i]!;
      const value = queryParameter(query, name);
      if ((value !== null) !== present) return false;
      if (matcher !== null && value !== null && !matcher.match(value)) return false;
    }
    return true;
  }
}

function compileQueryMatcher(data: QueryParameterMatcherData): QueryMatcher {
  return {
    name: data.name,
    matcher: data.matcher === null ? null : compileStringMatcher(data.matcher),
    present: data.present,
  };
}

/** Null when the route asks for nothing but its path. */
export function compileConditions(match: RouteMatchData): Conditions | null {
  const isFree =
    match.headers.length === 0 &&
    match.queryParameters.length === 0 &&
    match.runtimeFraction === null &&
    !match.grpc;
  return isFree ? null : new Conditions(match);
}
