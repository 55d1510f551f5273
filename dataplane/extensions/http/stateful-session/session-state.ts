// How a client keeps its session's host: in a cookie or in a header. Made by the filter's config, shared by its streams.

import type { CookieSessionData, SessionStateData } from '../../../api/config/session-state.ts';
import {
  getField,
  type HeaderFields,
  type RequestHeaders,
  setField,
} from '../../../api/headers.ts';
import { cookieValue, setCookieValue } from '../../../matcher/cookies.ts';
import { decodeSessionCookie, encodeSessionCookie, strictBase64 } from './session-cookie.ts';

export interface SessionState {
  /** Requests to other paths have no session. */
  appliesTo(headers: RequestHeaders): boolean;
  /** `ip:port` as the client says; null = it says none that counts. */
  addressOf(headers: RequestHeaders, nowS: number): string | null;
  /** Tells the client of its (new) host. */
  tell(response: HeaderFields, address: string, nowS: number): void;
}

export function createSessionState(data: SessionStateData): SessionState {
  return data.kind === 'cookie' ? new CookieSession(data) : new HeaderSession(data.name);
}

class CookieSession implements SessionState {
  readonly #data: CookieSessionData;

  constructor(data: CookieSessionData) {
    this.#data = data;
  }

  /** As a browser decides where to send a cookie. */
  appliesTo({ path }: RequestHeaders): boolean {
    const prefix = this.#data.path;
    if (prefix === '' || prefix === '/') return true;
    if (!path.startsWith(prefix)) return false;
    if (prefix.endsWith('/') || path.length === prefix.length) return true;
    const next = path[prefix.length];
    return next === '/' || next === '?' || next === '#';
  }

  addressOf({ fields }: RequestHeaders, nowS: number): string | null {
    const value = cookieValue(fields, this.#data.name);
    const cookie = value === null ? null : decodeSessionCookie(value);
    if (cookie === null) return null;
    const isOver = cookie.expiresS !== 0 && nowS > cookie.expiresS;
    return isOver ? null : cookie.address;
  }

  tell(response: HeaderFields, address: string, nowS: number): void {
    const { ttlS } = this.#data;
    const value = encodeSessionCookie({ address, expiresS: ttlS === 0 ? 0 : nowS + ttlS });
    response.push('set-cookie', setCookieValue(this.#data, value));
  }
}

class HeaderSession implements SessionState {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  appliesTo(): boolean {
    return true;
  }

  addressOf({ fields }: RequestHeaders): string | null {
    const value = getField(fields, this.#name);
    const address = value === null ? '' : strictBase64(value).toString('latin1');
    return address === '' ? null : address;
  }

  tell(response: HeaderFields, address: string): void {
    setField(response, this.#name, Buffer.from(address, 'latin1').toString('base64'));
  }
}
