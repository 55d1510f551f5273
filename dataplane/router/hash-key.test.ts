import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64Text } from '../../common/xxhash64.ts';
import { FakeStreamInfo } from '../../test/fakes/stream-info.ts';
import type { HashPolicyData } from '../api/config/hash-policy.ts';
import { formatAddress } from '../api/connection.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import { compileHashPolicy } from '../matcher/hash-policy.ts';
import { hashKeyOf, issueCookie, setIssuedCookies } from './hash-key.ts';
import type { RouterStream } from './stream-state.ts';

function byHeader(name: string): HashPolicyData[] {
  return [{ source: { kind: 'header', name, rewrite: null }, terminal: false }];
}

/** What hash-key reads of a stream. */
function streamOf(cluster: HashPolicyData[], route: HashPolicyData[]): RouterStream {
  const stream = {
    cluster: { hashPolicy: compileHashPolicy(cluster) },
    route: { hashPolicy: compileHashPolicy(route) },
    headers: new RequestHeaders('GET', '/', 'h', 'http', ['a', '1', 'b', '2']),
    streamInfo: new FakeStreamInfo(),
    issuedCookies: null,
    issueCookie: (cookie: Parameters<typeof issueCookie>[1]) => issueCookie(asStream, cookie),
  };
  const asStream = stream as unknown as RouterStream;
  return asStream;
}

test("the cluster's hash policy goes before the route's", () => {
  assert.equal(hashKeyOf(streamOf([], [])), null);
  assert.equal(hashKeyOf(streamOf([], byHeader('a'))), xxhash64Text('1'));
  assert.equal(hashKeyOf(streamOf(byHeader('b'), byHeader('a'))), xxhash64Text('2'));
  assert.equal(hashKeyOf(streamOf(byHeader('none'), byHeader('a'))), null);
});

test('an issued cookie is the same for all requests and tries of a connection, and set once', () => {
  const cookie = { name: 'c', ttlS: 60, path: '/', attributes: [] };
  const policy: HashPolicyData[] = [{ source: { kind: 'cookie', ...cookie }, terminal: false }];
  const stream = streamOf([], policy);
  const { downstreamDirectRemoteAddress: remote, downstreamLocalAddress: local } =
    stream.streamInfo;
  const value = xxhash64Text(formatAddress(remote) + formatAddress(local))
    .toString(16)
    .padStart(16, '0');
  const first = hashKeyOf(stream);
  assert.equal(first, xxhash64Text(value));
  assert.equal(hashKeyOf(stream), first);
  assert.equal(hashKeyOf(streamOf([], policy)), first);
  const response = new ResponseHeaders(200, ['x', 'y']);
  setIssuedCookies(stream.issuedCookies ?? [], response);
  assert.deepEqual(response.fields, [
    'x',
    'y',
    'set-cookie',
    `c="${value}"; Max-Age=60; Path=/; HttpOnly`,
  ]);
});
