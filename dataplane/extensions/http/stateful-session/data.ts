// Compiled envoy.filters.http.stateful_session (extensions.filters.http.stateful_session.v3.StatefulSession and
// StatefulSessionPerRoute): config.ts makes it, filter.ts reads it.

/** What the session extensions (extensions/http-stateful-session) compile to. */
export type SessionStateData = CookieSessionData | HeaderSessionData;

/** The client keeps the host's address in a cookie. Texts are bytes. */
export interface CookieSessionData {
  readonly kind: 'cookie';
  readonly name: string;
  /** Whole seconds; 0 = for the session of the browser. */
  readonly ttlS: number;
  /** '' = none: every path. */
  readonly path: string;
  /** A value of '' = a name alone. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

/** The client keeps it in a header. */
export interface HeaderSessionData {
  readonly kind: 'header';
  /** Lower-case. */
  readonly name: string;
}

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
