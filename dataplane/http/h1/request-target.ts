// The forms of a request target other than /origin-form (RFC 9112 3.2), and what an authority may be.
// Called by head-parser.ts. Never uses URL: `new URL('//admin/x', base)` takes admin for the host.

import type { CodecError } from '../../api/codec.ts';

/** Result of the last parseRequestTarget. `authority` '' = the target names none. */
export const requestTarget: { path: string; authority: string } = { path: '', authority: '' };

const invalidUrl: CodecError = Object.freeze({
  status: 400,
  details: 'http1.invalid_url',
  message: 'invalid request target',
});
const invalidScheme: CodecError = Object.freeze({
  status: 400,
  details: 'http1.invalid_scheme',
  message: 'absolute target with a scheme other than http and https',
});

/** Parses a target that does not begin with '/'; null = requestTarget holds the result. */
export function parseRequestTarget(
  method: string,
  target: string,
  allowAbsoluteUrl: boolean,
): CodecError | null {
  if (method === 'CONNECT') {
    if (!isValidAuthority(target)) return invalidUrl;
    requestTarget.path = '';
    requestTarget.authority = target;
    return null;
  }
  if (target === '*') {
    if (method !== 'OPTIONS') return invalidUrl;
    requestTarget.path = '*';
    requestTarget.authority = '';
    return null;
  }
  if (!allowAbsoluteUrl) {
    // As in Envoy the connection manager refuses it then (absolute_path_rejected), like any path without '/'.
    requestTarget.path = target;
    requestTarget.authority = '';
    return null;
  }
  const schemeEnd = target.indexOf('://');
  if (schemeEnd <= 0) return invalidUrl;
  const scheme = target.substring(0, schemeEnd).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return invalidScheme;
  let end = schemeEnd + 3;
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end);
    // '/', '?' and '#' end an authority.
    if (code === 0x2f || code === 0x3f || code === 0x23) break;
  }
  const authority = target.substring(schemeEnd + 3, end);
  // User info is refused with the rest: RFC 9110 4.2.4 calls it an error, it hides the host from people.
  if (!isValidAuthority(authority)) return invalidUrl;
  const rest = target.substring(end);
  requestTarget.path = rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`;
  requestTarget.authority = authority;
  return null;
}

/** reg-name characters of RFC 3986 less ',' (a joined pair of Hosts); not '@', not '/'. */
const REG_NAME_CHAR = new Uint8Array(128);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;=") {
  REG_NAME_CHAR[char.charCodeAt(0)] = 1;
}

/** `host`, `host:port` or `[v6]:port`, not empty, port at most 65535. */
export function isValidAuthority(authority: string): boolean {
  const { length } = authority;
  let i = 0;
  if (authority.charCodeAt(0) === 0x5b) {
    const close = authority.indexOf(']');
    if (close < 3) return false;
    for (i = 1; i < close; i++) {
      const code = authority.charCodeAt(i);
      const isHex = (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 102);
      // ':' and '.' of an embedded IPv4; '%' starts a zone, which has no place in a Host.
      if (!isHex && code !== 0x3a && code !== 0x2e) return false;
    }
    i = close + 1;
  } else {
    for (; i < length; i++) {
      const code = authority.charCodeAt(i);
      if (code > 126 || REG_NAME_CHAR[code] === 0) break;
    }
    if (i === 0) return false;
  }
  return i === length || (authority.charCodeAt(i) === 0x3a && isPort(authority, i + 1));
}

/** `host:` with nothing behind is legal (RFC 3986 3.2.3). */
function isPort(authority: string, start: number): boolean {
  if (authority.length - start > 5) return false;
  let port = 0;
  for (let i = start; i < authority.length; i++) {
    const digit = authority.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
