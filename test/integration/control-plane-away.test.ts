// A sidecar that starts while the control plane is away serves with what was good last: as its own process, joined,
// with mTLS to its peer. When the control plane comes back it is heard again.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../fakes/until.ts';
import { freePort, portOf, startApplication, TestMesh } from './mesh.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
/** Beyond what a sidecar without any control plane takes to be up: that is the machine's, not the restoration's. */
const SERVES_WITHIN_MS = 2000;
/** What that takes where nothing else runs; a machine that is slower gets as much more time. */
const QUIET_START_MS = 1000;
const START_TIMEOUT_MS = 60_000;
/** The stream's back-off and the join's have grown meanwhile. */
const BACK_WITHIN_MS = 45_000;

const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: frontend}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}], versions: [{name: v1}, {name: v2}]}
`;

const toOrders = (weights: readonly [number, number]) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'orders' },
  spec: {
    parentRefs: [{ kind: 'Service', group: '', name: 'orders' }],
    rules: [
      {
        backendRefs: weights.map((weight, i) => ({
          group: 'remora.dev',
          kind: 'ServiceVersion',
          name: `orders-v${i + 1}`,
          port: 80,
          weight,
        })),
      },
    ],
  },
});

/** The frontend's sidecar in a process of its own, always at the same ports. */
class Frontend {
  readonly #args: readonly string[];
  readonly #outboundPort: number;
  readonly #adminPort: number;
  #child: ChildProcess | null = null;
  #output = '';
  startedMs = 0;

  private constructor(args: readonly string[], outboundPort: number, adminPort: number) {
    this.#args = args;
    this.#outboundPort = outboundPort;
    this.#adminPort = adminPort;
  }

  static async create(mesh: TestMesh, appPort: number): Promise<Frontend> {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const tokenFile = join(mesh.directory, '..', 'frontend.token');
    writeFileSync(tokenFile, await mesh.api.createToken('frontend'), { mode: 0o600 });
    return new Frontend(
      [
        main,
        'proxy',
        ...['--join', `127.0.0.1:${mesh.xdsPort}`, '--service', 'frontend'],
        ...['--app-port', String(appPort), '--inbound-port', String(inbound)],
        ...['--outbound-port', String(outbound), '--admin-port', String(admin)],
        ...['--advertise-address', '127.0.0.1', '--token-file', tokenFile],
        ...['--state-dir', join(mesh.directory, '..', 'sidecar')],
        ...['--concurrency', '1', '--shutdown-time-s', '1', '-l', 'info'],
      ],
      outbound,
      admin,
    );
  }

  start(): void {
    this.#output = '';
    this.startedMs = performance.now();
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer) => {
      this.#output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill(signal);
    });
  }

  get output(): string {
    return this.#output;
  }

  /** What orders answers; '' = nothing of use. */
  ask(): Promise<string> {
    return new Promise((resolve) => {
      const options = { port: this.#outboundPort, headers: { host: 'orders' }, agent: false };
      const request = http.get({ host: '127.0.0.1', ...options }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => resolve(response.statusCode === 200 ? body : ''));
      });
      request.on('error', () => resolve(''));
    });
  }

  async untilItAnswers(body: string): Promise<void> {
    try {
      await until(
        `orders answers ${body}`,
        async () => (await this.ask()) === body,
        START_TIMEOUT_MS,
      );
    } catch (thrown) {
      throw new Error(`${String(thrown)}\n${this.#output}`);
    }
  }

  async stat(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/stats?filter=^${name}$`);
    return Number((await response.text()).split(': ')[1]);
  }
}

/** From spawn to LIVE of a sidecar that has nothing to do, ms. */
async function timeBareStart(): Promise<number> {
  const port = await freePort();
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const args = [main, 'proxy', '--concurrency', '1', '-l', 'off'];
  const startMs = performance.now();
  const bootstrap = ['--config-yaml', JSON.stringify({ admin })];
  const child = spawn(process.execPath, [...args, ...bootstrap], { stdio: 'ignore' });
  const isLive = async () => {
    try {
      return (await (await fetch(`http://127.0.0.1:${port}/ready`)).text()).startsWith('LIVE');
    } catch {
      return false; // it does not listen yet
    }
  };
  await until('a bare sidecar is up', isLive, START_TIMEOUT_MS);
  const tookMs = performance.now() - startMs;
  child.kill('SIGKILL');
  return tookMs;
}

describe('a sidecar that restarts while the control plane is away', () => {
  let mesh: TestMesh;
  let frontend: Frontend;
  let application: http.Server;

  before(async () => {
    mesh = await TestMesh.start(documents);
    await mesh.api.apply(toOrders([1, 0]));
    await mesh.join('orders', 'v1', 'v1');
    await mesh.join('orders', 'v2', 'v2');
    application = await startApplication('frontend');
    frontend = await Frontend.create(mesh, portOf(application));
  });
  after(async () => {
    await frontend?.end('SIGKILL');
    application?.close();
    await mesh?.stop();
  });

  test('keeps what was good last on disk', async () => {
    frontend.start();
    await frontend.untilItAnswers('v1');
    await mesh.synced(3);
    await until('it is written', async () => (await frontend.stat('last_good.written')) >= 1);
    assert.equal(await frontend.stat('last_good.restored_resources'), 0);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`serves within two seconds after ${signal}`, async (context) => {
      await frontend.end(signal);
      await mesh.stopControlPlane();
      const bareStartMs = await timeBareStart();
      frontend.start();
      await frontend.untilItAnswers('v1');
      const tookMs = performance.now() - frontend.startedMs;
      const extraMs = tookMs - bareStartMs;
      context.diagnostic(`served after ${Math.round(tookMs)} ms, bare ${Math.round(bareStartMs)}`);
      const limitMs = SERVES_WITHIN_MS * Math.max(1, bareStartMs / QUIET_START_MS);
      assert.ok(extraMs < limitMs, `${extraMs} ms more\n${frontend.output}`);
      assert.ok((await frontend.stat('last_good.restored_resources')) > 0);
      assert.match(await frontend.ask(), /v1/);
    });

    test('hears the control plane when it comes back', async () => {
      await mesh.startControlPlane();
      await until('all are in sync', () => mesh.api.allSynced(3), BACK_WITHIN_MS);
      await mesh.api.apply(toOrders([0, 1]));
      await frontend.untilItAnswers('v2');
      await mesh.api.apply(toOrders([1, 0]));
      await frontend.untilItAnswers('v1');
      const written = await frontend.stat('last_good.written');
      await until(
        'it is written',
        async () => (await frontend.stat('last_good.written')) > written,
      );
    });
  }
});
