// Removes what must not travel through a proxy: hop-by-hop headers (RFC 9110 7.6.1), what only a trusted
// peer may say (x-envoy-*), and broken referers. One walk over the flat list per message, which also notes
// where the headers are that forwarded.ts and active-stream need next. Called by active-stream only.

import { getField, type HeaderFields, removeField } from '../api/headers.ts';

/** Where a walk found things: indexes into the flat list after removals, -1 = absent. */
export class RequestScan {
  forwardedFor = -1;
  forwardedProto = -1;
  forwardedClientCert = -1;
  /** x-forwarded-host is there. */
  hasForwardedHost = false;
  requestId = -1;
  via = -1;
  /** Any `x-envoy-*` header is left. */
  hasEnvoyHeaders = false;
  /** Set by the caller: `Expect: 100-continue` is left to the upstream. */
  keepsExpect = false;
  /** Set by the caller: the request's scheme is its own (HTTP/2), not what its codec took it for. */
  hasScheme = false;
  /** `Expect: 100-continue` was there (and is removed). */
  expectsContinue = false;
  /** `connection` names `host`: the request counts as one without Host. */
  dropsHost = false;
  /** False: `connection` names what it must not; answer 400. */
  isValid = true;
}

/** Envoy: Http1ResponseCodeDetails. */
export const CONNECTION_HEADER_REJECTED = 'http1.connection_header_rejected';

/** A `connection` header that names this many headers or more is refused. */
const TOO_MANY_NOMINATED = 10;
/** Naming these would make the next hop forget who the client was. */
const NEVER_NOMINATED: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

/** RFC 9110 10.1.3: an absolute or partial URI, no fragment. */
const VISIBLE_NO_FRAGMENT = /^[!-"$-~]*$/;
/** scheme://authority with something in the authority and, after ':', only digits. */
const ABSOLUTE = /^[^:/?]+:\/\/(?:\[[^\]]*\]|[^:/?]+)(?::[0-9]*)?(?:[/?].*)?$/;

/**
 * Walks a request's fields once, drops hop-by-hop headers in place and fills `scan`, which may be reused
 * from request to request.
 */
export function scanRequest(fields: HeaderFields, scan: RequestScan): void {
  scan.forwardedFor = -1;
  scan.forwardedProto = -1;
  scan.forwardedClientCert = -1;
  scan.hasForwardedHost = false;
  scan.requestId = -1;
  scan.via = -1;
  scan.hasEnvoyHeaders = false;
  scan.expectsContinue = false;
  scan.dropsHost = false;
  scan.isValid = true;
  let connection = '';
  let referer = -1;
  let kept = 0;
  const { length } = fields;
  for (let i = 0; i < length; i += 2) {
    const name = fields[i]!;
    // By length first: an integer switch costs next to nothing for the many headers of no interest.
    switch (name.length) {
      case 2:
        if (name === 'te') {
          if (!hasToken(fields[i + 1]!, 'trailers')) continue;
          fields[i + 1] = 'trailers';
        }
        break;
      case 3:
        if (name === 'via' && scan.via === -1) scan.via = kept;
        break;
      case 6:
        if (
          name === 'expect' &&
          !scan.keepsExpect &&
          fields[i + 1]!.toLowerCase() === '100-continue'
        ) {
          scan.expectsContinue = true;
          continue;
        }
        break;
      case 7:
        // The codec has read it (ResponseEncoder.upgradeType).
        if (name === 'upgrade') continue;
        if (name === 'referer') referer = referer === -1 ? kept : -2;
        break;
      case 10:
        if (name === 'connection') {
          connection = connection === '' ? fields[i + 1]! : `${connection},${fields[i + 1]!}`;
          continue;
        }
        if (name === 'keep-alive') continue;
        break;
      case 12:
        if (name === 'x-request-id') scan.requestId = kept;
        break;
      case 15:
        if (name === 'x-forwarded-for') {
          if (scan.forwardedFor !== -1) {
            fields[scan.forwardedFor + 1] += `,${fields[i + 1]!}`;
            continue;
          }
          scan.forwardedFor = kept;
        }
        break;
      case 16:
        if (name === 'proxy-connection' || name === 'x-envoy-internal') continue;
        if (name === 'x-forwarded-host') scan.hasForwardedHost = true;
        break;
      case 17:
        if (name === 'transfer-encoding') continue;
        if (name === 'x-forwarded-proto') {
          // Two schemes are none: one of them would be believed here and the other one behind us.
          if (scan.forwardedProto !== -1) {
            fields[scan.forwardedProto + 1] += `,${fields[i + 1]!}`;
            continue;
          }
          scan.forwardedProto = kept;
        }
        break;
      case 23:
        if (name === 'x-forwarded-client-cert') scan.forwardedClientCert = kept;
        break;
    }
    if (name.charCodeAt(0) === 0x78 && name.startsWith('x-envoy-')) scan.hasEnvoyHeaders = true;
    if (kept !== i) {
      fields[kept] = name;
      fields[kept + 1] = fields[i + 1]!;
    }
    kept += 2;
  }
  if (kept !== length) fields.length = kept;
  if (connection !== '') readConnection(fields, scan, connection);
  if (referer !== -1) checkReferer(fields, scan, referer === -2);
}

