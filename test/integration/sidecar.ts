// Starts a whole sidecar (main thread, worker threads, admin) in this process for a test, from YAML. Ports are
// 0 and asked for afterwards; stop() shuts it down as SIGTERM would.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { errorText } from '../../common/coded-error.ts';
import { err, ok } from '../../common/result.ts';
import { SharedMemory } from '../../common/shared-memory.ts';
import { loadBootstrap } from '../../dataplane/config/load-bootstrap.ts';
import { FactoryRegistry } from '../../dataplane/config/registry.ts';
import type { ConfigInputs } from '../../dataplane/config/resource-compiler.ts';
import { Runtime } from '../../dataplane/runtime/runtime.ts';
import { builtInExtensions } from '../../dataplane/server/extensions.ts';
import { Server, type ServerOptions } from '../../dataplane/server/server.ts';

const inputs: Omit<ConfigInputs, 'runtime'> = {
  registry: new FactoryRegistry(builtInExtensions),
  readFile: (path) => {
    try {
      return ok(readFileSync(path));
    } catch (thrown) {
      return err(errorText(thrown));
    }
  },
  environment: (name) => process.env[name],
  sharedMemory: new SharedMemory(),
};

const START_TIMEOUT_MS = 15_000;

export interface Sidecar {
  /** Real port of a listener. */
  port(listener: string): number;
  admin(path: string, method?: string): Promise<string>;
  readonly adminPort: number;
  /** Polls the admin stats until `stat` satisfies `holds`. */
  untilStat(stat: string, holds: (value: number) => boolean): Promise<void>;
  /** Begins to drain, as SIGTERM does. */
  shutdown(): void;
  /** Resolves with the exit code. */
  readonly finished: Promise<number>;
  stop(): Promise<void>;
}

export interface SidecarOptions {
  readonly concurrency?: number;
  readonly shutdownTimeMs?: number;
  readonly drainTimeMs?: number;
  readonly drainStrategy?: ServerOptions['drainStrategy'];
  /** Of a sidecar that joined a mesh instead of naming its control plane in the bootstrap. */
  readonly membership?: ServerOptions['membership'];
}

/** `yaml` needs no admin section: one on port 0 is added. Resolves when it is LIVE. */
export async function startSidecar(yaml: string, options: SidecarOptions = {}): Promise<Sidecar> {
  const admin = 'admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n';
  const runtime = new Runtime();
  const bootstrap = loadBootstrap({ ...inputs, runtime, yaml: admin + yaml });
  assert.ok(bootstrap.ok, bootstrap.ok ? '' : bootstrap.errors.join('\n'));
  let adminPort = 0;
  const server = new Server({
    bootstrap: bootstrap.value,
    inputs: { ...inputs, runtime },
    concurrency: options.concurrency ?? 1,
    logLevel: 'off',
    drainTimeMs: options.drainTimeMs ?? 2000,
    drainStrategy: options.drainStrategy ?? 'gradual',
    shutdownTimeMs: options.shutdownTimeMs ?? 2000,
    commandLine: {},
    membership: options.membership ?? null,
    onAdminListening: (address) => {
      adminPort = address.port;
    },
  });
  let failure: unknown = null;
  const finished = server.run().catch((thrown: unknown) => {
    failure = thrown;
    return 1;
  });
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method });
    return response.text();
  };
  const deadline = performance.now() + START_TIMEOUT_MS;
  const ports = new Map<string, number>();
  for (;;) {
    if (failure !== null) throw failure;
    if (adminPort !== 0 && (await ask('/ready')).startsWith('LIVE')) break;
    if (performance.now() > deadline) {
      server.stopNow();
      assert.fail('the sidecar did not get ready');
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const line of (await ask('/listeners')).trim().split('\n')) {
    const [name = ''] = line.split('::');
    // The main address comes first.
    if (!ports.has(name)) ports.set(name, Number(line.split(':').at(-1)));
  }
  return {
    port: (listener) => {
      const port = ports.get(listener);
      assert.ok(port !== undefined, `no listener '${listener}'`);
      return port;
    },
    admin: ask,
    adminPort,
    untilStat: async (stat, holds) => {
      const end = performance.now() + START_TIMEOUT_MS;
      let value = Number.NaN;
      while (performance.now() < end) {
        const text = await ask('/stats');
        const line = text.split('\n').find((entry) => entry.startsWith(`${stat}: `));
        value = Number(line?.slice(stat.length + 2));
        if (holds(value)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.fail(`${stat} stayed at ${value}`);
    },
    shutdown: () => server.shutdown(),
    finished,
    stop: async () => {
      server.stopNow();
      await finished;
    },
  };
}

/** A bootstrap with one HTTP listener `ingress` in front of one STATIC cluster `backend`. */
export function simpleBootstrap(backendPort: number, extra = ''): string {
  return `
node: { id: test, cluster: test }
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config:
                  name: local
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{ match: { prefix: / }, route: { cluster: backend } }]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: backend
      type: STATIC
      connect_timeout: 1s
${extra}
      load_assignment:
        cluster_name: backend
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } }
`;
}
