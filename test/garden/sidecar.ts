// The proxy of the garden: one real sidecar process with a listener per lane (in front of a recorder) and per peer.
// Lanes run one payload at a time, so everything a lane's recorder sees belongs to that payload.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../interop/proxies.ts';
import { ended } from './peers.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const START_TIMEOUT_MS = 20_000;

/** `default`: nothing is set. `open`: every option that lets more through is on. */
export type Profile = 'default' | 'open';

export interface Lane {
  readonly name: string;
  readonly profile: Profile;
  readonly upstreamPort: number;
}

/** One line of the access log: a stream that the proxy saw. */
export interface LoggedStream {
  readonly lane: string;
  readonly clientPort: number;
  readonly method: string;
  readonly path: string;
  readonly bodyBytes: number;
  /** The response was the upstream's. */
  readonly isFromUpstream: boolean;
}

export interface GardenSidecar {
  /** Listening port of each lane. */
  readonly ports: ReadonlyMap<string, number>;
  isAlive(): boolean;
  /** Ends the proxy, which flushes the access log, and reads that: in the order of logging. */
  stop(): Promise<LoggedStream[]>;
}

function listener(lane: Lane, port: number, log: string, timeoutMs: number): string {
  const timeout = `${timeoutMs / 1000}s`;
  const open =
    'http_protocol_options: { accept_http_10: true, default_host_for_http_10: old.test, enable_trailers: true, ' +
    'allow_chunked_length: true, allow_custom_methods: true }';
  return `
    - name: ${lane.name}
      address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ${lane.name}
                generate_request_id: false
                common_http_protocol_options: { idle_timeout: ${timeout} }
                request_timeout: ${timeout}
                request_headers_timeout: ${timeout}
                ${lane.profile === 'open' ? open : ''}
                access_log:
                  - name: envoy.access_loggers.file
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                      path: ${log}
                      log_format:
                        text_format_source:
                          inline_string: "${lane.name} %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %REQ(:METHOD)% %BYTES_RECEIVED% %RESPONSE_CODE_DETAILS% %REQ(:PATH)%\\n"
                route_config:
                  name: local
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{ match: { prefix: / }, route: { cluster: ${lane.name}, timeout: 3s } }]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router`;
}

function cluster({ name, profile, upstreamPort }: Lane): string {
  const open = profile === 'open' ? 'http_protocol_options: { enable_trailers: true }' : '';
  return `
    - name: ${name}
      type: STATIC
      connect_timeout: 1s
      ${open}
      load_assignment:
        cluster_name: ${name}
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreamPort} } } }`;
}

/** `timeoutMs`: how long the proxy waits for the rest of a request. */
export async function startGardenSidecar(
  lanes: readonly Lane[],
  timeoutMs: number,
): Promise<GardenSidecar> {
  const folder = mkdtempSync(join(os.tmpdir(), 'remora-garden-'));
  const log = join(folder, 'access.log');
  const ports = new Map<string, number>();
  for (const { name } of lanes) ports.set(name, await freePort());
  const adminPort = await freePort();
  const file = join(folder, 'bootstrap.yaml');
  writeFileSync(
    file,
    `node: { id: garden, cluster: test }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }
static_resources:
  listeners:${lanes.map((lane) => listener(lane, ports.get(lane.name) ?? 0, log, timeoutMs)).join('')}
  clusters:${lanes.map(cluster).join('')}
`,
  );
  const args = [main, 'proxy', '-c', file, '--concurrency', '1', '-l', 'error'];
  const child = spawn(process.execPath, [...args, '--shutdown-time-s', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`);
      if ((await ready.text()).startsWith('LIVE')) break;
    } catch {
      // not listening yet
    }
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      await ended(child);
      throw new Error(`the proxy did not get ready:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    ports,
    isAlive: () => child.exitCode === null,
    stop: async () => {
      await ended(child);
      process.off('exit', kill);
      const streams = readLog(log);
      rmSync(folder, { recursive: true, force: true });
      return streams;
    },
  };
}

function readLog(file: string): LoggedStream[] {
  const lines = readFileSync(file, 'latin1').split('\n');
  return lines.slice(0, -1).map((line) => {
    const [lane = '', client = '', method = '', bytes = '', details = '', ...path] =
      line.split(' ');
    return {
      lane,
      clientPort: Number(client.slice(client.lastIndexOf(':') + 1)),
      method,
      path: path.join(' '),
      bodyBytes: Number(bytes),
      isFromUpstream: details === 'via_upstream',
    };
  });
}
