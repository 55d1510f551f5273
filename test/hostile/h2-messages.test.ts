// Suite C, messages: heads and bodies that HTTP/2 forbids. The connection dies (Envoy's default) or the stream alone
// does (override_stream_error_on_invalid_http_message), the upstream sees nothing, a counter and the log say why.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ErrorCode } from '../../dataplane/http/h2/frames.ts';
import { frame, GET } from '../fakes/http2.ts';
import { RawHttp2Client } from './h2-client.ts';
import { growth, HostileScene } from './harness.ts';

const HEADERS_END = 4;
const WHOLE = 5;
const POST = [':method', 'POST', ...GET.slice(2)];
const withPath = (...path: string[]): string[] => [...GET.slice(0, 6), ...path];

interface Row {
  readonly name: string;
  readonly fields: readonly string[];
  readonly body?: string;
}

const rows: readonly Row[] = [
  { name: 'H2-01 CR in a value', fields: [...GET, 'x', 'a\rb'] },
  { name: 'H2-01 LF in a value', fields: [...GET, 'x', 'a\nb'] },
  { name: 'H2-01 NUL in a value', fields: [...GET, 'x', 'a\0b'] },
  { name: 'H2-02 LF in a name', fields: [...GET, 'x\ny', '1'] },
  { name: 'H2-02 a colon in a name', fields: [...GET, 'x:y', '1'] },
  { name: 'H2-02 an empty name', fields: [...GET, '', '1'] },
  { name: 'H2-03 an upper-case name', fields: [...GET, 'X-Upper', '1'] },
  {
    name: 'H2-05 transfer-encoding',
    fields: [...POST, 'transfer-encoding', 'chunked'],
    body: '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  },
  { name: 'H2-05 connection', fields: [...GET, 'connection', 'close'] },
  { name: 'H2-05 upgrade', fields: [...GET, 'upgrade', 'websocket'] },
  { name: 'H2-05 te: gzip', fields: [...GET, 'te', 'gzip'] },
  {
    name: 'H2-06 content-length 0 with a body',
    fields: [...POST, 'content-length', '0'],
    body: 'hello',
  },
  {
    name: 'H2-06 content-length 10 with 5 bytes',
    fields: [...POST, 'content-length', '10'],
    body: 'hello',
  },
  {
    name: 'H2-06 two content-lengths',
    fields: [...POST, 'content-length', '5', 'content-length', '6'],
    body: 'hello',
  },
  { name: 'H2-07 a path with CRLF', fields: withPath(':path', '/ HTTP/1.1\r\nx: y') },
  { name: 'H2-07 a path with a space', fields: withPath(':path', '/a b') },
  { name: 'H2-07 a path without slash', fields: withPath(':path', 'a') },
  { name: 'H2-07 an empty path', fields: withPath(':path', '') },
  { name: 'H2-07 two paths', fields: withPath(':path', '/', ':path', '/b') },
  { name: 'H2-07 no path', fields: withPath() },
  {
    name: 'H2-08 a method that is a request line',
    fields: [':method', 'GET /x HTTP/1.1', ...GET.slice(2)],
  },
  {
    name: 'H2-08 a scheme that is a URL',
    fields: [...GET.slice(0, 2), ':scheme', 'http://evil/', ...GET.slice(4)],
  },
  {
    name: 'H2-10 user information',
    fields: [...GET.slice(0, 4), ':authority', 'u@a', ...GET.slice(6)],
  },
  { name: 'H2-11 an unknown pseudo header', fields: [...GET, ':x', '1'] },
  {
    name: 'H2-11 a pseudo header after a field',
    fields: [...GET.slice(0, 6), 'x', 'y', ':path', '/'],
  },
  { name: 'H2-11 :status in a request', fields: [...GET, ':status', '200'] },
  { name: 'H2-11 CONNECT with :path', fields: [':method', 'CONNECT', ...GET.slice(2)] },
];

for (const isLenient of [false, true]) {
  describe(`Suite C, messages, ${isLenient ? 'the stream dies' : 'the connection dies'}`, () => {
    let scene: HostileScene;
    before(async () => {
      const hcm = isLenient
        ? ['http2_protocol_options: { override_stream_error_on_invalid_http_message: true }']
        : [];
      scene = await HostileScene.start({ hcm });
    });
    after(() => scene.stop());

    for (const { name, fields, body } of rows) {
      test(name, async () => {
        const before = await scene.stats();
        const bystander = RawHttp2Client.open(scene);
        assert.ok(await bystander.good(1));
        const client = RawHttp2Client.open(scene);
        const head = client.peer.headers(1, body === undefined ? WHOLE : HEADERS_END, fields);
        client.send(head, body === undefined ? Buffer.alloc(0) : frame(0, 1, 1, body));
        if (isLenient) {
          assert.ok(await client.until(() => client.resetCode(1) !== -1));
          assert.equal(client.resetCode(1), ErrorCode.ProtocolError);
          assert.ok(await client.good(3), 'the other streams go on');
        } else {
          assert.ok(await client.untilClosed());
          assert.equal(client.goawayCode(), ErrorCode.ProtocolError);
        }
        assert.ok(await bystander.good(3));
        const [entry] = await scene.logLines(1);
        assert.equal(entry?.flags, 'DPE');
        assert.match(entry.details ?? '', /^http2\./);
        const counted = growth(before, await scene.stats(), /^http2\.rx_messaging_error$/);
        assert.equal(counted, 1);
        const seen = scene.upstream.take().filter(({ target }) => target !== '/good');
        assert.deepEqual(seen, [], 'the upstream saw it');
        client.close();
        bystander.close();
      });
    }
  });
}

describe('Suite C, heads', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start();
  });
  after(() => scene.stop());

  test('H2-09 :authority goes on, host does not', async () => {
    const client = RawHttp2Client.open(scene);
    client.send(client.peer.headers(1, WHOLE, [...GET, 'host', 'b.test']));
    assert.ok(await client.until(() => client.hasEnded(1)));
    const [request] = scene.upstream.take();
    const hosts = request?.headers.filter(([name]) => name.toLowerCase() === 'host');
    assert.deepEqual(
      hosts?.map(([, value]) => value),
      ['a.test'],
    );
    client.close();
  });

  test('H2-04 outer spaces of a value are no part of it', async () => {
    const client = RawHttp2Client.open(scene);
    client.send(client.peer.headers(1, WHOLE, [...GET, 'x', ' \ta b\t', 'y', '  ']));
    assert.ok(await client.until(() => client.hasEnded(1)));
    const [request] = scene.upstream.take();
    const values = request?.headers.filter(([name]) => name === 'x' || name === 'y');
    assert.deepEqual(values, [
      ['x', 'a b'],
      ['y', ''],
    ]);
    client.close();
  });

  test('H2-10 neither authority nor host is a 400', async () => {
    const client = RawHttp2Client.open(scene);
    client.send(client.peer.headers(1, WHOLE, [...GET.slice(0, 4), ':path', '/']));
    assert.ok(await client.until(() => client.hasEnded(1)));
    assert.equal(client.status(1), 400);
    assert.deepEqual(scene.upstream.take(), []);
    client.close();
  });

  for (const [name, count, value] of [
    ['H2-12 150 fields', 150, 'y'],
    ['H2-12 5,000 fields', 5000, ''],
    ['H2-12 70 KB of fields', 35, 'y'.repeat(2000)],
  ] as const) {
    test(name, async () => {
      const before = await scene.stats();
      const client = RawHttp2Client.open(scene);
      const many = Array.from({ length: count }, () => ['x', value]).flat();
      const block = client.peer.block([...GET, ...many]);
      client.send(frame(1, 1, 1, block.subarray(0, 16_000)));
      for (let at = 16_000; at < block.length; at += 16_000) {
        const isLast = at + 16_000 >= block.length;
        client.send(frame(9, isLast ? 4 : 0, 1, block.subarray(at, at + 16_000)));
      }
      if (block.length < 16_000) client.send(frame(9, 4, 1, ''));
      assert.ok(await client.until(() => client.resetCode(1) !== -1 || client.goawayCode() !== -1));
      const code = Math.max(client.resetCode(1), client.goawayCode());
      assert.equal(code, ErrorCode.EnhanceYourCalm);
      assert.equal(growth(before, await scene.stats(), /^http2\.header_overflow$/), 1);
      assert.deepEqual(scene.upstream.take(), []);
      client.close();
    });
  }
});
