import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestScan, scanRequest } from './header-sanitize.ts';

function scanned(fields: string[]): { scan: RequestScan; fields: string[] } {
  const scan = new RequestScan();
  scanRequest(fields, scan);
  return { scan, fields };
}

test('hop-by-hop headers go; the places of the others are right after the removal', () => {
  const { scan, fields } = scanned([
    'keep-alive',
    't',
    'x-request-id',
    'r',
    'proxy-connection',
    'x',
    'x-forwarded-for',
    '1.1.1.1',
    'transfer-encoding',
    'chunked',
    'x-forwarded-proto',
    'http',
    'x-envoy-internal',
    'true',
    'via',
    'v',
    'x-forwarded-client-cert',
    'c',
  ]);
  assert.deepEqual(fields, [
    'x-request-id',
    'r',
    'x-forwarded-for',
    '1.1.1.1',
    'x-forwarded-proto',
    'http',
    'via',
    'v',
    'x-forwarded-client-cert',
    'c',
  ]);
  assert.deepEqual(
    [scan.requestId, scan.forwardedFor, scan.forwardedProto, scan.via, scan.forwardedClientCert],
    [0, 2, 4, 6, 8],
  );
  assert.equal(scan.hasEnvoyHeaders, false);
});

test('what Connection names goes with it, except what the proxy itself decides on', () => {
  const table: [string, string[]][] = [
    ['x-foo', ['te', 'trailers', 'cookie', 'c', 'content-length', '0']],
    ['close, X-Foo', ['te', 'trailers', 'cookie', 'c', 'content-length', '0']],
    ['cookie', ['x-foo', '1', 'te', 'trailers', 'content-length', '0']],
    ['te', ['x-foo', '1', 'te', 'trailers', 'cookie', 'c', 'content-length', '0']],
    ['content-length', ['x-foo', '1', 'te', 'trailers', 'cookie', 'c', 'content-length', '0']],
    ['keep-alive', ['x-foo', '1', 'te', 'trailers', 'cookie', 'c', 'content-length', '0']],
    ['foo bar', ['x-foo', '1', 'te', 'trailers', 'cookie', 'c', 'content-length', '0']],
  ];
  for (const [connection, expected] of table) {
    const { fields, scan } = scanned([
      'connection',
      connection,
      'x-foo',
      '1',
      'te',
      'trailers',
      'cookie',
      'c',
      'content-length',
      '0',
    ]);
    assert.deepEqual(fields, expected, connection);
    assert.equal(scan.isValid, true);
  }
});

test('places are found again after a late removal', () => {
  const { scan, fields } = scanned(['x-foo', '1', 'x-request-id', 'r', 'connection', 'x-foo']);
  assert.deepEqual(fields, ['x-request-id', 'r']);
  assert.equal(scan.requestId, 0);
});

test('nominating forwarding headers or ten headers is invalid, host means none', () => {
  for (const value of ['x-forwarded-for', ':path', 'a, X-Forwarded-Proto', 'a,b,c,d,e,f,g,h,i,j']) {
    assert.equal(scanned(['connection', value]).scan.isValid, false, value);
  }
  assert.equal(scanned(['connection', 'a,b,c,d,e,f,g,h,i']).scan.isValid, true);
  assert.equal(scanned(['connection', 'Host']).scan.dropsHost, true);
});

test('an upgrade is hop-by-hop', () => {
  assert.deepEqual(scanned(['connection', 'upgrade', 'upgrade', 'websocket']).fields, []);
});

test('a referer that is no URI, has a fragment or comes twice is dropped', () => {
  for (const value of [
    'http://a',
    '/x',
    'a.b',
    'ftp://x',
    'HTTP://x:1',
    'a+b://x',
    'https://[::1]:8/a?b',
  ]) {
    assert.deepEqual(scanned(['referer', value]).fields, ['referer', value], value);
  }
  for (const value of [
    'https://a/b?c#d',
    'http://',
    'http://a b',
    'http://x:1y',
    'http://a/\xe9',
  ]) {
    assert.deepEqual(scanned(['referer', value]).fields, [], value);
  }
  assert.deepEqual(scanned(['referer', '/a', 'x', '1', 'referer', '/b']).fields, ['x', '1']);
});
