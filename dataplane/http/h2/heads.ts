// From a decoded field list to a head: takes the pseudo headers out, checks what RFC 9113 8.2 and 8.3 ask of a
// message, joins cookie crumbs and repeated lines. Works in place; called by the two connections once per block.
//
//   [':method', 'GET', ':path', '/', 'accept', '*/*']  ->  RequestHeaders('GET', '/', ..., ['accept', '*/*'])

import { type HeaderFields, RequestHeaders, ResponseHeaders } from '../../api/headers.ts';
import { isValidAuthority } from '../authority.ts';
import { parseContentLength } from '../content-length.ts';
import { joinedInRequests, joinedInResponses, joinRepeated } from '../joined-names.ts';
import { INVALID_FIELD } from './hpack/decoder.ts';

/** Envoy's detail for what nghttp2 calls a bad message. */
export const MESSAGING_RULE = 'http2.violation.of.messaging.rule';
/** Envoy's, too: by count or by bytes. */
export const TOO_MANY_HEADERS = 'http2.too_many_headers';

/** What the last call found. Read before the next: one serves all connections of a worker. */
export class HeadFacts {
  /** '' = well-formed. */
  error: string = '';
  /** -1 = none. */
  contentLength = -1;
  /** :protocol of an extended CONNECT, 'CONNECT' of a plain one, else ''. */
  upgradeType = '';
}
export const facts = new HeadFacts();

let method = '';
let path = '';
let authority = '';
let scheme = '';
let protocol = '';
let status = '';
let seen = 0;

const Pseudo = { Method: 1, Path: 2, Authority: 4, Scheme: 8, Protocol: 16, Status: 32 } as const;

/** Authorities and methods repeat: the last good one needs no second look. */
let goodAuthority = '';
let goodMethod = 'GET';

/**
 * lastBlockWith[some of a name] = number of the last block with such a name: says for nearly nothing that no name stands
 * twice. By the length alone most heads looked as if one did, and joining took 1.9 % of a proxied request's CPU.
 */
const MARKS = 1024;
const lastBlockWith = new Float64Array(MARKS);
let block = 0;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;

/** Null: facts.error says why. `allowConnect`: extended CONNECT was announced. */
export function requestHead(
  fields: HeaderFields,
  defaultScheme: string,
  allowConnect: boolean,
): RequestHeaders | null {
  method = '';
  path = '';
  authority = '';
  scheme = '';
  protocol = '';
  facts.upgradeType = '';
  if (!splitFields(fields, false)) return null;
  if ((seen & Pseudo.Status) !== 0) return refuse(INVALID_FIELD);
  if ((seen & Pseudo.Method) === 0) return refuse(MESSAGING_RULE);
  if (method !== goodMethod) {
    if (!TOKEN.test(method)) return refuse(INVALID_FIELD);
    goodMethod = method;
  }
  if (method === 'CONNECT') {
    if (!checkConnect(allowConnect)) return refuse(MESSAGING_RULE);
  } else {
    const needed = Pseudo.Path | Pseudo.Scheme;
    if ((seen & (needed | Pseudo.Protocol)) !== needed) return refuse(MESSAGING_RULE);
    if (path === '') return refuse(INVALID_FIELD);
  }
  if (scheme === '') scheme = defaultScheme;
  else if (scheme !== 'http' && scheme !== 'https') {
    if (!SCHEME.test(scheme)) return refuse(INVALID_FIELD);
    scheme = scheme.toLowerCase();
  }
  if (path !== '' && !isRooted()) return refuse(MESSAGING_RULE);
  if (!isPlainPath()) return refuse(INVALID_FIELD);
  if (authority !== goodAuthority && authority !== '') {
    if (!isValidAuthority(authority)) return refuse(INVALID_FIELD);
    goodAuthority = authority;
  }
  if (facts.upgradeType !== '' && facts.upgradeType !== 'CONNECT') method = 'GET';
  return new RequestHeaders(method, path, authority, scheme, fields);
}

/** RFC 9113 8.5, RFC 8441 4. */
function checkConnect(allowConnect: boolean): boolean {
  if (authority === '') return false;
  if ((seen & Pseudo.Protocol) === 0) {
    facts.upgradeType = 'CONNECT';
    return (seen & (Pseudo.Path | Pseudo.Scheme)) === 0;
  }
  facts.upgradeType = protocol;
  const needed = Pseudo.Path | Pseudo.Scheme;
  return allowConnect && TOKEN.test(protocol) && (seen & needed) === needed;
}

