// Compiled envoy.filters.http.stateful_session (extensions.filters.http.stateful_session.v3.StatefulSession and
// StatefulSessionPerRoute): config.ts makes it, filter.ts reads it.

import type { SessionStateData } from '../../../api/config/session-state.ts';

export interface StatefulSessionData {
  /** Null = the filter does nothing. */
  readonly state: SessionStateData | null;
  /** A session whose host is not there is refused. */
  readonly strict: boolean;
  /** With what, then; default 503. */
  readonly statusIfMissing: number;
  /** '' = no stats. */
  readonly statPrefix: string;
}

/** Per route: null = disabled. */
export type StatefulSessionRouteData = StatefulSessionData | null;
