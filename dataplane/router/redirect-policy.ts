// One internal_redirect_policy, compiled: which responses are followed instead of passed on, how often, where to.
// Immutable, shared by all requests of a worker. internal-redirect.ts follows them.

import type {
  InternalRedirectPolicyData,
  InternalRedirectPredicateData,
} from '../api/config/route.ts';
import type { InternalRedirects } from '../api/stream-info.ts';

/** A redirect that would be followed. */
export interface RedirectCase {
  /** Route that the response belongs to, and that the target has; '' = without a name. */
  readonly fromRoute: string;
  readonly toRoute: string;
  readonly isFromHttps: boolean;
  readonly isToHttps: boolean;
}

/** See the file head. */
export class RedirectPolicy {
  readonly maxInternalRedirects: number;
  readonly allowCrossSchemeRedirect: boolean;
  readonly responseHeadersToCopy: readonly string[];
  readonly #codes: readonly number[];
  readonly #predicates: readonly InternalRedirectPredicateData[];

  constructor(data: InternalRedirectPolicyData) {
    this.maxInternalRedirects = data.maxInternalRedirects;
    this.allowCrossSchemeRedirect = data.allowCrossSchemeRedirect;
    this.responseHeadersToCopy = data.responseHeadersToCopy;
    this.#codes = data.redirectResponseCodes;
    this.#predicates = data.predicates;
  }

  follows(status: number): boolean {
    return this.#codes.includes(status);
  }

  /** Asked once per redirect: previous_routes remembers in `redirects` what it was asked. */
  accepts(redirect: RedirectCase, redirects: InternalRedirects): boolean {
    return this.#predicates.every((predicate) => accepts(predicate, redirect, redirects));
  }
}

function accepts(
  predicate: InternalRedirectPredicateData,
  { fromRoute, toRoute, isFromHttps, isToHttps }: RedirectCase,
  { targets }: InternalRedirects,
): boolean {
  switch (predicate.kind) {
    case 'allow_listed_routes':
      return predicate.routes.includes(toRoute);
    case 'safe_cross_scheme':
      return isFromHttps || !isToHttps;
    case 'previous_routes': {
      const seen = targets.get(fromRoute);
      if (seen === undefined) targets.set(fromRoute, new Set([toRoute]));
      else if (seen.has(toRoute)) return false;
      else seen.add(toRoute);
      return true;
    }
  }
}
