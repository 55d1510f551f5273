import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64Text } from '../../common/xxhash64.ts';
import { FakeStreamInfo } from '../../test/fakes/stream-info.ts';
import type { HashCookieData, HashPolicyData, HashSourceData } from '../api/config/hash-policy.ts';
import { RequestHeaders } from '../api/headers.ts';
import { compileHashPolicy } from './hash-policy.ts';

const byKey: HashSourceData = { kind: 'header', name: 'x-key', rewrite: null };
const byCookie: HashSourceData = cookie(null);

function cookie(ttlS: number | null): HashSourceData {
  return { kind: 'cookie', name: 'c', ttlS, path: '', attributes: [] };
}

function of(...sources: readonly (HashSourceData | HashPolicyData)[]) {
  const data = sources.map((source) => ('source' in source ? source : { source, terminal: false }));
  return compileHashPolicy(data)!;
}

function request(fields: string[], path = '/'): RequestHeaders {
  return new RequestHeaders('GET', path, 'h.example', 'http', fields);
}

function hash(policy: ReturnType<typeof of>, fields: string[], path = '/'): bigint | null {
  return policy.hash(request(fields, path), null, null);
}

test('no policies, no hasher; no source, no hash', () => {
  assert.equal(compileHashPolicy([]), null);
  assert.equal(hash(of(byKey, byCookie), []), null);
});

test('one header value is hashed as it is, several in their sorted order', () => {
  assert.equal(hash(of(byKey), ['x-key', 'v']), xxhash64Text('v'));
  assert.equal(hash(of(byKey), ['x-key', '']), xxhash64Text(''));
  const both = hash(of(byKey), ['x-key', 'b', 'other', 'z', 'x-key', 'a']);
  assert.equal(both, xxhash64Text('b', xxhash64Text('a')));
  assert.equal(both, hash(of(byKey), ['x-key', 'a', 'x-key', 'b']));
});

test('a rewrite changes each value before it is sorted and hashed', () => {
  const rewrite = { regex: '^.*/', substitution: '' };
  const policy = of({ kind: 'header', name: 'x-key', rewrite });
  assert.equal(
    hash(policy, ['x-key', 'z/a', 'x-key', 'y/b']),
    hash(of(byKey), ['x-key', 'a', 'x-key', 'b']),
  );
});

test('pseudo headers and host are headers too', () => {
  const policy = of({ kind: 'header', name: ':path', rewrite: null });
  assert.equal(hash(policy, [], '/a?b'), xxhash64Text('/a?b'));
  const host = of({ kind: 'header', name: 'host', rewrite: null });
  assert.equal(hash(host, []), xxhash64Text('h.example'));
});

test('the first query parameter of that name is hashed, not decoded', () => {
  const policy = of({ kind: 'query_parameter', name: 'q' });
  assert.equal(hash(policy, [], '/?a=1&q=x%20y&q=z'), xxhash64Text('x%20y'));
  assert.equal(hash(policy, [], '/?q'), xxhash64Text(''));
  assert.equal(hash(policy, [], '/?qq=1'), null);
});

test('the client address is hashed without its port', () => {
  const info = new FakeStreamInfo();
  const policy = of({ kind: 'source_ip' });
  const expected = xxhash64Text(info.downstreamRemoteAddress.ip);
  assert.equal(policy.hash(null, info, null), expected);
});

test('a cookie is hashed without its quotes; an empty one is none', () => {
  assert.equal(hash(of(byCookie), ['cookie', 'a=b; c="v"']), xxhash64Text('v'));
  assert.equal(hash(of(byCookie), ['cookie', 'a=b', 'cookie', 'x; c=v=w']), xxhash64Text('v=w'));
  assert.equal(hash(of(byCookie), ['cookie', 'cc=1; c=']), null);
});

test('a cookie with a ttl is issued to a client that has none, and hashed', () => {
  const issued: HashCookieData[] = [];
  const issuer = {
    issueCookie(data: HashCookieData) {
      issued.push(data);
      return 'fresh';
    },
  };
  const policy = of(cookie(0));
  assert.equal(policy.hash(request([]), null, issuer), xxhash64Text('fresh'));
  assert.equal(policy.hash(request(['cookie', 'c=v']), null, issuer), xxhash64Text('v'));
  assert.equal(of(byCookie).hash(request([]), null, issuer), null);
  assert.equal(policy.hash(request([]), null, null), null);
  assert.equal(issued.length, 1);
});

test('the same value twice does not cancel itself out', () => {
  const once = xxhash64Text('v');
  const twice = hash(of(byKey, byKey), ['x-key', 'v']);
  assert.equal(twice, BigInt.asUintN(64, (once << 1n) | (once >> 63n)) ^ once);
});

test('behind a terminal policy nothing counts once there is a hash', () => {
  const policy = of(
    byKey,
    { source: byCookie, terminal: true },
    { kind: 'query_parameter', name: 'q' },
  );
  const query = '/?q=1';
  assert.equal(hash(policy, ['x-key', 'v'], query), xxhash64Text('v'));
  assert.equal(hash(policy, [], query), xxhash64Text('1'));
});

test('filter state is hashed where its owner says so', () => {
  const info = new FakeStreamInfo();
  const policy = of({ kind: 'filter_state', key: 'k' });
  assert.equal(policy.hash(null, info, null), null);
  const fields = () => ({});
  info.filterState = new Map([['k', { plain: () => 'v', fields, hash: () => 7n }]]);
  assert.equal(policy.hash(null, info, null), 7n);
  info.filterState.set('k', 'a text');
  assert.equal(policy.hash(null, info, null), null);
  info.filterState.set('k', { plain: () => 'v', fields });
  assert.equal(policy.hash(null, info, null), null);
});
