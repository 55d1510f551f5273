// Suite B: request targets, Host, methods. The oracle is judgeRow in requests.ts. Rows of path normalisation are in
// u-paths.test.ts, those of upgrades (U-22, U-23) beside the upgrades' own tests.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ParsedRequest } from '../garden/strict-parser.ts';
import { HostileScene, receive, residentBytes } from './harness.ts';
import {
  hostileRequests,
  judgeRow,
  type RequestRow,
  refused,
  refusedOpen,
  served,
  valuesOf,
} from './requests.ts';

/** Without a forced collection a worker's young generation alone moves by more than 5 MB. */
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;

const get = (target: string, host = 'Host: a\r\n'): string =>
  `GET ${target} HTTP/1.1\r\n${host}\r\n`;
const withHost = (...hosts: readonly string[]): string =>
  get('/hostile', hosts.map((host) => `Host: ${host}\r\n`).join(''));
const line = (requestLine: string): string => `${requestLine}\r\nHost: a\r\n\r\n`;

const CODEC = /^http1\.codec_error$/;
const URL = /^http1\.invalid_url$/;
const NORMALIZATION = /^path_normalization_failed$/;

const isFor = (authority: string, target: string) => (request: ParsedRequest) => {
  assert.deepEqual(valuesOf(request, 'host'), [authority]);
  assert.equal(request.target, target);
};

const rows: readonly RequestRow[] = [
  refused('U-01 no Host', 'GET /hostile HTTP/1.1\r\n\r\n', /^missing_host_header$/),
  refused('U-02 two Hosts, equal', withHost('a', 'a'), CODEC),
  refused('U-02 two Hosts, different', withHost('a', 'b'), CODEC),
  refused('U-03 an empty Host', withHost(''), /^http\.invalid_authority$/),
  ...['u@a', 'a/b', 'a, b', 'a b', 'a:99999', 'a:b', '[::1', '[]', 'a\\b', 'a?b', 'a#b'].map(
    (host) => refused(`U-03 Host '${host}'`, withHost(host), /^http\.invalid_authority$/),
  ),
  served(
    'U-04 absolute-form',
    get('http://b.example:81/hostile?x=1'),
    isFor('b.example:81', '/hostile?x=1'),
  ),
  served('U-04 absolute-form without a path', get('http://b.example'), isFor('b.example', '/')),
  served(
    'U-04 absolute-form with a query only',
    get('http://b.example?x'),
    isFor('b.example', '/?x'),
  ),
  refused('U-04 absolute-form with user info', get('http://u@b.example/'), URL),
  refused('U-05 ftp://', get('ftp://b.example/'), /^http1\.invalid_scheme$/),
  refused('U-05 a junk scheme', get('ja!va://b.example/'), /^http1\.invalid_scheme$/),
  refused('U-05 a scheme without slashes', get('http:b.example/'), URL),
  refused(
    'U-06 CONNECT on a normal route, with bytes behind it',
    `CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n${get('/smuggled')}`,
    /^route_not_found$/,
    [404],
  ),
  served(
    'U-07 TRACE with credentials',
    'TRACE /hostile HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\nAuthorization: Basic eA==\r\nX: y\r\n\r\n',
    (request) => {
      assert.deepEqual(valuesOf(request, 'cookie'), []);
      assert.deepEqual(valuesOf(request, 'authorization'), []);
      assert.deepEqual(valuesOf(request, 'x'), ['y']);
    },
  ),
  refused('U-08 GET *', get('*'), URL),
  refusedOpen('U-09 a fragment', get('/a#b'), NORMALIZATION),
  refused('U-09 a fragment in an absolute-form', get('http://a/x#b'), /./),
  refused('U-10 a space in the target', get('/a b'), CODEC),
  ...[0x09, 0x01, 0x00, 0x7f].map((code) =>
    refused(`U-10 byte ${code} in the target`, get(`/a${String.fromCharCode(code)}b`), /^http1\./),
  ),
  ...[0x80, 0xc3, 0xff].map((code) =>
    refused(`U-11 byte ${code} in the target`, get(`/a${String.fromCharCode(code)}b`), CODEC),
  ),
  refused('U-19 HTTP/1.2', line('GET /hostile HTTP/1.2'), CODEC, [505]),
  refused('U-19 HTTP/2.0 as text', line('GET /hostile HTTP/2.0'), CODEC, [505]),
  refused('U-19 HTTP/0.9', 'GET /hostile\r\n', CODEC),
  refused('U-19 http/1.1', line('GET /hostile http/1.1'), CODEC),
  refused('U-19 HTTP/1.10', line('GET /hostile HTTP/1.10'), CODEC),
  refused('U-20 a lower-case method', line('get /hostile HTTP/1.1'), CODEC),
  refused('U-20 an unknown method', line('FROB /hostile HTTP/1.1'), CODEC),
  served(
    'U-21 an offer of h2c',
    'GET /hostile HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    (request) => {
      for (const name of ['upgrade', 'http2-settings', 'connection']) {
        assert.deepEqual(valuesOf(request, name), [], name);
      }
    },
  ),
  served(
    'U-24 Connection names headers of ours',
    'GET /hostile HTTP/1.1\r\nHost: a\r\nConnection: close, Authorization, X-Request-Id, X-Mine\r\n' +
      'Authorization: b\r\nX-Request-Id: q\r\nX-Mine: 1\r\n\r\n',
    (request) => {
      assert.equal(valuesOf(request, 'x-forwarded-for').length, 1);
      assert.equal(valuesOf(request, 'x-request-id').length, 1);
      for (const name of ['x-mine', 'authorization', 'connection']) {
        assert.deepEqual(valuesOf(request, name), [], name);
      }
    },
  ),
  ...['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', ':path'].map((name) =>
    refused(
      `U-24 Connection names ${name}`,
      `GET /hostile HTTP/1.1\r\nHost: a\r\nConnection: close, ${name}\r\n\r\n`,
      /^http1\.connection_header_rejected$/,
    ),
  ),
];