function checkReferer(fields: HeaderFields, scan: RequestScan, isRepeated: boolean): void {
  if (!isRepeated && isReferer(getField(fields, 'referer') ?? '')) return;
  removeField(fields, 'referer');
  relocate(fields, scan);
}

function isReferer(value: string): boolean {
  if (!VISIBLE_NO_FRAGMENT.test(value)) return false;
  return !value.includes('://') || ABSOLUTE.test(value);
}

/** What `connection` names beyond the usual goes away with it. */
function readConnection(fields: HeaderFields, scan: RequestScan, connection: string): void {
  const plain = connection.toLowerCase();
  if (plain === 'keep-alive' || plain === 'close') return;
  const tokens = plain.split(',');
  if (tokens.length >= TOO_MANY_NOMINATED) {
    scan.isValid = false;
    return;
  }
  let removed = 0;
  for (const raw of tokens) {
    const token = raw.trim();
    if (token === '' || token === 'close' || token === 'keep-alive') continue;
    if (token === 'te' || token === 'upgrade') continue;
    if (NEVER_NOMINATED.has(token) || token.startsWith(':')) {
      scan.isValid = false;
      return;
    }
    if (token === 'host') scan.dropsHost = true;
    else if (token !== 'content-length') removed += removeField(fields, token);
  }
  if (removed > 0) relocate(fields, scan);
}

/** Finds again what a late removal may have moved. */
function relocate(fields: HeaderFields, scan: RequestScan): void {
  scan.forwardedFor = fields.indexOf('x-forwarded-for');
  scan.forwardedProto = fields.indexOf('x-forwarded-proto');
  scan.forwardedClientCert = fields.indexOf('x-forwarded-client-cert');
  scan.requestId = fields.indexOf('x-request-id');
  scan.via = fields.indexOf('via');
}

function hasToken(list: string, token: string): boolean {
  for (const raw of list.split(',')) if (raw.trim().toLowerCase() === token) return true;
  return false;
}

/** Only an internal peer may steer this proxy by these (Envoy: headers.rst and conn_manager_utility). */
const EXTERNAL_MAY_NOT_SAY: ReadonlySet<string> = new Set([
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-hedge-on-per-try-timeout',
]);

/** In addition, what a client at the edge of the mesh may not say. */
const EDGE_MAY_NOT_SAY: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-original-path',
  'x-envoy-original-host',
]);

/** Drops an external request's claims; `internalOnly` = RouteConfiguration.internal_only_headers. */
export function sanitizeExternal(
  fields: HeaderFields,
  isEdge: boolean,
  hasEnvoyHeaders: boolean,
  internalOnly: readonly string[],
): void {
  if (hasEnvoyHeaders) {
    let kept = 0;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (EXTERNAL_MAY_NOT_SAY.has(name) || (isEdge && EDGE_MAY_NOT_SAY.has(name))) continue;
      fields[kept] = name;
      fields[kept + 1] = fields[i + 1]!;
      kept += 2;
    }
    fields.length = kept;
  }
  for (const name of internalOnly) removeField(fields, name);
}

/** Bits of scanResponse's result. */
export const ResponseSeen = { Date: 1, Server: 2, Via: 4 } as const;

/** Drops hop-by-hop headers of a response in place; tells which of ResponseSeen are there. */
export function scanResponse(fields: HeaderFields): number {
  let seen = 0;
  let kept = 0;
  const { length } = fields;
  for (let i = 0; i < length; i += 2) {
    const name = fields[i]!;
    switch (name.length) {
      case 3:
        if (name === 'via') seen |= ResponseSeen.Via;
        break;
      case 4:
        if (name === 'date') seen |= ResponseSeen.Date;
        break;
      case 6:
        if (name === 'server') seen |= ResponseSeen.Server;
        break;
      case 7:
        if (name === 'upgrade') continue;
        break;
      case 10:
        if (name === 'connection' || name === 'keep-alive') continue;
        break;
      case 16:
        if (name === 'proxy-connection') continue;
        break;
      case 17:
        if (name === 'transfer-encoding') continue;
        break;
    }
    if (kept !== i) {
      fields[kept] = name;
      fields[kept + 1] = fields[i + 1]!;
    }
    kept += 2;
  }
  if (kept !== length) fields.length = kept;
  return seen;
}
