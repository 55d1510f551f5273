// A mesh for a test in which real Envoys and our own sidecars run side by side, each a process, driven by our control
// plane. Envoys are told by hand what a sidecar of ours says when it joins: in node.metadata.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RestClient } from '../../cli/rest-client.ts';
import { findPeer } from './peers.ts';
import { freePort } from './proxies.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 12_000;
const POLL_MS = 100;
const KEPT_OUTPUT = 8000;

/** What stands behind a sidecar. */
export interface Workload {
  readonly service: string;
  /** Left out where the service has no versions. */
  readonly version?: string;
  readonly appPort: number;
}

export interface MixedSidecar {
  readonly outbound: number;
  readonly admin: number;
}

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  output: string;
}

export class MixedMesh {
  readonly #directory = mkdtempSync(join(os.tmpdir(), 'remora-mesh-test-'));
  readonly #children: Child[] = [];
  readonly #sidecars = new Map<string, MixedSidecar>();
  #rest: RestClient | null = null;
  #xdsPort = 0;
  #plaintextPort = 0;

  get rest(): RestClient {
    assert.ok(this.#rest !== null);
    return this.#rest;
  }

  sidecar(name: string): MixedSidecar {
    const sidecar = this.#sidecars.get(name);
    assert.ok(sidecar !== undefined, `no sidecar ${name}`);
    return sidecar;
  }

  /** Resolves when the control plane has taken `documents`. */
  async start(documents: string): Promise<void> {
    this.#xdsPort = await freePort();
    this.#plaintextPort = await freePort();
    const restPort = await freePort();
    const mesh = join(this.#directory, 'mesh');
    mkdirSync(mesh);
    writeFileSync(join(mesh, 'mesh.yaml'), documents);
    this.#spawn('controlplane', process.execPath, [
      join(root, 'bin/remora.js'),
      'controlplane',
      ...['--config', mesh, '--xds-port', String(this.#xdsPort), '--rest-port', String(restPort)],
      ...['--plaintext-xds-port', String(this.#plaintextPort), '-l', 'warning'],
    ]);
    const rest = new RestClient(`http://127.0.0.1:${restPort}`, null);
    this.#rest = rest;
    await this.until('the control plane is ready', () => rest.isReady());
  }

  /** DELTA_GRPC and GRPC are the two forms of ADS. */
  async startEnvoy(name: string, apiType: 'DELTA_GRPC' | 'GRPC', workload: Workload) {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const { service, version, appPort } = workload;
    const remora = {
      service,
      ...(version === undefined ? {} : { version }),
      app_port: appPort,
      address: '127.0.0.1',
      inbound_port: inbound,
      outbound_port: outbound,
    };
    const bootstrap = {
      node: { id: `default/${name}`, cluster: service, metadata: { remora } },
      admin: { address: socketAddress(admin) },
      ...dynamicResources(apiType),
      static_resources: { clusters: [xdsCluster(this.#plaintextPort)] },
    };
    const file = join(this.#directory, `${name}.json`);
    writeFileSync(file, JSON.stringify(bootstrap));
    this.#spawn(name, findPeer('envoy') ?? 'envoy', [
      ...['-c', file, '--concurrency', '1', '-l', 'warning', '--disable-hot-restart'],
    ]);
    this.#sidecars.set(name, { outbound, admin });
  }

  async startOurs(name: string, { service, version, appPort }: Workload): Promise<void> {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const token = join(this.#directory, `${name}.token`);
    writeFileSync(token, await this.rest.createToken(service), { mode: 0o600 });
    this.#spawn(name, process.execPath, [
      join(root, 'bin/remora.js'),
      'proxy',
      ...['--join', `127.0.0.1:${this.#xdsPort}`, '--service', service],
      ...['--app-port', String(appPort)],
      ...(version === undefined ? [] : ['--version', version]),
      ...['--inbound-port', String(inbound), '--outbound-port', String(outbound)],
      ...['--admin-port', String(admin), '--advertise-address', '127.0.0.1', '--token-file', token],
      ...['--state-dir', join(this.#directory, 'sidecars')],
      ...['--concurrency', '1', '-l', 'warning'],
    ]);
    this.#sidecars.set(name, { outbound, admin });
  }

  /** Every sidecar is LIVE. */
  async ready(): Promise<void> {
    for (const [name, { admin }] of this.#sidecars) {
      await this.until(`${name} is ready`, async () => {
        const response = await fetch(`http://127.0.0.1:${admin}/ready`);
        return response.status === 200;
      });
    }
  }

  /** A process that is there and answers nothing any more. */
  freeze(name: string): void {
    const child = this.#children.find((each) => each.name === name);
    assert.ok(child !== undefined, `no process ${name}`);
    child.process.kill('SIGSTOP');
  }

  /** Polls; the outputs of all processes go into the failure. */
  async until(what: string, probe: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let last: unknown = '';
    for (;;) {
      try {
        if (await probe()) return;
      } catch (thrown) {
        last = thrown;
      }
      if (performance.now() > deadline) {
        const outputs = this.#children.map(({ name, output }) => `== ${name}\n${output}`);
        assert.fail(`${what} did not happen (${String(last)})\n${outputs.join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(({ process }) => stopped(process)));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #spawn(name: string, command: string, args: readonly string[]): void {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const entry: Child = { name, process: child, output: '' };
    const keep = (chunk: Buffer) => {
      entry.output = (entry.output + chunk.toString()).slice(-KEPT_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#children.push(entry);
  }
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) {
      resolve();
      return;
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
    // One that was frozen must wake up for it.
    child.kill('SIGCONT');
  });
}

function socketAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

/** Of a bootstrap that takes everything from the cluster below. */
export function dynamicResources(apiType: 'DELTA_GRPC' | 'GRPC'): object {
  const ads = { ads: {}, resource_api_version: 'V3' };
  return {
    dynamic_resources: {
      ads_config: {
        api_type: apiType,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
  };
}

export function xdsCluster(port: number): object {
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    name: 'xds',
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      [options]: {
        '@type': `type.googleapis.com/${options}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'xds',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(port) } }] }],
    },
  };
}