describe('suite B, one request each', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({ hcm: ['use_remote_address: true'] });
  });
  after(() => scene.stop());
  for (const row of rows) test(row.name, () => judgeRow(scene, row));

  test('U-06 bytes behind a refused CONNECT are never read', async () => {
    const socket = scene.connect();
    socket.write('CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n');
    const { text } = await receive(socket, (got) => got.includes('\r\n\r\n'));
    socket.write(get('/smuggled'));
    const rest = await receive(socket, () => false);
    socket.destroy();
    assert.match(text, /connection: close/);
    assert.notEqual(rest.end, null);
    assert.doesNotMatch(rest.text, /HTTP\/1\.1/);
    assert.deepEqual(hostileRequests(scene), []);
    await scene.logLines(1);
  });

  test('memory comes back to where it was', async () => {
    const attack = () => Promise.all(rows.map((row) => judgeSent(scene, row)));
    for (let round = 0; round < 5; round++) await attack();
    const before = residentBytes();
    for (let round = 0; round < 20; round++) await attack();
    hostileRequests(scene);
    const grownBytes = residentBytes() - before;
    assert.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes more`);
  });
});

async function judgeSent(scene: HostileScene, row: RequestRow): Promise<void> {
  const { text } = await scene.send(row.bytes, (got) => got.includes('\r\n\r\n'));
  assert.match(text, /^HTTP\/1\.1 \d/);
}

describe('suite B, names of hosts', () => {
  let scene: HostileScene;
  const upstream = 'routes: [{ match: { prefix: / }, route: { cluster: upstream } }]';
  before(async () => {
    scene = await HostileScene.start({
      hcm: ['strip_any_host_port: true', 'strip_trailing_host_dot: true'],
      virtualHost: `routes: [{ match: { path: /good }, route: { cluster: upstream } }] }, { name: one, domains: [a.example], ${upstream}`,
    });
  });
  after(() => scene.stop());
  for (const host of ['a.example', 'A.EXAMPLE', 'A.Example.', 'a.example:443', 'A.EXAMPLE.:443']) {
    const row = served(`U-25 Host ${host} is the same virtual host`, withHost(host), (request) =>
      assert.equal(valuesOf(request, 'host')[0]?.toLowerCase(), 'a.example'),
    );
    test(row.name, () => judgeRow(scene, row));
  }
});
