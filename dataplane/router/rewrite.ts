// Rewriting of path and host on the way upstream, and of the location of redirects.

import { byteString } from '../../common/byte-string.ts';
import type { RedirectActionData, RouteMatchData } from '../api/config/route.ts';
import { getField, type RequestHeaders, setField } from '../api/headers.ts';
import type { RegexRewriteData } from '../api/matcher-data.ts';
import { RegexRewrite } from '../matcher/regex-rewrite.ts';

/** Where the query or fragment begins; the length of the path when it has none. */
export function pathEnd(path: string): number {
  for (let i = 0; i < path.length; i++) {
    const char = path.charCodeAt(i);
    if (char === 0x3f || char === 0x23) return i;
  }
  return path.length;
}

/** prefix_rewrite or regex_rewrite of one route. */
export class PathRewrite {
  /** What the matched part becomes; null = the regex says. */
  readonly #replacement: string | null;
  /** How much of the path was matched; -1 = all of it but the query. */
  readonly #matchedLength: number;
  readonly #regex: RegexRewrite | null;

  constructor(
    match: RouteMatchData['path'],
    replacement: string | null,
    regex: RegexRewrite | null,
  ) {
    this.#replacement = replacement === null ? null : byteString(replacement);
    this.#matchedLength = match.kind === 'safe_regex' ? -1 : byteString(match.value).length;
    this.#regex = regex;
  }

  /** Changes `:path`, keeping the query; notes the original when `keepOriginal`. */
  apply(headers: RequestHeaders, keepOriginal: boolean): void {
    const { path } = headers;
    if (keepOriginal) setField(headers.fields, 'x-envoy-original-path', path);
    const end = pathEnd(path);
    if (this.#replacement === null) {
      headers.path = this.#regex!.apply(path.slice(0, end)) + path.slice(end);
      return;
    }
    const matched = this.#matchedLength === -1 ? end : this.#matchedLength;
    headers.path = this.#replacement + path.slice(matched);
  }
}

/** Null when the route rewrites no path. */
export function compilePathRewrite(
  match: RouteMatchData['path'],
  prefixRewrite: string | null,
  regexRewrite: RegexRewriteData | null,
): PathRewrite | null {
  if (prefixRewrite !== null && prefixRewrite !== '') {
    return new PathRewrite(match, prefixRewrite, null);
  }
  return regexRewrite === null
    ? null
    : new PathRewrite(match, null, new RegexRewrite(regexRewrite));
}

/**
 * Gives the request another authority: the old one goes to x-envoy-original-host and, if asked, to the end of
 * x-forwarded-host (not twice in a row).
 */
export function rewriteHost(
  headers: RequestHeaders,
  host: string,
  appendXForwardedHost: boolean,
): void {
  const old = headers.authority;
  setField(headers.fields, 'x-envoy-original-host', old);
  if (appendXForwardedHost && old !== '') {
    const forwarded = getField(headers.fields, 'x-forwarded-host');
    if (forwarded === null || forwarded === '') {
      setField(headers.fields, 'x-forwarded-host', old);
    } else if (forwarded.slice(forwarded.lastIndexOf(',') + 1).trim() !== old) {
      setField(headers.fields, 'x-forwarded-host', `${forwarded},${old}`);
    }
  }
  headers.authority = host;
}

/**
 * Location of a redirect (or of a direct response that has one: `redirect` null). The path was already
 * rewritten where the redirect says so by prefix or regex.
 */
export function redirectLocation(
  headers: RequestHeaders,
  redirect: RedirectActionData | null,
): string {
  if (redirect === null) return `${headers.scheme}://${headers.authority}${headers.path}`;
  let { scheme } = headers;
  if (redirect.schemeRedirect !== '') scheme = redirect.schemeRedirect;
  else if (redirect.httpsRedirect) scheme = 'https';
  const port = redirect.portRedirect === 0 ? '' : `:${redirect.portRedirect}`;
  const host =
    redirect.hostRedirect === '' ? requestHost(headers, scheme, port) : redirect.hostRedirect;
  return `${scheme}://${host}${port}${redirectPath(headers.path, redirect)}`;
}

function redirectPath(path: string, redirect: RedirectActionData): string {
  const query = path.indexOf('?');
  if (redirect.path.kind === 'path' && redirect.path.value !== '') {
    const target = byteString(redirect.path.value);
    // A query of its own wins over the request's, and is never stripped.
    if (target.includes('?')) return target;
    return query === -1 || redirect.stripQuery ? target : target + path.slice(query);
  }
  return query !== -1 && redirect.stripQuery ? path.slice(0, query) : path;
}

/** The request's own host, without a port that the new scheme or port makes wrong. */
function requestHost(headers: RequestHeaders, scheme: string, port: string): string {
  const { authority } = headers;
  const bracket = authority.startsWith('[') ? authority.lastIndexOf(']:') : -2;
  const end = bracket === -2 ? authority.lastIndexOf(':') : bracket === -1 ? -1 : bracket + 1;
  if (end === -1) return authority;
  const oldPort = authority.slice(end);
  const oldScheme = getField(headers.fields, 'x-forwarded-proto') ?? '';
  const isDefaultOfOld =
    (oldScheme === 'https' && oldPort === ':443') || (oldScheme === 'http' && oldPort === ':80');
  return port !== '' || (scheme !== oldScheme && isDefaultOfOld)
    ? authority.slice(0, end)
    : authority;
}