function isRooted(): boolean {
  return path.charCodeAt(0) === 0x2f || (path === '*' && method === 'OPTIONS');
}

function isPlainPath(): boolean {
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i);
    // RFC 3986: ASCII without controls and space, as in HTTP/1, where it may go next.
    if (code <= 0x20 || code >= 0x7f) return false;
  }
  return true;
}

/** Null: facts.error says why. 101 does not exist in HTTP/2 (RFC 9113 8.6). */
export function responseHead(fields: HeaderFields): ResponseHeaders | null {
  status = '';
  if (!splitFields(fields, true)) return null;
  if (seen !== Pseudo.Status || status.length !== 3) return refuse(MESSAGING_RULE);
  const code = Number(status);
  if (!(code >= 100 && code <= 999) || code === 101) return refuse(MESSAGING_RULE);
  return new ResponseHeaders(code, fields);
}

/** False: facts.error says why. */
export function checkTrailers(fields: HeaderFields): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (
      name.charCodeAt(0) === 0x3a ||
      // Too late to choose a host, and it must not look so to the next hop.
      name === 'host' ||
      isConnectionField(name, fields[i + 1]!)
    ) {
      return badField();
    }
  }
  return true;
}

function refuse(details: string): null {
  facts.error = details;
  return null;
}

function badField(): false {
  facts.error = INVALID_FIELD;
  return false;
}

/** Takes the pseudo headers out into the variables above and walks the rest once. */
function splitFields(fields: HeaderFields, isResponse: boolean): boolean {
  seen = 0;
  facts.error = '';
  facts.contentLength = -1;
  block++;
  let kept = 0;
  let mayRepeat = false;
  let cookieAt = -1;
  let hostCount = 0;
  const { length } = fields;
  for (let i = 0; i < length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      // Pseudo headers come first.
      if (kept > 0 || hostCount > 0 || !takePseudo(name, value)) {
        return badField();
      }
      continue;
    }
    // By length first: an integer switch costs next to nothing for the many headers of no interest.
    switch (name.length) {
      case 2:
      case 7:
      case 10:
      case 16:
      case 17:
        if (isConnectionField(name, value)) return badField();
        break;
      case 4:
        if (name === 'host' && !isResponse) {
          if (++hostCount > 1) return badField();
          // :authority wins and is all that goes on (RFC 9113 8.3.1; reliability row H2-09).
          if ((seen & Pseudo.Authority) === 0) authority = value;
          continue;
        }
        break;
      case 6:
        if (name === 'cookie') {
          if (cookieAt !== -1) {
            fields[cookieAt + 1] += `; ${value}`;
            continue;
          }
          cookieAt = kept;
        }
        break;
      case 14:
        if (name === 'content-length' && !takeContentLength(value)) {
          return badField();
        }
        break;
    }
    const last = name.charCodeAt(name.length - 1);
    const mark = (name.length * 37 + name.charCodeAt(0) * 11 + last * 5) & (MARKS - 1);
    if (lastBlockWith[mark] === block) mayRepeat = true;
    lastBlockWith[mark] = block;
    fields[kept] = name;
    fields[kept + 1] = value;
    kept += 2;
  }
  if (kept !== length) fields.length = kept;
  if (mayRepeat) joinRepeated(fields, isResponse ? joinedInResponses : joinedInRequests);
  return true;
}

function takePseudo(name: string, value: string): boolean {
  let bit: number;
  switch (name) {
    case ':method':
      bit = Pseudo.Method;
      method = value;
      break;
    case ':path':
      bit = Pseudo.Path;
      path = value;
      break;
    case ':authority':
      bit = Pseudo.Authority;
      authority = value;
      break;
    case ':scheme':
      bit = Pseudo.Scheme;
      scheme = value;
      break;
    case ':status':
      bit = Pseudo.Status;
      status = value;
      break;
    case ':protocol':
      bit = Pseudo.Protocol;
      protocol = value;
      break;
    default:
      return false;
  }
  if ((seen & bit) !== 0) return false;
  seen |= bit;
  return true;
}

/** RFC 9113 8.2.2: what is about one connection of HTTP/1 makes a message malformed. */
function isConnectionField(name: string, value: string): boolean {
  switch (name) {
    case 'te':
      return value.toLowerCase() !== 'trailers';
    case 'upgrade':
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
      return true;
    default:
      return false;
  }
}

function takeContentLength(value: string): boolean {
  if (facts.contentLength !== -1) return false;
  facts.contentLength = parseContentLength(value);
  return facts.contentLength >= 0;
}
