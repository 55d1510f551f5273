// Which filter chain a new connection gets: the nine steps of config.listener.v3.FilterChainMatch, in
// Envoy's order. A tree with one level per step, built when the config comes:
//
//   destination port > destination range > server name > transport protocol > application protocol
//   > direct source range > source type > source range > source port > chain
//
// At each level the most specific entry that matches is taken, and only if there is none the entry
// without a condition; a step is never taken back.

import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import type { ConnectionProperties } from '../api/listener-filter.ts';
import { CidrMap, parseCidr, parseIp } from '../network/cidr.ts';

type Key = string | number;
type Child<Chain> = Level<Chain> | Leaf<Chain>;

interface Leaf<Chain> {
  readonly chain: Chain;
}

interface Level<Chain> {
  readonly children: Map<Key, Child<Chain>>;
  /** The same children by their range; only in levels of ranges. */
  readonly ranges: CidrMap<Child<Chain>>;
}

interface Step {
  /** What the chain asks for in this step; empty = anything. */
  keys(match: FilterChainMatchConfig): readonly Key[];
  readonly isRange: boolean;
  /** The entry to go on with, or null = no chain. */
  choose<Chain>(level: Level<Chain>, connection: ConnectionProperties): Child<Chain> | null;
}

const ANY: Key = '';
/** What a Unix socket counts as: only a range of everything contains it (Envoy does the same). */
const UNIX_SOCKET_IP = Uint8Array.of(255, 255, 255, 255);

const steps: readonly Step[] = [
  {
    keys: ({ destinationPort }) => (destinationPort === 0 ? [] : [destinationPort]),
    isRange: false,
    choose: (level, { localAddress }) => exact(level, localAddress.port),
  },
  {
    keys: ({ prefixRanges }) => prefixRanges,
    isRange: true,
    choose: (level, { localAddress }) => inRange(level, localAddress),
  },
  {
    // '*.example.com' is any name that ends in '.example.com'.
    keys: ({ serverNames }) => serverNames.map((name) => name.replace(/^\*/, '')),
    isRange: false,
    choose: (level, { serverName }) => byServerName(level, serverName),
  },
  {
    keys: ({ transportProtocol }) => (transportProtocol === '' ? [] : [transportProtocol]),
    isRange: false,
    choose: (level, { transportProtocol }) =>
      // Envoy: what no listener filter has recognised is raw_buffer.
      exact(level, transportProtocol === '' ? 'raw_buffer' : transportProtocol),
  },
  {
    keys: ({ applicationProtocols }) => applicationProtocols,
    isRange: false,
    choose: (level, { applicationProtocols }) => byProtocol(level, applicationProtocols),
  },
  {
    keys: ({ directSourcePrefixRanges }) => directSourcePrefixRanges,
    isRange: true,
    choose: (level, { directRemoteAddress }) => inRange(level, directRemoteAddress),
  },
  {
    keys: ({ sourceType }) => (sourceType === 'ANY' ? [] : [sourceType]),
    isRange: false,
    choose: (level, connection) =>
      exact(level, isLocalConnection(connection) ? 'SAME_IP_OR_LOOPBACK' : 'EXTERNAL'),
  },
  {
    keys: ({ sourcePrefixRanges }) => sourcePrefixRanges,
    isRange: true,
    choose: (level, { remoteAddress }) => inRange(level, remoteAddress),
  },
  {
    keys: ({ sourcePorts }) => sourcePorts,
    isRange: false,
    choose: (level, { remoteAddress }) => exact(level, remoteAddress.port),
  },
];

/** Chooses among the chains of one listener; immutable. */
export class FilterChainMatcher<Chain> {
  readonly #root: Level<Chain> = newLevel();
  readonly #fallback: Chain | null;
  /** The common case of one chain without conditions needs no steps at all. */
  readonly #only: Chain | null;

