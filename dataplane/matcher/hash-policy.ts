// The hash of a request (RouteAction.HashPolicy and type.v3.HashPolicy) that consistent hashing chooses a host by.
// Values, order and how they are put together are Envoy's (common/http/hash_policy), so that both send a client to the
// same host. Used by the router, tcp_proxy and policies with a hash policy of their own.

import { byteString } from '../../common/byte-string.ts';
import { xxhash64Text } from '../../common/xxhash64.ts';
import type { HashCookieData, HashPolicyData, HashSourceData } from '../api/config/hash-policy.ts';
import type { RequestHeaders } from '../api/headers.ts';
import type { CookieIssuer, RequestHasher } from '../api/request-hasher.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { cookieValue } from './cookies.ts';
import { queryOf, queryParameter } from './query-parameter.ts';
import { RegexRewrite } from './regex-rewrite.ts';

/** One source of the hash; parameters as RequestHasher.hash. */
type Source = (
  headers: RequestHeaders | null,
  streamInfo: StreamInfo | null,
  issuer: CookieIssuer | null,
) => bigint | null;

class HashPolicy implements RequestHasher {
  readonly #sources: readonly { readonly hash: Source; readonly terminal: boolean }[];

  constructor(data: readonly HashPolicyData[]) {
    this.#sources = data.map(({ source, terminal }) => ({ hash: compileSource(source), terminal }));
  }

  hash(
    headers: RequestHeaders | null,
    streamInfo: StreamInfo | null,
    issuer: CookieIssuer | null,
  ): bigint | null {
    let hash: bigint | null = null;
    for (let i = 0; i < this.#sources.length; i++) {
      const source = this.#sources[i]!;
      const next = source.hash(headers, streamInfo, issuer);
      // Turned by a bit, so that the same value twice does not cancel itself out.
      if (next !== null) hash = hash === null ? next : rotate(hash) ^ next;
      if (source.terminal && hash !== null) return hash;
    }
    return hash;
  }
}

/** Null when there is no policy. */
export function compileHashPolicy(data: readonly HashPolicyData[]): RequestHasher | null {
  return data.length === 0 ? null : new HashPolicy(data);
}

function rotate(hash: bigint): bigint {
  return BigInt.asUintN(64, (hash << 1n) | (hash >> 63n));
}

function compileSource(source: HashSourceData): Source {
  switch (source.kind) {
    case 'header': {
      const rewrite = source.rewrite === null ? null : new RegexRewrite(source.rewrite);
      return (headers) => (headers === null ? null : hashHeader(headers, source.name, rewrite));
    }
    case 'cookie':
      return (headers, _streamInfo, issuer) =>
        headers === null ? null : hashCookie(headers, source, issuer);
    case 'source_ip':
      return (_headers, streamInfo) => {
        const ip = streamInfo === null ? '' : streamInfo.downstreamRemoteAddress.ip;
        return ip === '' ? null : xxhash64Text(ip);
      };
    case 'query_parameter': {
      const name = byteString(source.name);
      return (headers) => {
        const value = headers === null ? null : queryParameter(queryOf(headers.path), name);
        return value === null ? null : xxhash64Text(value);
      };
    }
    case 'filter_state':
      return (_headers, streamInfo) => hashFilterState(streamInfo, source.key);
    default:
      return source satisfies never;
  }
}

/** All values, sorted: their order on the wire does not count. Each is hashed with the hash so far as the seed. */
function hashHeader(
  headers: RequestHeaders,
  name: string,
  rewrite: RegexRewrite | null,
): bigint | null {
  if (name.startsWith(':') || name === 'host') {
    const value = headers.get(name);
    return value === null ? null : xxhash64Text(rewrite === null ? value : rewrite.apply(value));
  }
  const { fields } = headers;
  let first: string | null = null;
  let all: string[] | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue;
    const value = rewrite === null ? fields[i + 1]! : rewrite.apply(fields[i + 1]!);
    if (first === null) first = value;
    else {
      all ??= [first];
      all.push(value);
    }
  }
  if (all === null) return first === null ? null : xxhash64Text(first);
  let hash = 0n;
  for (const value of all.sort()) hash = xxhash64Text(value, hash);
  return hash;
}

function hashCookie(
  headers: RequestHeaders,
  cookie: HashCookieData,
  issuer: CookieIssuer | null,
): bigint | null {
  const value = cookieValue(headers.fields, cookie.name);
  if (value !== null && value !== '') return xxhash64Text(value);
  if (cookie.ttlS === null || issuer === null) return null;
  return xxhash64Text(issuer.issueCookie(cookie));
}

/** Only what was put there to be hashed: see FilterStateObject.hash. */
function hashFilterState(streamInfo: StreamInfo | null, key: string): bigint | null {
  const value = streamInfo?.filterState?.get(key);
  return value === undefined || typeof value === 'string' ? null : (value.hash?.() ?? null);
}
