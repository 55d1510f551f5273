import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import type { ConnectionProperties } from '../api/listener-filter.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';

const any: FilterChainMatchConfig = {
  destinationPort: 0,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

const plain: ConnectionProperties = {
  remoteAddress: { ip: '10.1.2.3', port: 40000 },
  directRemoteAddress: { ip: '10.1.2.3', port: 40000 },
  localAddress: { ip: '10.0.0.1', port: 8080 },
  localAddressRestored: false,
  transportProtocol: '',
  serverName: '',
  applicationProtocols: [],
  dynamicMetadata: null,
  proxyProtocol: null,
};

/** Chains are called by their position: A, B, ... */
function matcher(
  matches: readonly Partial<FilterChainMatchConfig>[],
  fallback: string | null = null,
) {
  return new FilterChainMatcher(
    matches.map((match, i) => ({ chain: 'ABCDEF'[i]!, match: { ...any, ...match } })),
    fallback,
  );
}

test('one chain without conditions takes everything', () => {
  assert.equal(matcher([{}]).match(plain), 'A');
});

test('nothing matches: the default chain, or none', () => {
  const conditions = [{ destinationPort: 1 }];
  assert.equal(matcher(conditions, 'default').match(plain), 'default');
  assert.equal(matcher(conditions).match(plain), null);
});

test('destination port beats no port', () => {
  assert.equal(matcher([{}, { destinationPort: 8080 }]).match(plain), 'B');
});

test('the longest destination range wins', () => {
  const ranges = matcher([
    { prefixRanges: ['10.0.0.0/8'] },
    { prefixRanges: ['10.0.0.0/24'] },
    { prefixRanges: ['0.0.0.0/0'] },
    {},
  ]);
  assert.equal(ranges.match(plain), 'B');
  assert.equal(ranges.match({ ...plain, localAddress: { ip: '11.0.0.1', port: 1 } }), 'C');
});

test('exact server name beats the longest suffix beats any', () => {
  const names = matcher([
    { serverNames: ['*.example.com'] },
    { serverNames: ['*.a.example.com'] },
    { serverNames: ['x.a.example.com'] },
    {},
  ]);
  const by = (serverName: string) => names.match({ ...plain, serverName });
  assert.equal(by('x.a.example.com'), 'C');
  assert.equal(by('y.a.example.com'), 'B');
  assert.equal(by('b.example.com'), 'A');
  assert.equal(by('example.com'), 'D');
  assert.equal(by(''), 'D');
});

test('TLS and plaintext are told apart; not inspected means raw_buffer', () => {
  const both = matcher([{ transportProtocol: 'tls' }, { transportProtocol: 'raw_buffer' }]);
  assert.equal(both.match({ ...plain, transportProtocol: 'tls' }), 'A');
  assert.equal(both.match(plain), 'B');
});

test('application protocols', () => {
  const alpn = matcher([{ applicationProtocols: ['istio', 'h2'] }, {}]);
  assert.equal(alpn.match({ ...plain, applicationProtocols: ['http/1.1', 'h2'] }), 'A');
  assert.equal(alpn.match({ ...plain, applicationProtocols: ['http/1.1'] }), 'B');
});

test('source type, ranges and ports', () => {
  const loopback = { ...plain, remoteAddress: { ip: '127.0.0.1', port: 5 } };
  const types = matcher([{ sourceType: 'SAME_IP_OR_LOOPBACK' }, { sourceType: 'EXTERNAL' }]);
  assert.equal(types.match(loopback), 'A');
  assert.equal(types.match({ ...plain, remoteAddress: { ip: '10.0.0.1', port: 5 } }), 'A');
  assert.equal(types.match(plain), 'B');
  assert.equal(matcher([{}, { sourcePrefixRanges: ['10.1.0.0/16'] }]).match(plain), 'B');
  assert.equal(matcher([{}, { sourcePorts: [40000] }]).match(plain), 'B');
});

test('the client decides which application protocol counts, chains only whether it does', () => {
  const alpn = matcher([{ applicationProtocols: ['h2'] }, { applicationProtocols: ['http/1.1'] }]);
  assert.equal(alpn.match({ ...plain, applicationProtocols: ['http/1.1', 'h2'] }), 'B');
  assert.equal(alpn.match({ ...plain, applicationProtocols: ['h2', 'http/1.1'] }), 'A');
});

test('the peer of the socket and the source that a PROXY header names are different things', () => {
  const behindProxy = { ...plain, remoteAddress: { ip: '8.8.8.8', port: 1 } };
  const direct = matcher([{ directSourcePrefixRanges: ['10.1.0.0/16'] }]);
  assert.equal(direct.match(behindProxy), 'A');
  assert.equal(matcher([{ sourcePrefixRanges: ['10.1.0.0/16'] }]).match(behindProxy), null);
});

test('only 127.0.0.1 is loopback, as in Envoy', () => {
  const types = matcher([{ sourceType: 'SAME_IP_OR_LOOPBACK' }, { sourceType: 'EXTERNAL' }]);
  const from = (ip: string) => types.match({ ...plain, remoteAddress: { ip, port: 5 } });
  assert.deepEqual(['127.0.0.1', '127.0.0.2', '::1', '/run/x.sock'].map(from), [
    'A',
    'B',
    'A',
    'A',
  ]);
});

test('a Unix socket lies in the range of everything only', () => {
  const socket = { ip: '/run/x.sock', port: 0 };
  const ranges = matcher([{ prefixRanges: ['10.0.0.0/8'] }, { prefixRanges: ['0.0.0.0/0'] }]);
  assert.equal(ranges.match({ ...plain, localAddress: socket }), 'B');
});

test('a step never goes back: the more specific port wins although its server name does not match', () => {
  const chains = matcher([{ destinationPort: 8080, serverNames: ['a.test'] }, {}], 'default');
  assert.equal(chains.match({ ...plain, serverName: 'b.test' }), 'default');
});
