// Tunnels of HTTP/2 clients (node:http2): CONNECT to a raw host, extended CONNECT to an HTTP/1.1 upstream. Several of
// them share a connection, and the end of one is the end of that one only.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { SocketReader, TunnelScene } from './tunnel-scene.ts';

const CONNECT_CONFIG =
  '[{ match: { connect_matcher: {} }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }, { match: { prefix: / }, route: { cluster: upstream } }]';

let scene: TunnelScene;
let session: http2.ClientHttp2Session;

before(async () => {
  scene = await TunnelScene.start({
    routes: CONNECT_CONFIG,
    hcm: ['http2_protocol_options: { allow_connect: true }'],
  });
});
after(() => scene.stop());
beforeEach(async () => {
  session = http2.connect(`http://127.0.0.1:${scene.port}`);
  session.on('error', () => {});
  await once(session, 'remoteSettings');
});
afterEach(() => session.destroy());

/** The upstream's end of the tunnel that is opened next, with what came behind its "head". */
function nextUpstream(greeting = ''): Promise<net.Socket> {
  return new Promise((resolve) => {
    scene.onHead = (socket) => {
      if (greeting !== '') socket.write(greeting);
      resolve(socket);
    };
  });
}

async function open(headers: http2.OutgoingHttpHeaders): Promise<http2.ClientHttp2Stream> {
  const stream = session.request(headers, { endStream: false });
  stream.on('error', () => {});
  return stream;
}

/** Unlike once(), it is no error that a stream was reset. */
const closed = (stream: http2.ClientHttp2Stream) =>
  new Promise<void>((resolve) => stream.once('close', resolve));

describe('CONNECT', () => {
  const connect = () => open({ ':method': 'CONNECT', ':authority': 'db.test:5432' });

  test('carries bytes both ways, and each direction ends on its own', async () => {
    const accepted = nextUpstream();
    const stream = await connect();
    stream.write('hello\r\n\r\n');
    const upstream = await accepted;
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    upstream.write('from the host');
    assert.equal(String((await once(stream, 'data'))[0]), 'from the host');
    const seen = new SocketReader(upstream);
    stream.end('last');
    await seen.until((reader) => reader.ended);
    assert.equal(seen.text, 'last');
    // The other direction goes on.
    upstream.end('bye');
    assert.equal(String((await once(stream, 'data'))[0]), 'bye');
    await closed(stream);
    assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
    await scene.sidecar.untilStat('http.ingress.downstream_rq_active', (value) => value === 0);
  });

  test('a reset of the host is CONNECT_ERROR on its stream alone (RFC 9113 8.5)', async () => {
    const accepted = nextUpstream();
    const one = await connect();
    one.write('one\r\n\r\n');
    const first = await accepted;
    const acceptedToo = nextUpstream('second');
    const two = await connect();
    two.write('two\r\n\r\n');
    await acceptedToo;
    assert.equal(String((await once(two, 'data'))[0]), 'second');
    first.resetAndDestroy();
    await closed(one);
    assert.equal(one.rstCode, http2.constants.NGHTTP2_CONNECT_ERROR);
    assert.equal(two.closed, false);
    two.close();
  });

  test('a client that cancels ends the connection to the host', async () => {
    const accepted = nextUpstream();
    const stream = await connect();
    stream.write('x\r\n\r\n');
    const upstream = new SocketReader(await accepted);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await upstream.until((reader) => reader.ended || reader.closed);
  });
});

describe('a WebSocket over HTTP/2', () => {
  const handshake = {
    ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':scheme': 'http' },
    ...{ ':authority': 'chat.test', 'sec-websocket-version': '13' },
  };

  test('reaches an HTTP/1.1 upstream as an upgrade with a key', async () => {
    const accepted = nextUpstream(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\nhi',
    );
    const stream = await open(handshake);
    const upstream = new SocketReader(await accepted);
    const head = scene.heads.at(-1) ?? '';
    assert.match(head, /^GET \/chat HTTP\/1\.1\r\n/);
    assert.match(head, /\r\nconnection: upgrade\r\n/);
    assert.match(head, /\r\nupgrade: websocket\r\n/);
    assert.match(head, /\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==\r\n/);
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    assert.equal(headers['upgrade'], undefined);
    assert.equal(headers['sec-websocket-accept'], undefined);
    assert.equal(String((await once(stream, 'data'))[0]), 'hi');
    stream.write('frame');
    await upstream.until((reader) => reader.text === 'frame');
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await upstream.until((reader) => reader.ended || reader.closed);
    await scene.sidecar.untilStat(
      'http.ingress.downstream_cx_upgrades_active',
      (value) => value === 0,
    );
  });

  test('that is declined ends with the answer, and others on the connection go on', async () => {
    scene.onHead = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage');
    const declined = await open(handshake);
    let body = '';
    declined.on('data', (data) => {
      body += data;
    });
    const [headers] = await once(declined, 'response');
    assert.equal(headers[':status'], 200);
    await closed(declined);
    assert.equal(body, '');
    const plain = session.request({ ':path': '/' });
    assert.equal((await once(plain, 'response'))[0][':status'], 200);
    plain.resume();
    await once(plain, 'close');
  });
});
