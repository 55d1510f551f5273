// A small mesh in this process for a test: a control plane on its own folder, applications, and sidecars that
// joined it with a token. Ports are 0 or were free a moment ago.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { RestClient } from '../../cli/rest-client.ts';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { silentLogger } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import type { AdsLimits } from '../../controlplane/ads/server.ts';
import { type ControlPlane, runControlPlane } from '../../controlplane/main.ts';
import { joinBootstrap } from '../../dataplane/join/bootstrap.ts';
import { JoinClient } from '../../dataplane/join/join-client.ts';
import { until } from '../fakes/ads-harness.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

/** Short, so that a test sees reports. */
const LOAD_REPORT_INTERVAL_MS = 500;

export interface MeshSidecar extends Sidecar {
  readonly nodeId: string;
  readonly outboundPort: number;
}

/** A port that nobody listens on; for what must be known before it is bound. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** An upstream that answers everything with `body`. */
export async function startApplication(body: string): Promise<http.Server> {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export function portOf(server: http.Server): number {
  return (server.address() as AddressInfo).port; // listens on TCP
}

export class TestMesh {
  readonly directory: string;
  readonly #folder: string;
  readonly #apiToken: string | null;
  readonly #applications: http.Server[] = [];
  readonly #sidecars: Sidecar[] = [];
  #controlPlane: ControlPlane | null = null;
  /** As they were first bound; a restart takes them again. */
  #xdsPort = 0;
  #plaintextPort = 0;
  readonly #xdsLimits: AdsLimits;

  private constructor(directory: string, apiToken: string | null, xdsLimits: AdsLimits) {
    this.#apiToken = apiToken;
    this.#xdsLimits = xdsLimits;
    this.directory = join(directory, 'mesh');
    this.#folder = directory;
  }

  /** `documents` is the content of mesh.yaml in the watched `directory`. */
  static async start(
    documents: string,
    {
      apiToken = null,
      xdsLimits = {},
    }: { readonly apiToken?: string | null; readonly xdsLimits?: AdsLimits } = {},
  ): Promise<TestMesh> {
    const mesh = new TestMesh(mkdtempSync(join(tmpdir(), 'remora-mesh-')), apiToken, xdsLimits);
    mkdirSync(mesh.directory);
    writeFileSync(join(mesh.directory, 'mesh.yaml'), documents);
    await mesh.startControlPlane();
    return mesh;
  }

  async startControlPlane(): Promise<void> {
    this.#controlPlane = await runControlPlane({
      config: this.directory,
      stateDir: join(this.#folder, 'state'),
      xds: { address: '127.0.0.1', port: this.#xdsPort },
      plaintextXdsPort: this.#plaintextPort,
      xdsLimits: this.#xdsLimits,
      rest: { address: '127.0.0.1', port: 0 },
      apiToken: this.#apiToken,
      graceMs: 30_000,
      loadReportIntervalMs: LOAD_REPORT_INTERVAL_MS,
      logLevel: 'off',
    });
    this.#xdsPort = this.#controlPlane.xdsPort;
    this.#plaintextPort = this.#controlPlane.plaintextXdsPort ?? 0;
  }

  async stopControlPlane(): Promise<void> {
    await this.#controlPlane?.close();
    this.#controlPlane = null;
  }

  get xdsPort(): number {
    return this.#xdsPort;
  }

  /** xDS without TLS and tokens. */
  get plaintextXdsPort(): number {
    const port = this.#controlPlane?.plaintextXdsPort ?? null;
    if (port === null) throw new Error('the control plane is stopped');
    return port;
  }

  get restUrl(): string {
    if (this.#controlPlane === null) throw new Error('the control plane is stopped');
    return `http://127.0.0.1:${this.#controlPlane.restPort}`;
  }

  get api(): RestClient {
    return new RestClient(this.restUrl, this.#apiToken);
  }

  /** An application that answers `body`, and its sidecar, which has joined and is LIVE. */
  async join(
    service: string,
    version: string,
    body: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<MeshSidecar> {
    const application = await startApplication(body);
    this.#applications.push(application);
    return this.joinBeside(service, version, portOf(application), undefined, labels);
  }

  /** The same for an application that the test has started and stops. */
  async joinBeside(
    service: string,
    version: string,
    appPort: number,
    shutdownTimeMs = 500,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<MeshSidecar> {
    const token = await this.api.createToken(service);
    const outboundPort = await freePort();
    const client = new JoinClient({
      controlPlane: `127.0.0.1:${this.#xdsPort}`,
      service,
      namespace: 'default',
      version,
      appPort,
      inboundPort: await freePort(),
      outboundPort,
      advertiseAddress: null,
      labels,
      readToken: () => token,
      memberships: null,
      clock: systemClock,
      random: systemRandom,
      timers: new TimerWheel(),
      logger: silentLogger(),
    });
    const session = await client.join();
    const { admin: _ownOne, ...bootstrap } = joinBootstrap({
      nodeId: session.nodeId,
      service,
      namespace: 'default',
      version,
      labels,
      host: '127.0.0.1',
      port: this.#xdsPort,
      adminPort: 0,
      stateDirectory: null,
    });
    const sidecar = await startSidecar(stringify(bootstrap), {
      membership: { client, mesh: session },
      shutdownTimeMs,
    });
    this.#sidecars.push(sidecar);
    return { ...sidecar, nodeId: session.nodeId, outboundPort };
  }

  /** Every one of `count` sidecars is connected and has taken the newest documents. */
  async synced(count: number): Promise<void> {
    await until('all sidecars are in sync', () => this.api.allSynced(count));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sidecars.map((sidecar) => sidecar.stop()));
    await this.stopControlPlane();
    for (const application of this.#applications) {
      application.close();
      application.closeAllConnections();
    }
    rmSync(this.#folder, { recursive: true });
  }
}
