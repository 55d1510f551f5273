// A sidecar between clients and a hand-made upstream that reads one head and then owns the bare socket: what
// upgrades and CONNECT need, and no HTTP library gives. Used by the upgrade tests and the hostile ws- suite.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Sidecar, startSidecar } from './sidecar.ts';

/** Owns the upstream's socket from the end of the head on; `rest` came glued to it. */
export type OnHead = (socket: net.Socket, head: string, rest: Buffer) => void;

export interface TunnelSceneOptions {
  /** upgrade_configs of the connection manager, in flow style; default websocket and CONNECT. */
  readonly upgrades?: string;
  /** More of the connection manager, YAML lines in flow style. */
  readonly hcm?: readonly string[];
  /** Routes, in flow style; default one to the upstream and one for CONNECT. */
  readonly routes?: string;
  /** More clusters, YAML lines. */
  readonly clusters?: string;
}

const ROUTES =
  '[{ match: { connect_matcher: {} }, route: { cluster: upstream } }, { match: { prefix: / }, route: { cluster: upstream } }]';
const LOG_FORMAT =
  '{ path: "%REQ(:PATH)%", code: "%RESPONSE_CODE%", flags: "%RESPONSE_FLAGS%", details: "%RESPONSE_CODE_DETAILS%", received: "%BYTES_RECEIVED%", sent: "%BYTES_SENT%" }';

function bootstrap(options: TunnelSceneOptions, port: number, log: string): string {
  const more = (options.hcm ?? []).map((line) => `\n                ${line}`).join('');
  return `
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
                upgrade_configs: ${options.upgrades ?? '[{ upgrade_type: websocket }, { upgrade_type: CONNECT }]'}
                access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { json_format: ${LOG_FORMAT} } } }]
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: ${options.routes ?? ROUTES} }] }
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]${more}
  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 5s
      load_assignment: { cluster_name: upstream, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }
${options.clusters ?? ''}`;
}

/** One access log line. */
export interface TunnelLog {
  readonly path: string | null;
  readonly code: number;
  readonly flags: string | null;
  readonly details: string | null;
  readonly received: number;
  readonly sent: number;
}

/** See the file head. */
export class TunnelScene {
  readonly sidecar: Sidecar;
  readonly port: number;
  /** Heads that came to the upstream. */
  readonly heads: string[] = [];
  /** Plays the upstream; set by the test. */
  onHead: OnHead = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  readonly #server: net.Server;
  readonly #sockets: Set<net.Socket>;
  readonly #directory: string;

  private constructor(
    sidecar: Sidecar,
    server: net.Server,
    sockets: Set<net.Socket>,
    directory: string,
  ) {
    this.sidecar = sidecar;
    this.port = sidecar.port('ingress');
    this.#server = server;
    this.#sockets = sockets;
    this.#directory = directory;
  }

  static async start(options: TunnelSceneOptions = {}): Promise<TunnelScene> {
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo; // it listens on TCP
    const directory = mkdtempSync(join(tmpdir(), 'remora-tunnel-'));
    const sidecar = await startSidecar(bootstrap(options, port, join(directory, 'access.log')));
    const scene = new TunnelScene(sidecar, server, sockets, directory);
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {}); // resets are part of the tests
      socket.on('close', () => sockets.delete(socket));
      scene.#readHead(socket);
    });
    return scene;
  }

  #readHead(socket: net.Socket): void {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', onData);
      const head = received.toString('latin1', 0, end + 4);
      this.heads.push(head);
      this.onHead(socket, head, received.subarray(end + 4));
    };
    socket.on('data', onData);
  }

  connect(): net.Socket {
    const socket = net.connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {}); // resets are part of the tests
    return socket;
  }

  async stat(name: string): Promise<number> {
    const text = await this.sidecar.admin('/stats');
    const line = text.split('\n').find((entry) => entry.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2));
  }

  /** All log lines once there are `count`. */
  async logs(count: number): Promise<TunnelLog[]> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      let text = '';
      try {
        text = readFileSync(join(this.#directory, 'access.log'), 'utf8').trim();
      } catch {
        // Made with its first line.
      }
      const lines = text === '' ? [] : text.split('\n');
      if (lines.length >= count || performance.now() > deadline) {
        return lines.map((line) => JSON.parse(line) as TunnelLog); // LOG_FORMAT says so
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    await this.sidecar.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Collects what a socket gets. */
export class SocketReader {
  text = '';
  ended = false;
  closed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(socket: net.Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when `holds`; rejects after 10 s with what came instead. */
  async until(holds: (reader: this) => boolean): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!holds(this)) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`not in time; got: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}
