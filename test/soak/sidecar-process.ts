// A sidecar as a process of its own, so that soaks restart it with real signals. Listens on a port of the
// kernel's choice first and on the same one after each restart, as an instance behind fixed addresses does.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const START_TIMEOUT_MS = 30_000;

export interface SidecarProcessOptions {
  /** The bootstrap with one listener `ingress` on `port`; JSON, without an admin section. */
  bootstrap(port: number): Readonly<Record<string, unknown>>;
  /** Further flags of `remora proxy`. */
  readonly flags: readonly string[];
}

/** See the file head. start() and stop*() in turn. */
export class SidecarProcess {
  /** 0 before the first start. */
  port = 0;
  readonly #options: SidecarProcessOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), 'remora-soak-'));
  #child: ChildProcess | null = null;
  #exited: Promise<number | null> = Promise.resolve(0);
  #log = '';

  constructor(options: SidecarProcessOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What the process wrote, its last part. */
  get log(): string {
    return this.#log;
  }

  /** Resolves when it is LIVE. */
  async start(): Promise<void> {
    const addressFile = join(this.#directory, 'admin');
    rmSync(addressFile, { force: true });
    const bootstrap = {
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
      ...this.#options.bootstrap(this.port),
    };
    const child = spawn(
      process.execPath,
      [
        ...[main, 'proxy', '--config-yaml', JSON.stringify(bootstrap)],
        ...['--admin-address-path', addressFile, '--concurrency', '1', ...this.#options.flags],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    // A soak that dies must not leave it behind.
    const killChild = () => child.kill('SIGKILL');
    process.once('exit', killChild);
    child.once('exit', () => process.off('exit', killChild));
    this.#exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString('utf8')).slice(-4000);
      });
    }
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the sidecar did not start:\n${this.#log}`);
      if (await this.#isLive(addressFile)) break;
      if (performance.now() > deadline) throw new Error(`the sidecar is not LIVE:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const listeners = await (await this.#ask(addressFile, '/listeners')).text();
    this.port = Number(/^ingress::.*:(\d+)$/m.exec(listeners)?.[1]);
  }

  /** Asks the admin interface. */
  async admin(path: string, method = 'GET'): Promise<string> {
    return (await this.#ask(join(this.#directory, 'admin'), path, method)).text();
  }

  /** Sends `signal`; resolves with exit code (null = killed) and how long that took. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<{ code: number | null; ms: number }> {
    const startMs = performance.now();
    this.#child?.kill(signal);
    const code = await this.#exited;
    return { code, ms: performance.now() - startMs };
  }

  /** The end, however far it came. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #isLive(addressFile: string): Promise<boolean> {
    try {
      return (await (await this.#ask(addressFile, '/ready')).text()).startsWith('LIVE');
    } catch {
      // No file yet, or nobody listens yet.
      return false;
    }
  }

  #ask(addressFile: string, path: string, method = 'GET'): Promise<Response> {
    return fetch(`http://${readFileSync(addressFile, 'utf8')}${path}`, { method });
  }
}

/** One HTTP listener `ingress` in front of one cluster; the overrides are laid over the rest. */
export function proxyBootstrap(
  port: number,
  upstreamPort: number,
  overrides: {
    readonly hcm?: Readonly<Record<string, unknown>>;
    readonly cluster?: Readonly<Record<string, unknown>>;
    readonly listener?: Readonly<Record<string, unknown>>;
    readonly route?: Readonly<Record<string, unknown>>;
    readonly chain?: Readonly<Record<string, unknown>>;
  } = {},
): Readonly<Record<string, unknown>> {
  const filters = 'type.googleapis.com/envoy.extensions.filters';
  const address = (portValue: number) => ({
    socket_address: { address: '127.0.0.1', port_value: portValue },
  });
  const manager = {
    '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'ingress',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              route: { cluster: 'backend', timeout: '0s', ...overrides.route },
            },
          ],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${filters}.http.router.v3.Router` },
      },
    ],
    ...overrides.hcm,
  };
  const listener = {
    name: 'ingress',
    address: address(port),
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...overrides.chain,
      },
    ],
    ...overrides.listener,
  };
  const cluster = {
    name: 'backend',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'backend',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
    },
    ...overrides.cluster,
  };
  return {
    node: { id: 'soak', cluster: 'soak' },
    static_resources: { listeners: [listener], clusters: [cluster] },
  };
}
