// Tunnels through streams of an HTTP/2 upstream: tcp_proxy's tunneling_config, CONNECT, WebSockets.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import type http2 from 'node:http2';
import net from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Http2Backend, Http2UpstreamScene, http2Backend } from './http2-upstream-scene.ts';

const WEBSOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

describe('a tunnel', () => {
  let backend: Http2Backend;
  let scene: Http2UpstreamScene;
  /** Heads of what came. */
  const heads: http2.IncomingHttpHeaders[] = [];
  let answer: http2.OutgoingHttpHeaders = {};

  before(async () => {
    backend = await http2Backend(
      (stream, headers) => {
        heads.push(headers);
        if (headers[':path'] === '/app/plain') {
          stream.respond({ ':status': 200 });
          stream.end('plain');
          return;
        }
        stream.respond(answer, { endStream: answer[':status'] !== 200 });
        if (answer[':status'] === 200) stream.pipe(stream);
      },
      { enableConnectProtocol: true },
    );
    scene = await Http2UpstreamScene.start([
      {
        name: 'app',
        ports: [backend.port],
        http: 'explicit_http_config: { http2_protocol_options: { allow_connect: true } }',
      },
    ]);
  });

  after(async () => {
    await scene.stop();
    backend.close();
  });

  beforeEach(() => {
    heads.length = 0;
    answer = { ':status': 200 };
  });

  /** Sends `text` and FIN, and reads all that comes back. */
  async function roundTrip(socket: net.Socket, text: string): Promise<string> {
    socket.end(text);
    return String((await socket.toArray()).map((data: Buffer) => data.toString('latin1')).join(''));
  }

  const dial = (listener: string): net.Socket =>
    net.connect({ port: scene.sidecar.port(listener), host: '127.0.0.1', allowHalfOpen: true });

  it('of tcp_proxy is a CONNECT; many share a connection, each with ends of its own', async () => {
    const before = backend.sessionCount;
    const answers = await Promise.all(
      ['one', 'two', 'three'].map((text) => roundTrip(dial('tcp'), text)),
    );
    assert.deepEqual(answers, ['one', 'two', 'three']);
    assert.equal(heads.length, 3);
    const { ':method': method, ':authority': authority, ':path': path } = heads[0]!;
    assert.deepEqual([method, authority, path], ['CONNECT', 'target.example:443', undefined]);
    assert.ok(backend.sessionCount - before <= 1);
    await scene.sidecar.untilStat('cluster.app.upstream_rq_active', (active) => active === 0);
  });

  it('of tcp_proxy that is declined closes the connection', async () => {
    answer = { ':status': 403 };
    const socket = dial('tcp').on('error', () => {});
    socket.on('end', () => socket.end()).resume();
    await once(socket, 'close');
    await scene.sidecar.untilStat('cluster.app.upstream_rq_active', (active) => active === 0);
  });

  it('of an HTTP/1 client’s CONNECT', async () => {
    const request = scene.open('db.example:5432', { method: 'CONNECT' });
    request.end();
    const [response, socket] = (await once(request, 'connect')) as [
      http.IncomingMessage,
      net.Socket,
    ];
    assert.equal(response.statusCode, 200);
    assert.equal(await roundTrip(socket, 'bytes'), 'bytes');
    assert.deepEqual(
      [heads[0]?.[':method'], heads[0]?.[':authority']],
      ['CONNECT', 'db.example:5432'],
    );
  });

  it('of an HTTP/1 client’s WebSocket is an extended CONNECT, whose 200 is its 101', async () => {
    answer = { ':status': 200, 'sec-websocket-protocol': 'chat' };
    const request = scene.open('/app/ws', { headers: WEBSOCKET });
    request.end();
    const [response, socket] = (await once(request, 'upgrade')) as [
      http.IncomingMessage,
      net.Socket,
    ];
    assert.equal(response.statusCode, 101);
    assert.equal(response.headers.upgrade, 'websocket');
    assert.equal(response.headers['sec-websocket-protocol'], 'chat');
    socket.write('frame');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    assert.equal(echo.toString(), 'frame');
    const head = heads[0]!;
    assert.equal(head[':method'], 'CONNECT');
    assert.equal(head[':protocol'], 'websocket');
    assert.equal(head[':path'], '/app/ws');
    assert.equal(head['upgrade'], undefined);
    // The stream ends; the connection and its other streams do not.
    const { sessionCount } = backend;
    socket.destroy();
    await scene.sidecar.untilStat('cluster.app.upstream_rq_active', (active) => active === 0);
    assert.equal((await scene.ask('/app/plain')).text, 'plain');
    assert.equal(backend.sessionCount, sessionCount);
  });

  it('that the application declines is an answer like others', async () => {
    answer = { ':status': 404 };
    const request = scene.open('/app/ws', { headers: WEBSOCKET });
    request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    assert.equal(response.statusCode, 404);
    response.resume();
  });

  it('of which the application gives up is a reset for the client', async () => {
    const request = scene.open('/app/ws', { headers: WEBSOCKET });
    request.end();
    const [, socket] = (await once(request, 'upgrade')) as [http.IncomingMessage, net.Socket];
    socket.on('error', () => {});
    for (const session of backend.sessions) session.destroy();
    socket.resume();
    await once(socket, 'close');
  });

  it('of tcp_proxy whose client gives up is reset, and counted so', async () => {
    const resets = await scene.stat('cluster.app.upstream_rq_tx_reset');
    const socket = dial('tcp');
    socket.write('x');
    await once(socket, 'data');
    socket.resetAndDestroy();
    await scene.sidecar.untilStat('cluster.app.upstream_rq_tx_reset', (n) => n === resets + 1);
    await scene.sidecar.untilStat('cluster.app.upstream_rq_active', (active) => active === 0);
  });
});
