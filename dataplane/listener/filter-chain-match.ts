// Which filter chain a new connection gets: the nine steps of config.listener.v3.FilterChainMatch, in
// Envoy's order. Each step keeps only the most specific chains that match and never backtracks.

import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import type { ConnectionProperties } from '../api/listener-filter.ts';
import { type Cidr, cidrContains, parseCidr, parseIp } from '../network/cidr.ts';

interface Candidate<Chain> {
  readonly chain: Chain;
  readonly match: FilterChainMatchConfig;
  readonly prefixRanges: readonly Cidr[];
  readonly directSourcePrefixRanges: readonly Cidr[];
  readonly sourcePrefixRanges: readonly Cidr[];
}

/** Chooses among the chains of one listener; immutable. */
export class FilterChainMatcher<Chain> {
  readonly #candidates: readonly Candidate<Chain>[];
  readonly #fallback: Chain | null;
  /** The common case of one chain without conditions needs no steps at all. */
  readonly #only: Chain | null;

  /** `fallback` = default_filter_chain. */
  constructor(
    chains: readonly { readonly chain: Chain; readonly match: FilterChainMatchConfig }[],
    fallback: Chain | null,
  ) {
    this.#fallback = fallback;
    this.#candidates = chains.map(({ chain, match }) => ({
      chain,
      match,
      prefixRanges: match.prefixRanges.map(parseRange),
      directSourcePrefixRanges: match.directSourcePrefixRanges.map(parseRange),
      sourcePrefixRanges: match.sourcePrefixRanges.map(parseRange),
    }));
    const first = this.#candidates[0];
    this.#only =
      this.#candidates.length === 1 && first !== undefined && matchesEverything(first.match)
        ? first.chain
        : null;
  }

  /** Null = no chain matches: the connection is closed and `no_filter_chain_match` counted. */
  match(connection: ConnectionProperties): Chain | null {
    if (this.#only !== null) return this.#only;
    const { localAddress, remoteAddress } = connection;
    let left = narrow(this.#candidates, ({ match }) =>
      match.destinationPort === 0 ? 0 : match.destinationPort === localAddress.port ? 1 : -1,
    );
    left = narrow(left, ({ prefixRanges }) => rangeScore(prefixRanges, localAddress.ip));
    left = narrow(left, ({ match }) => serverNameScore(match.serverNames, connection.serverName));
    left = narrow(left, ({ match }) =>
      exactScore(match.transportProtocol === '' ? [] : [match.transportProtocol], [
        connection.transportProtocol === '' ? 'raw_buffer' : connection.transportProtocol,
      ]),
    );
    left = narrow(left, ({ match }) =>
      exactScore(match.applicationProtocols, connection.applicationProtocols),
    );
    left = narrow(left, ({ directSourcePrefixRanges }) =>
      rangeScore(directSourcePrefixRanges, remoteAddress.ip),
    );
    left = narrow(left, ({ match }) => sourceTypeScore(match.sourceType, connection));
    left = narrow(left, ({ sourcePrefixRanges }) =>
      rangeScore(sourcePrefixRanges, remoteAddress.ip),
    );
    left = narrow(left, ({ match }) =>
      match.sourcePorts.length === 0 ? 0 : match.sourcePorts.includes(remoteAddress.port) ? 1 : -1,
    );
    return left[0]?.chain ?? this.#fallback;
  }
}

function parseRange(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null) throw new Error(`filter chain match: '${text}' is not a CIDR range`);
  return cidr;
}

function matchesEverything(match: FilterChainMatchConfig): boolean {
  return (
    match.destinationPort === 0 &&
    match.prefixRanges.length === 0 &&
    match.serverNames.length === 0 &&
    match.transportProtocol === '' &&
    match.applicationProtocols.length === 0 &&
    match.directSourcePrefixRanges.length === 0 &&
    match.sourceType === 'ANY' &&
    match.sourcePrefixRanges.length === 0 &&
    match.sourcePorts.length === 0
  );
}

/** Keeps those with the highest score >= 0; -1 = does not match, 0 = matches anything. */
function narrow<Chain>(
  candidates: readonly Candidate<Chain>[],
  score: (candidate: Candidate<Chain>) => number,
): readonly Candidate<Chain>[] {
  let best = 0;
  let kept: Candidate<Chain>[] = [];
  for (const candidate of candidates) {
    const value = score(candidate);
    if (value < best) continue;
    if (value > best) {
      best = value;
      kept = [];
    }
    kept.push(candidate);
  }
  return kept;
}

function exactScore(wanted: readonly string[], seen: readonly string[]): number {
  if (wanted.length === 0) return 0;
  for (const name of wanted) if (seen.includes(name)) return 1;
  return -1;
}

/** Longest matching prefix wins; +1 so that /0 beats "any". */
function rangeScore(ranges: readonly Cidr[], ip: string): number {
  if (ranges.length === 0) return 0;
  const bytes = parseIp(ip);
  if (bytes === null) return -1; // a Unix socket lies in no range
  let best = -1;
  for (const range of ranges) {
    if (range.prefixLength + 1 > best && cidrContains(range, bytes)) best = range.prefixLength + 1;
  }
  return best;
}

/** Exact beats the longest `*.suffix` beats none. */
function serverNameScore(wanted: readonly string[], serverName: string): number {
  if (wanted.length === 0) return 0;
  let best = -1;
  for (const name of wanted) {
    if (name === serverName) return Number.MAX_SAFE_INTEGER;
    // '*.example.com' matches any name that ends in '.example.com'.
    if (name.startsWith('*.') && serverName.endsWith(name.slice(1)) && name.length > best) {
      best = name.length;
    }
  }
  return best;
}

function sourceTypeScore(
  wanted: FilterChainMatchConfig['sourceType'],
  { localAddress, remoteAddress }: ConnectionProperties,
): number {
  if (wanted === 'ANY') return 0;
  const isLocal = remoteAddress.ip === localAddress.ip || isLoopback(remoteAddress.ip);
  return (wanted === 'SAME_IP_OR_LOOPBACK') === isLocal ? 1 : -1;
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.') || ip.startsWith('/');
}