  /** `fallback` = default_filter_chain. Of chains with equal conditions the first is kept. */
  constructor(
    chains: readonly { readonly chain: Chain; readonly match: FilterChainMatchConfig }[],
    fallback: Chain | null,
  ) {
    this.#fallback = fallback;
    for (const { chain, match } of chains) insert(this.#root, match, chain, 0);
    const first = chains[0];
    const isOnly = chains.length === 1 && first !== undefined && matchesEverything(first.match);
    this.#only = isOnly ? first.chain : null;
  }

  /** Null = no chain matches: the connection is closed and `no_filter_chain_match` counted. */
  match(connection: ConnectionProperties): Chain | null {
    if (this.#only !== null) return this.#only;
    let child: Child<Chain> | null = this.#root;
    for (let i = 0; i < steps.length; i++) {
      // Every path through the tree has one level per step.
      child = steps[i]!.choose(child as Level<Chain>, connection);
      if (child === null) return this.#fallback;
    }
    return (child as Leaf<Chain>).chain;
  }
}

function newLevel<Chain>(): Level<Chain> {
  return { children: new Map(), ranges: new CidrMap() };
}

function insert<Chain>(
  level: Level<Chain>,
  match: FilterChainMatchConfig,
  chain: Chain,
  at: number,
): void {
  const step = steps[at]!;
  const wanted = step.keys(match);
  for (const key of wanted.length === 0 ? [ANY] : wanted) {
    let child = level.children.get(key);
    if (child === undefined) {
      child = at === steps.length - 1 ? { chain } : newLevel();
      level.children.set(key, child);
      if (step.isRange && key !== ANY) addRange(level, String(key), child);
    }
    if ('children' in child) insert(child, match, chain, at + 1);
  }
}

function addRange<Chain>(level: Level<Chain>, text: string, child: Child<Chain>): void {
  const cidr = parseCidr(text);
  if (cidr === null) throw new Error(`filter chain match: '${text}' is not a CIDR range`);
  level.ranges.add(cidr, child);
}

function exact<Chain>(level: Level<Chain>, key: Key): Child<Chain> | null {
  return level.children.get(key) ?? level.children.get(ANY) ?? null;
}

function inRange<Chain>(level: Level<Chain>, address: SocketAddress): Child<Chain> | null {
  if (level.children.size === 1) {
    const any = level.children.get(ANY);
    if (any !== undefined) return any;
  }
  return level.ranges.find(ipOf(address)) ?? level.children.get(ANY) ?? null;
}

function ipOf({ ip }: SocketAddress): Uint8Array {
  return parseIp(ip) ?? UNIX_SOCKET_IP;
}

/** Exact, then the longest suffix, then none. */
function byServerName<Chain>(level: Level<Chain>, serverName: string): Child<Chain> | null {
  const whole = level.children.get(serverName);
  if (whole !== undefined) return whole;
  for (let dot = serverName.indexOf('.', 1); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
    const suffix = level.children.get(serverName.slice(dot));
    if (suffix !== undefined) return suffix;
  }
  return level.children.get(ANY) ?? null;
}

/** The first of the client's protocols, in its order, that any chain asks for. */
function byProtocol<Chain>(level: Level<Chain>, protocols: readonly string[]): Child<Chain> | null {
  for (const protocol of protocols) {
    const child = level.children.get(protocol);
    if (child !== undefined) return child;
  }
  return level.children.get(ANY) ?? null;
}

function matchesEverything(match: FilterChainMatchConfig): boolean {
  return steps.every((step) => step.keys(match).length === 0);
}

/** Envoy: a Unix socket, 127.0.0.1 or ::1 (no other loopback address), or the same IP on both sides. */
function isLocalConnection({ localAddress, remoteAddress }: ConnectionProperties): boolean {
  const { ip } = remoteAddress;
  return ip.startsWith('/') || ip === '127.0.0.1' || ip === '::1' || ip === localAddress.ip;
}
