// Cookies as Envoy reads and writes them (Http::Utility): for hash policies and sticky sessions.

import type { HeaderFields } from '../api/headers.ts';

/** The first value of the cookie, without the quotes around it; null = absent. Values are latin1. */
export function cookieValue(fields: HeaderFields, name: string): string | null {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'cookie') continue;
    const value = valueIn(fields[i + 1]!, name);
    if (value !== null) return value;
  }
  return null;
}

/** `cookies`: `a=1; b="2"`. */
function valueIn(cookies: string, name: string): string | null {
  for (let from = 0; from < cookies.length; ) {
    let to = cookies.indexOf(';', from);
    if (to === -1) to = cookies.length;
    while (cookies[from] === ' ') from++;
    const equals = from + name.length;
    if (equals < to && cookies[equals] === '=' && cookies.startsWith(name, from)) {
      return unquoted(cookies.slice(equals + 1, to));
    }
    from = to + 1;
  }
  return null;
}

function unquoted(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1) : value;
}

/** What a Set-Cookie is made of. */
export interface CookieOptions {
  readonly name: string;
  /** 0 = for the session. */
  readonly ttlS: number;
  /** '' = none. */
  readonly path: string;
  /** A value of '' = a name alone. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

/** The value of a Set-Cookie header, always HttpOnly. Envoy: makeSetCookieValue. */
export function setCookieValue(cookie: CookieOptions, value: string): string {
  let text = `${cookie.name}="${value}"`;
  if (cookie.ttlS > 0) text += `; Max-Age=${cookie.ttlS}`;
  if (cookie.path !== '') text += `; Path=${cookie.path}`;
  for (const attribute of cookie.attributes) {
    text +=
      attribute.value === '' ? `; ${attribute.name}` : `; ${attribute.name}=${attribute.value}`;
  }
  return `${text}; HttpOnly`;
}
