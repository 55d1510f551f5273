// Compiled envoy.filters.http.header_mutation (extensions.filters.http.header_mutation.v3.HeaderMutation and
// HeaderMutationPerRoute): config.ts makes it, filter.ts reads it.

import type { OrderedMutationData } from '../../../api/matcher-data.ts';

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

/** Applied strictly in order. */
export interface HeaderMutationsInOrder {
  readonly request: readonly OrderedMutationData[];
  readonly response: readonly OrderedMutationData[];
}
