// A sidecar whose clusters speak HTTP/2 to node:http2 servers of this process, and clients that speak HTTP/1.1 to
// it (or what else they like: the listener takes both). Used by the tests of upstream HTTP/2.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { type Sidecar, startSidecar } from './sidecar.ts';

/** An HTTP/2 application and what it has seen. */
export class Http2Backend {
  readonly server: http2.Http2Server;
  /** Open ones. */
  readonly sessions = new Set<http2.ServerHttp2Session>();
  sessionCount = 0;
  requestCount = 0;
  /** Most streams that were open on one connection at once. */
  mostStreams = 0;

  constructor(server: http2.Http2Server, onStream: Http2Backend['onStream']) {
    this.server = server;
    this.onStream = onStream;
    server.on('session', (session) => this.#onSession(session));
  }

  /** Answers a request; `number` counts those of its connection from 1 on. */
  readonly onStream: (
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
    number: number,
  ) => void;

  #onSession(session: http2.ServerHttp2Session): void {
    this.sessionCount++;
    this.sessions.add(session);
    let open = 0;
    let count = 0;
    session.on('close', () => this.sessions.delete(session));
    session.on('error', () => {});
    session.on('stream', (stream, headers) => {
      this.requestCount++;
      open++;
      this.mostStreams = Math.max(this.mostStreams, open);
      stream.on('error', () => {});
      stream.on('close', () => open--);
      // Of a request that nobody reads Node resets the stream behind the answer, now and then before its end.
      if (headers[':method'] === 'GET') stream.resume();
      this.onStream(stream, headers, ++count);
    });
  }

  get port(): number {
    return portOf(this.server);
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

/** The port a listening server got. */
export function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port; // it listens on TCP
}

/** Plaintext, prior knowledge. */
export async function http2Backend(
  onStream: Http2Backend['onStream'],
  settings: http2.Settings = {},
): Promise<Http2Backend> {
  const backend = new Http2Backend(http2.createServer({ settings }), onStream);
  backend.server.listen(0, '127.0.0.1');
  await once(backend.server, 'listening');
  return backend;
}

export interface SceneCluster {
  readonly name: string;
  readonly ports: readonly number[];
  /** More of HttpProtocolOptions, in flow style; default explicit HTTP/2. */
  readonly http?: string;
  /** More of the cluster, YAML in flow style, one entry per line. */
  readonly more?: readonly string[];
}

function clusterYaml({ name, ports, http: options, more = [] }: SceneCluster): string {
  const endpoints = ports.map(
    (port) =>
      `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`,
  );
  const protocol = options ?? 'explicit_http_config: { http2_protocol_options: {} }';
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return `
    - name: ${name}
      type: STATIC
      connect_timeout: 5s
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${endpoints.join()}] }] }
      typed_extension_protocol_options: { ${type}: { "@type": type.googleapis.com/${type}, ${protocol} } }
${more.map((line) => `      ${line}\n`).join('')}`;
}

/** One sidecar; a request for /<cluster>/... goes to that cluster. */
export class Http2UpstreamScene {
  readonly sidecar: Sidecar;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

  private constructor(sidecar: Sidecar) {
    this.sidecar = sidecar;
  }

  /** CONNECT requests go to the first cluster; so does what comes to the listener `tcp`, through a tunnel. */
  static async start(clusters: readonly SceneCluster[]): Promise<Http2UpstreamScene> {
    const first = clusters[0]?.name ?? '';
    const routes = clusters.map(
      ({ name }) => `{ match: { prefix: /${name}/ }, route: { cluster: ${name}, timeout: 30s } }`,
    );
    return new Http2UpstreamScene(
      await startSidecar(`
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }]
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { connect_matcher: {} }, route: { cluster: ${first} } }, ${routes.join()}] }] }
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
    - name: tcp
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: tcp
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: tcp
                cluster: ${first}
                tunneling_config: { hostname: "target.example:443" }
  clusters:${clusters.map(clusterYaml).join('')}`),
    );
  }

  /** Sends a request whose answer the caller reads. */
  open(path: string, options: http.RequestOptions = {}): http.ClientRequest {
    const port = this.sidecar.port('ingress');
    return http.request({ host: '127.0.0.1', port, agent: this.#agent, path, ...options });
  }

  /** A whole exchange; `body` null = GET. */
  async ask(path: string, body: Buffer | string | null = null): Promise<Answer> {
    const request = this.open(path, { method: body === null ? 'GET' : 'POST' });
    request.end(body ?? undefined);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    response.setEncoding('latin1');
    for await (const piece of response) text += piece;
    return { status: response.statusCode ?? 0, text, headers: response.headers };
  }

  /** Of a counter or gauge. */
  async stat(name: string): Promise<number> {
    const text = await this.sidecar.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number(text.split(':')[1] ?? Number.NaN);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.sidecar.stop();
  }
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: http.IncomingHttpHeaders;
}
