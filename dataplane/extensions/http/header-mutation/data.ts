// Compiled envoy.filters.http.header_mutation (extensions.filters.http.header_mutation.v3.HeaderMutation and
// HeaderMutationPerRoute): config.ts makes it, filter.ts reads it.

import type {
  HeaderMutationData as AppendData,
  StringMatcherData,
} from '../../../api/matcher-data.ts';

export interface HeaderMutationFilterData {
  readonly mutations: HeaderMutationsInOrder;
  /**
   * False (default): per-route mutations apply from the most specific level to the least specific, so the
   * least specific has the last word; true: the other way round. The filter's own always come first.
   */
  readonly mostSpecificHeaderMutationsWins: boolean;
}

/** Per route. */
export interface HeaderMutationRouteData {
  readonly mutations: HeaderMutationsInOrder;
}

export interface HeaderMutationsInOrder {
  readonly request: readonly MutationData[];
  readonly response: readonly MutationData[];
}

/** Applied strictly in order. Names are lower-case; `:`-names and host were refused. */
export type MutationData =
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'append'; readonly header: AppendData }
  /** Removes every header whose name matches. */
  | { readonly kind: 'remove_on_match'; readonly nameMatcher: StringMatcherData };
