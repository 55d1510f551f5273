// Which protocol a cluster's connections speak: as configured, as the client does, as ALPN chooses.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { Http2UpstreamScene, portOf } from './http2-upstream-scene.ts';

const TLS_CONTEXT =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** Transport socket that trusts anybody; `alpn`: alpn_protocols of its context. */
function tlsSocket(alpn: readonly string[] = []): string {
  return `transport_socket: { name: tls, typed_config: { "@type": ${TLS_CONTEXT}, common_tls_context: { alpn_protocols: [${alpn.join()}] } } }`;
}

/** Answers with the version of HTTP that it was asked by. */
function tellVersion(
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse | http2.Http2ServerResponse,
): void {
  // Unread, Node sometimes ends the answer with RST_STREAM instead of END_STREAM.
  request.resume();
  response.end(request.httpVersion);
}

describe('the protocol of upstream connections', () => {
  const servers: net.Server[] = [];
  const offered: string[][] = [];
  let scene: Http2UpstreamScene;

  async function listen(server: net.Server): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return portOf(server);
  }

  /** Takes what is offered first. */
  function bothOverTls({ certificatePem: cert, privateKeyPem: key }: TestCertificate): net.Server {
    const ALPNCallback = ({ protocols }: { protocols: string[] }): string => {
      offered.push(protocols);
      return protocols[0]!;
    };
    return http2.createSecureServer({ cert, key, allowHTTP1: true, ALPNCallback }, tellVersion);
  }

  /** Either protocol on one plaintext port. */
  function bothInPlaintext(): net.Server {
    const one = http.createServer(tellVersion);
    const two = http2.createServer(tellVersion);
    return net.createServer((socket) => {
      socket.once('data', (head) => {
        socket.pause();
        socket.unshift(head);
        (head.toString('latin1').startsWith('PRI ') ? two : one).emit('connection', socket);
        process.nextTick(() => socket.resume());
      });
    });
  }

  before(async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['localhost'] });
    const { certificatePem: cert, privateKeyPem: key } = leaf;
    const both = await listen(bothOverTls(leaf));
    const onlyHttp1 = await listen(https.createServer({ cert, key }, tellVersion));
    const withoutAlpn = await listen(
      tls.createServer({ cert, key }, (socket) => {
        http2.performServerHandshake(socket).on('stream', (stream) => {
          stream.respond({ ':status': 200 });
          stream.end(`2.0 ${socket.alpnProtocol}`);
        });
      }),
    );
    const plain = await listen(bothInPlaintext());
    const auto = 'auto_config: {}';
    scene = await Http2UpstreamScene.start([
      { name: 'downstream', ports: [plain], http: 'use_downstream_protocol_config: {}' },
      { name: 'auto', ports: [both], http: auto, more: [tlsSocket()] },
      { name: 'mixed', ports: [both, onlyHttp1], http: auto, more: [tlsSocket()] },
      { name: 'h2', ports: [both], more: [tlsSocket()] },
      {
        name: 'h1',
        ports: [both],
        http: 'explicit_http_config: { http_protocol_options: {} }',
        more: [tlsSocket()],
      },
      { name: 'named', ports: [both], http: auto, more: [tlsSocket(['http/1.1'])] },
      { name: 'silent', ports: [withoutAlpn], more: [tlsSocket()] },
      { name: 'wrong', ports: [onlyHttp1], more: [tlsSocket()] },
    ]);
  });

  after(async () => {
    await scene.stop();
    for (const server of servers) server.close();
  });

  it('is what ALPN chooses, with auto_config', async () => {
    offered.length = 0;
    assert.equal((await scene.ask('/auto/')).text, '2.0');
    assert.deepEqual(offered, [['h2', 'http/1.1']]);
    const answers = new Set<string>();
    for (let i = 0; i < 8; i++) answers.add((await scene.ask('/mixed/')).text);
    assert.deepEqual([...answers].sort(), ['1.1', '2.0']);
    assert.equal(await scene.stat('cluster.mixed.upstream_cx_http1_total'), 1);
    assert.equal(await scene.stat('cluster.mixed.upstream_cx_http2_total'), 1);
  });

  it('is offered by ALPN where the TLS context does not say what', async () => {
    for (const [cluster, version, alpn] of [
      ['h2', '2.0', 'h2'],
      ['h1', '1.1', 'http/1.1'],
      ['named', '1.1', 'http/1.1'],
    ] as const) {
      offered.length = 0;
      assert.equal((await scene.ask(`/${cluster}/`)).text, version);
      assert.deepEqual(offered, [[alpn]], cluster);
    }
  });

  it('is HTTP/2 as configured, also for a peer that has no ALPN', async () => {
    assert.equal((await scene.ask('/silent/')).text, '2.0 false');
  });

  it('that the peer does not speak breaks the handshake or the connection', async () => {
    const { status } = await scene.ask('/wrong/');
    assert.equal(status, 503);
    assert.equal(await scene.stat('cluster.wrong.upstream_rq_503'), 1);
  });

  it('is the client’s with use_downstream_protocol_config', async () => {
    assert.equal((await scene.ask('/downstream/')).text, '1.1');
    const client = http2.connect(`http://127.0.0.1:${scene.sidecar.port('ingress')}`);
    const request = client.request({ ':path': '/downstream/' });
    assert.equal(String(await request.setEncoding('latin1').toArray()), '2.0');
    client.close();
    assert.equal(await scene.stat('cluster.downstream.upstream_cx_http1_total'), 1);
    assert.equal(await scene.stat('cluster.downstream.upstream_cx_http2_total'), 1);
  });
});
