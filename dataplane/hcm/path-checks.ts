// What the connection manager demands of a request's path and host before a route is chosen, and what it
// rewrites in them. Called by active-stream; the syntax of the request line was the codec's business.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { RequestHeaders } from '../api/headers.ts';
import { canonicalPath, mergeSlashes, unescapeSlashes } from '../http/path-normalize.ts';
import type { HcmStats } from './stats.ts';

const PathAction = {
  Continue: 0,
  /** 400 path_normalization_failed. */
  Reject: 1,
  /** 307 to the normalized path. */
  Redirect: 2,
} as const;
type PathAction = (typeof PathAction)[keyof typeof PathAction];

/** How a request is refused; location '' = it is no redirect. */
export interface TargetVerdict {
  readonly status: number;
  readonly details: string;
  readonly location: string;
}

function refusal(status: number, details: string, location = ''): TargetVerdict {
  return { status, details, location };
}

/** Null = authority and path will do; the path is normalized in place as configured. Counts what it refuses. */
export function checkTarget(
  headers: RequestHeaders,
  config: HcmConfig,
  stats: HcmStats,
): TargetVerdict | null {
  if (headers.authority === '') return refusal(400, 'missing_host_header');
  if (headers.path === '') {
    return headers.method === 'CONNECT' ? null : refusal(404, 'missing_path_rejected');
  }
  if (headers.path.charCodeAt(0) !== 0x2f) {
    stats.rqNonRelativePath++;
    return refusal(404, 'absolute_path_rejected');
  }
  switch (normalizePath(headers, config)) {
    case PathAction.Continue:
      return null;
    case PathAction.Reject:
      stats.rqFailedPathNormalization++;
      return refusal(400, 'path_normalization_failed');
    case PathAction.Redirect:
      stats.rqRedirectedWithNormalizedPath++;
      return refusal(307, 'path_normalization_failed', headers.path);
  }
}

/** Normalizes `headers.path` in place as configured. */
function normalizePath(headers: RequestHeaders, config: HcmConfig): PathAction {
  const { path } = headers;
  // A fragment never belongs on the wire; proxies that disagree on it can be played off each other.
  if (path.includes('#')) return PathAction.Reject;
  let action: PathAction = PathAction.Continue;
  if (config.pathWithEscapedSlashesAction !== 'KEEP_UNCHANGED') {
    const unescaped = unescapeSlashes(path);
    if (unescaped !== path) {
      if (config.pathWithEscapedSlashesAction === 'REJECT_REQUEST') return PathAction.Reject;
      if (config.pathWithEscapedSlashesAction === 'UNESCAPE_AND_REDIRECT') {
        action = PathAction.Redirect;
      }
      headers.path = unescaped;
    }
  }
  if (config.normalizePath) {
    const canonical = canonicalPath(headers.path);
    if (canonical === null) return PathAction.Reject;
    headers.path = canonical;
  }
  // After normalization, which may bring slashes together.
  if (config.mergeSlashes) headers.path = mergeSlashes(headers.path);
  return action;
}

/** strip_trailing_host_dot, strip_any_host_port, strip_matching_host_port. */
export function normalizeHost(headers: RequestHeaders, config: HcmConfig, localPort: number): void {
  if (config.stripTrailingHostDot) {
    headers.authority = headers.authority.replace(/\.(?=(?::[0-9]*)?$)/, '');
  }
  // As in Envoy: a CONNECT is nothing without its port.
  const stripAny = config.stripAnyHostPort && headers.method !== 'CONNECT';
  if (!stripAny && !config.stripMatchingHostPort) return;
  const { authority } = headers;
  const colon = authority.lastIndexOf(':');
  // The colons of a bracketed IPv6 address are not a port's.
  if (colon === -1 || authority.lastIndexOf(']') > colon) return;
  const port = authority.slice(colon + 1);
  if (!/^[0-9]+$/.test(port)) return;
  if (stripAny || Number(port) === localPort) {
    headers.authority = authority.slice(0, colon);
  }
}
