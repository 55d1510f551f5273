// How a client keeps the host of its session: what the session extensions (extensions/http-stateful-session) compile to,
// and the stateful_session filter acts upon.

export type SessionStateData = CookieSessionData | HeaderSessionData;

/** The host's address is in a cookie. Texts are bytes. */
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

/** It is in a header. */
export interface HeaderSessionData {
  readonly kind: 'header';
  /** Lower-case. */
  readonly name: string;
}
