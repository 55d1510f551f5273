// A whole sidecar with real sockets: a mirror that does not read, and a redirect that is followed with its body, for
// clients of both protocols.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from './sidecar.ts';

const types = 'type.googleapis.com/envoy.extensions';
const UPLOAD_BYTES = 32 * 1024 * 1024;
const BODY = Buffer.alloc(200_000, 'b');

function bootstrap(main: number, mirror: number): string {
  const cluster = (name: string, port: number): string => `
    - name: ${name}
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }`;
  return `
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: h
              typed_config:
                "@type": ${types}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                route_config:
                  virtual_hosts:
                    - name: v
                      domains: ["*"]
                      routes:
                        - { match: { prefix: /mirrored }, route: { cluster: main, timeout: 0s, request_mirror_policies: [{ cluster: mirror }] } }
                        - { match: { prefix: / }, route: { cluster: main, internal_redirect_policy: { redirect_response_codes: [307] } } }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": ${types}.filters.http.router.v3.Router } }]
  clusters:${cluster('main', main)}${cluster('mirror', mirror)}
`;
}

describe('mirrors and redirects', () => {
  let sidecar: Sidecar;
  const main = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      if (request.url === '/from') {
        response.writeHead(307, { location: `http://${request.headers.host}/to` });
        response.end();
      } else response.end(`${request.method} ${request.url} ${bytes}`);
    });
  });
  /** Takes connections and never reads. */
  const mirror = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
  });

  before(async () => {
    const ports: number[] = [];
    for (const server of [main, mirror]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ports.push((server.address() as AddressInfo).port); // a TCP server has one
    }
    sidecar = await startSidecar(bootstrap(ports[0]!, ports[1]!));
  });
  after(async () => {
    await sidecar?.stop();
    main.close();
    mirror.close();
  });

  test('a mirror that does not read loses its copy, and the upload is not held up', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const request = http.request(
        { port: sidecar.port('ingress'), path: '/mirrored', method: 'POST', agent: false },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.on('end', () => resolve(text));
        },
      );
      request.on('error', reject);
      request.end(Buffer.alloc(UPLOAD_BYTES));
    });
    assert.equal(answer, `POST /mirrored ${UPLOAD_BYTES}`);
    await sidecar.untilStat('cluster.main.retry_or_shadow_abandoned', (value) => value === 1);
    await sidecar.untilStat('cluster.mirror.upstream_rq_active', (value) => value === 0);
    await sidecar.untilStat('cluster.mirror.upstream_cx_active', (value) => value === 0);
  });

  test('a redirect is followed with its body, whatever the client speaks', async () => {
    const url = `http://127.0.0.1:${sidecar.port('ingress')}/from`;
    const over1 = await fetch(url, { method: 'POST', body: BODY });
    assert.equal(await over1.text(), `POST /to ${BODY.length}`);

    const session = http2.connect(url);
    const ask = async (): Promise<string> => {
      const stream = session.request({ ':path': '/from', ':method': 'POST' });
      stream.end(BODY);
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      return text;
    };
    // Several at a time: each goes on in a stream of its own.
    const answers = await Promise.all([ask(), ask(), ask()]);
    for (const answer of answers) assert.equal(answer, `POST /to ${BODY.length}`);
    session.close();
    await sidecar.untilStat(
      'cluster.main.upstream_internal_redirect_succeeded_total',
      (value) => value === 4,
    );
    await sidecar.untilStat('http.in.downstream_rq_active', (value) => value === 0);
  });
});
