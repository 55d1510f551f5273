// A control plane of ours as a process of its own, with its plaintext xDS port, whose documents a test rewrites; and the
// proxyless gRPC clients and servers that it tells what to do.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapOf } from '../../../cli/ctl/grpc-bootstrap.ts';
import { RestClient } from '../../../cli/rest-client.ts';
import { until } from '../../fakes/until.ts';
import { findPeer } from '../peers.ts';
import { freePort } from '../proxies.ts';
import type { Backend } from './echo.ts';
import { type Command, JsonPeer } from './json-peer.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const KEPT_OUTPUT = 8000;

/** What calls came to: names of who answered, and `code details` of failures, each with how often. */
export interface Tally {
  readonly answers: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

export interface ModeEvent {
  readonly address: string;
  readonly mode: string;
  readonly error: string;
}

export type ClientKind = 'grpc-js' | 'python' | 'go';

const programs: Readonly<Record<ClientKind, () => Command>> = {
  'grpc-js': () => [process.execPath, join(root, 'test/peers/node/xds-client.ts')],
  python: () => [
    findPeer('python_grpc') ?? 'python_grpc',
    join(root, 'test/peers/python/xds_peer.py'),
    'client',
  ],
  go: () => [findPeer('xds_peer') ?? 'xds_peer', 'client'],
};

/** The program that a test of this kind cannot do without. */
export const neededPeer = { 'grpc-js': 'node', python: 'python_grpc', go: 'xds_peer' } as const;

export interface NodeOptions {
  readonly node: string;
  /** Directory of the files of `ctl grpc-bootstrap --certificates`. */
  readonly certificates?: string;
  /** xDS by mTLS too. */
  readonly tls?: boolean;
  readonly service?: string;
  readonly version?: string;
  readonly port?: number;
}

export class ProxylessMesh {
  readonly directory = mkdtempSync(join(os.tmpdir(), 'remora-proxyless-'));
  readonly #mesh = join(this.directory, 'mesh');
  #control: ChildProcess | null = null;
  readonly #sidecars: ChildProcess[] = [];
  #bootstraps = 0;
  #output = '';
  #restPort = 0;
  xdsPort = 0;
  tlsPort = 0;

  get rest(): RestClient {
    return new RestClient(`http://127.0.0.1:${this.#restPort}`, null);
  }

  async start(documents: string): Promise<void> {
    mkdirSync(this.#mesh);
    this.write(documents);
    [this.#restPort, this.xdsPort, this.tlsPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    await this.startControlPlane();
  }

  /** On the ports that it had, with the state that it had. */
  async startControlPlane(): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        join(root, 'cli/main.ts'),
        'controlplane',
        ...['--config', this.#mesh, '--state-dir', join(this.directory, 'state')],
        ...['--xds-port', String(this.tlsPort), '--rest-port', String(this.#restPort)],
        ...['--plaintext-xds-port', String(this.xdsPort), '-l', 'warning'],
        ...['--load-report-interval-s', '1'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-KEPT_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#control = child;
    try {
      await until('the control plane is ready', () => this.rest.isReady(), START_TIMEOUT_MS);
    } catch (thrown) {
      throw new Error(this.#output, { cause: thrown });
    }
  }

  /** As by `kill -9`. */
  killControlPlane(): Promise<void> {
    const child = this.#control;
    return new Promise((resolve) => {
      if (child === null || child.exitCode !== null || child.signalCode !== null) {
        resolve();
        return;
      }
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  /** Changes all documents at once. The control plane sees it by itself. */
  write(documents: string): void {
    const file = join(this.#mesh, 'mesh.yaml');
    writeFileSync(`${file}.new`, documents);
    renameSync(`${file}.new`, file);
  }

  /** A bootstrap file; `refreshSeconds` = how often files of certificates are read again. */
  bootstrap(options: NodeOptions): string {
    const file = join(this.directory, `bootstrap-${this.#bootstraps++}.json`);
    const port = options.tls === true ? this.tlsPort : this.xdsPort;
    const content = bootstrapOf({ server: `127.0.0.1:${port}`, ...options });
    writeFileSync(file, JSON.stringify(content).replaceAll('"60s"', '"1s"'));
    return file;
  }

  client(kind: ClientKind, options: NodeOptions): JsonPeer<Tally> {
    return new JsonPeer(programs[kind](), {
      GRPC_XDS_BOOTSTRAP: this.bootstrap(options),
      ...(options.certificates === undefined ? {} : { XDS_CREDENTIALS: '1' }),
    });
  }

  server(
    kind: 'python' | 'go',
    name: string,
    address: string,
    options: NodeOptions,
  ): JsonPeer<never, ModeEvent> {
    const [program, ...args] = programs[kind]();
    return new JsonPeer<never, ModeEvent>(
      [program, ...args.slice(0, -1), 'server', address, name],
      { GRPC_XDS_BOOTSTRAP: this.bootstrap(options) },
    );
  }

  /** A sidecar of ours that joins; the result is its outbound port. */
  async sidecar(name: string, service: string, appPort: number, version?: string): Promise<number> {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const token = join(this.directory, `${name}.token`);
    writeFileSync(token, await this.rest.createToken(service, 'default', 3600), { mode: 0o600 });
    const child = spawn(
      process.execPath,
      [
        join(root, 'cli/main.ts'),
        'proxy',
        ...['--join', `127.0.0.1:${this.tlsPort}`, '--service', service],
        ...[
          '--app-port',
          String(appPort),
          ...(version === undefined ? [] : ['--version', version]),
        ],
        ...['--inbound-port', String(inbound), '--outbound-port', String(outbound)],
        ...['--admin-port', String(admin), '--advertise-address', '127.0.0.1'],
        ...['--token-file', token, '--state-dir', join(this.directory, 'sidecars')],
        ...['--concurrency', '1', '-l', 'warning'],
      ],
      { stdio: 'ignore' },
    );
    this.#sidecars.push(child);
    await until(
      `${name} is ready`,
      async () => {
        try {
          return (await fetch(`http://127.0.0.1:${admin}/ready`)).ok;
        } catch {
          return false; // does not listen yet
        }
      },
      START_TIMEOUT_MS,
    );
    return outbound;
  }

  async close(): Promise<void> {
    for (const child of this.#sidecars) child.kill('SIGKILL');
    await this.killControlPlane();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A Workload that is nothing but this backend: no sidecar stands before it. */
export function workload(service: string, { name, port }: Backend, rest = ''): string {
  return `---
apiVersion: remora.dev/v1
kind: Workload
metadata: { name: ${service}-${name} }
spec: { service: ${service}, address: 127.0.0.1, inboundPort: ${port}, appPort: ${port}${rest} }
`;
}

/** Calls one after the other. */
export function calls(
  client: JsonPeer<Tally>,
  count: number,
  target: string,
  rest: { readonly metadata?: Readonly<Record<string, string>>; readonly method?: string } = {},
): Promise<Tally> {
  return client.send({
    op: 'call',
    target,
    method: '/test.Echo/Who',
    count,
    deadlineMs: 5000,
    ...rest,
  });
}
