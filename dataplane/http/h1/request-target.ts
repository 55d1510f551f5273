// The forms of a request target other than /origin-form (RFC 9112 3.2).
// Called by head-parser.ts. Never uses URL: `new URL('//admin/x', base)` takes admin for the host.

import type { CodecError } from '../../api/codec.ts';
import { isValidAuthority } from '../authority.ts';

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
