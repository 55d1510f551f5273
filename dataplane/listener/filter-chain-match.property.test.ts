// The tree against the rule as it is written: nine times, keep the chains that match most specifically.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import type { ConnectionProperties } from '../api/listener-filter.ts';
import { cidrContains, parseCidr, parseIp } from '../network/cidr.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';

const ips = ['10.0.0.1', '10.0.1.1', '10.1.0.1', '127.0.0.1', '::1', 'fd00::1'];
const ranges = ['10.0.0.0/8', '10.0.0.0/16', '10.0.0.0/24', '10.0.0.1/32', '::/0', 'fd00::/8'];
const names = ['a.b.test', 'b.test', 'x.a.b.test', 'c.test', ''];
const namePatterns = ['a.b.test', '*.b.test', '*.test', '*.a.b.test', 'b.test'];
const protocols = ['h2', 'http/1.1', 'istio'];
const ports = [80, 443, 8080];

const some = <T>(values: readonly T[]): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<T[]>([]) },
    fc.subarray([...values], { minLength: 1 }),
  );

const matchConfig: fc.Arbitrary<FilterChainMatchConfig> = fc.record({
  destinationPort: fc.constantFrom(0, 0, 0, ...ports),
  prefixRanges: some(ranges),
  serverNames: some(namePatterns),
  transportProtocol: fc.constantFrom(
    '' as const,
    '' as const,
    'tls' as const,
    'raw_buffer' as const,
  ),
  applicationProtocols: some(protocols),
  directSourcePrefixRanges: some(ranges),
  sourceType: fc.constantFrom('ANY', 'ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL'),
  sourcePrefixRanges: some(ranges),
  sourcePorts: some(ports),
});

const address = fc.record({ ip: fc.constantFrom(...ips), port: fc.constantFrom(...ports) });
const connection: fc.Arbitrary<ConnectionProperties> = fc.record({
  remoteAddress: address,
  directRemoteAddress: address,
  localAddress: address,
  localAddressRestored: fc.constant(false),
  transportProtocol: fc.constantFrom('', 'tls', 'raw_buffer'),
  serverName: fc.constantFrom(...names),
  applicationProtocols: fc.shuffledSubarray(protocols),
  dynamicMetadata: fc.constant(null),
  proxyProtocol: fc.constant(null),
});

/** -1 = does not match, 0 = asks for nothing, more = more specific. */
type Score = (match: FilterChainMatchConfig, connection: ConnectionProperties) => number;

function range(wanted: readonly string[], ip: string): number {
  const scores = wanted.flatMap((text) => {
    const cidr = parseCidr(text);
    const bytes = parseIp(ip);
    assert.ok(cidr !== null && bytes !== null);
    return cidrContains(cidr, bytes) ? [cidr.prefixLength + 1] : [];
  });
  return wanted.length === 0 ? 0 : Math.max(-1, ...scores);
}

function name(wanted: readonly string[], serverName: string): number {
  const scores = wanted.flatMap((pattern) => {
    if (pattern === serverName) return [1000];
    return pattern.startsWith('*') && serverName.endsWith(pattern.slice(1)) ? [pattern.length] : [];
  });
  return wanted.length === 0 ? 0 : Math.max(-1, ...scores);
}

const scores: readonly Score[] = [
  ({ destinationPort: port }, { localAddress }) =>
    port === 0 ? 0 : port === localAddress.port ? 1 : -1,
  ({ prefixRanges }, { localAddress }) => range(prefixRanges, localAddress.ip),
  ({ serverNames }, { serverName }) => name(serverNames, serverName),
  ({ transportProtocol: wanted }, { transportProtocol: seen }) =>
    wanted === '' ? 0 : wanted === (seen === '' ? 'raw_buffer' : seen) ? 1 : -1,
  ({ applicationProtocols: wanted }, { applicationProtocols: offered }) => {
    const first = offered.findIndex((protocol) => wanted.includes(protocol));
    return wanted.length === 0 ? 0 : first === -1 ? -1 : 100 - first;
  },
  ({ directSourcePrefixRanges }, { directRemoteAddress }) =>
    range(directSourcePrefixRanges, directRemoteAddress.ip),
  ({ sourceType }, { localAddress, remoteAddress }) => {
    const isLocal =
      ['127.0.0.1', '::1'].includes(remoteAddress.ip) || remoteAddress.ip === localAddress.ip;
    return sourceType === 'ANY' ? 0 : (sourceType === 'SAME_IP_OR_LOOPBACK') === isLocal ? 1 : -1;
  },
  ({ sourcePrefixRanges }, { remoteAddress }) => range(sourcePrefixRanges, remoteAddress.ip),
  ({ sourcePorts }, { remoteAddress }) =>
    sourcePorts.length === 0 ? 0 : sourcePorts.includes(remoteAddress.port) ? 1 : -1,
];

function naive(
  matches: readonly FilterChainMatchConfig[],
  seen: ConnectionProperties,
): number | null {
  let left = [...matches.keys()];
  for (const score of scores) {
    const scored = left.map((i) => ({ i, value: score(matches[i]!, seen) }));
    const best = Math.max(...scored.map(({ value }) => value));
    left = best < 0 ? [] : scored.filter(({ value }) => value === best).map(({ i }) => i);
  }
  // Chains that match the same are refused with the config; here the first counts.
  return left[0] ?? null;
}

test('the tree chooses as the nine rules do', () => {
  fc.assert(
    fc.property(
      fc.array(matchConfig, { minLength: 1, maxLength: 8 }),
      fc.array(connection, { minLength: 1, maxLength: 12 }),
      (matches, connections) => {
        const matcher = new FilterChainMatcher(
          matches.map((match, chain) => ({ chain, match })),
          null,
        );
        for (const seen of connections) assert.equal(matcher.match(seen), naive(matches, seen));
      },
    ),
    { numRuns: 500 },
  );
});

test('ten thousand server names cost no more than ten', () => {
  const matches = Array.from({ length: 10_000 }, (_, i) => ({
    destinationPort: 0,
    prefixRanges: [],
    serverNames: [`s${i}.test`],
    transportProtocol: '' as const,
    applicationProtocols: [],
    directSourcePrefixRanges: [],
    sourceType: 'ANY' as const,
    sourcePrefixRanges: [],
    sourcePorts: [],
  }));
  let asked = 0;
  const counted = matches.map((match) => ({
    ...match,
    get serverNames() {
      asked++;
      return match.serverNames;
    },
  }));
  const matcher = new FilterChainMatcher(
    counted.map((match, chain) => ({ chain, match })),
    null,
  );
  asked = 0;
  const [seen] = fc.sample(connection, 1);
  assert.ok(seen !== undefined);
  assert.equal(matcher.match({ ...seen, serverName: 's9999.test' }), 9999);
  assert.equal(asked, 0, 'no chain is looked at one by one');
});
