// WebSockets and CONNECT with real peers on both sides: curl as client, Node's WebSocket client, Envoy as the hop
// before or behind the sidecar.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const run = promisify(execFile);

/** One HTTP listener; a CONNECT ends here where `endsConnect`, else it is passed on to the host on `next`. */
function bootstrap(listen: number, next: number, endsConnect: boolean): string {
  const connect = endsConnect ? ', connect_config: {}' : '';
  return `
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: ${listen} } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }]
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - { match: { connect_matcher: {} }, route: { cluster: next, upgrade_configs: [{ upgrade_type: CONNECT${connect} }] } }
                        - { match: { prefix: / }, route: { cluster: next } }
  clusters:
    - name: next
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: next, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${next} } } } }] }] }
`;
}

/** Answers every WebSocket text of up to 125 bytes with the same text; other requests with "hello". */
function startServer(): Promise<http.Server> {
  const server = http.createServer((_request, response) => response.end('hello'));
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (frame: Buffer) => {
      const length = frame[1]! & 0x7f;
      const payload = Buffer.from(frame.subarray(6, 6 + length));
      for (let i = 0; i < length; i++) payload[i]! ^= frame[2 + (i % 4)]!;
      socket.write(Buffer.concat([Buffer.from([frame[0]!, length]), payload]));
      if ((frame[0]! & 0x0f) === 8) socket.end();
    });
    socket.on('error', () => {}); // the client may go at any time
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function echoOnce(port: number): Promise<string> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat`);
  return new Promise((resolve, reject) => {
    let answer = '';
    client.onopen = () => client.send('through');
    client.onmessage = ({ data }) => {
      answer = String(data);
      client.close(1000);
    };
    client.onclose = ({ code }) => (code === 1000 ? resolve(answer) : reject(new Error(`${code}`)));
  });
}

describe('tunnels with real peers', { skip: skipWithout('envoy') || skipWithout('curl') }, () => {
  let server: http.Server;
  let port = 0;
  const sidecars: Sidecar[] = [];
  const envoys: RunningProxy[] = [];

  const startRemora = async (next: number, endsConnect: boolean) => {
    const sidecar = await startSidecar(bootstrap(0, next, endsConnect));
    sidecars.push(sidecar);
    return sidecar.port('ingress');
  };
  const startEnvoy = async (next: number, endsConnect: boolean) => {
    const admin = (adminPort: number) =>
      `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }\n`;
    const envoy = await startProxy(
      'envoy',
      findPeer('envoy') ?? '',
      (ports) => admin(ports.admin) + bootstrap(ports.listen, next, endsConnect),
    );
    envoys.push(envoy);
    return envoy.ports.listen;
  };
  const curlThrough = async (proxyPort: number) => {
    const proxy = `http://127.0.0.1:${proxyPort}`;
    const { stdout } = await run(findPeer('curl') ?? 'curl', [
      ...['-s', '--noproxy', '', '--max-time', '10', '--proxytunnel', '-x', proxy],
      `http://target.test:${port}/`,
    ]);
    return stdout;
  };

  before(async () => {
    server = await startServer();
    ({ port } = server.address() as AddressInfo); // it listens on TCP
  });

  after(async () => {
    for (const sidecar of sidecars) await sidecar.stop();
    for (const envoy of envoys) await envoy.stop();
    server.closeAllConnections();
    server.close();
  });

  test('curl through a CONNECT that ends here', async () => {
    assert.equal(await curlThrough(await startRemora(port, true)), 'hello');
  });

  test('curl through a CONNECT that goes on to Envoy and ends there', async () => {
    assert.equal(
      await curlThrough(await startRemora(await startEnvoy(port, true), false)),
      'hello',
    );
  });

  test('curl through a CONNECT that Envoy passes on to us', async () => {
    assert.equal(
      await curlThrough(await startEnvoy(await startRemora(port, true), false)),
      'hello',
    );
  });

  test('a WebSocket through us and Envoy, in both orders', async () => {
    const behind = await startRemora(await startEnvoy(port, true), false);
    assert.equal(await echoOnce(behind), 'through');
    const before = await startEnvoy(await startRemora(port, true), false);
    assert.equal(await echoOnce(before), 'through');
  });
});
