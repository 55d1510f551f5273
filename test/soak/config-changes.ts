// Routes, clusters and certificates change all the time under load (reliability F-16): no request fails, and who has a
// connection keeps it.
//
//   node test/soak/config-changes.ts --seconds 600
//
// test/integration/config-changes.test.ts runs a short form.

import http from 'node:http';
import { parseArgs } from 'node:util';
import { Load } from '../integration/load.ts';
import { TestMesh } from '../integration/mesh.ts';

export interface ConfigChangesOptions {
  readonly seconds: number;
  /** From one change to the next. */
  readonly everyMs: number;
  /** Clients that keep one connection each. */
  readonly keepers: number;
}

export interface ConfigChangesReport {
  readonly changes: number;
  readonly answers: number;
  readonly failed: readonly string[];
  /** Connections that clients wanted to keep and that ended. */
  readonly lost: number;
  /** Of the caller's sidecar. */
  readonly listenersModified: number;
  /** Both versions have answered: the weights were obeyed. */
  readonly bodies: readonly string[];
  /** Certificates that the caller's sidecar was given. */
  readonly certificates: number;
}

const KEEPER_PAUSE_MS = 20;
const documents = `
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

const change: readonly ((turn: number) => object)[] = [
  (turn) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'orders' },
    spec: {
      parentRefs: [{ kind: 'Service', group: '', name: 'orders' }],
      rules: [
        {
          backendRefs: [turn % 10, 10 - (turn % 10)].map((weight, i) => ({
            group: 'remora.dev',
            kind: 'ServiceVersion',
            name: `orders-v${i + 1}`,
            port: 80,
            weight,
          })),
        },
      ],
    },
  }),
  (turn) => ({
    apiVersion: 'remora.dev/v1',
    kind: 'TrafficPolicy',
    metadata: { name: 'orders' },
    spec: {
      targetRef: { kind: 'Service', name: 'orders' },
      timeouts: { connect: `${1 + (turn % 5)}s` },
    },
  }),
  (turn) => ({
    apiVersion: 'remora.dev/v1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    // Another lifetime is another certificate for everybody.
    spec: { certificates: { ttl: `${60 + (turn % 50)}m` } },
  }),
];

/** See the file head. */
export async function configChanges(options: ConfigChangesOptions): Promise<ConfigChangesReport> {
  const mesh = await TestMesh.start(documents);
  try {
    await mesh.join('orders', 'v1', 'v1');
    await mesh.join('orders', 'v2', 'v2');
    const frontend = await mesh.join('frontend', '', 'frontend');
    await mesh.synced(3);
    const modified = async () =>
      statOf(await frontend.admin('/stats?filter=listener_manager.listener_modified$'));
    const certificates = async () =>
      statOf(await frontend.admin('/stats?filter=^sds.default.update_success$'));
    const before = { modified: await modified(), certificates: await certificates() };
    const keepers = Array.from(
      { length: options.keepers },
      () => new Keeper(frontend.outboundPort, 'orders'),
    );
    const load = new Load({ port: frontend.outboundPort, host: 'orders' });
    let changes = 0;
    const endMs = performance.now() + options.seconds * 1000;
    while (performance.now() < endMs) {
      const make = change[changes % change.length]!;
      await mesh.api.apply(make(++changes));
      await new Promise((resolve) => setTimeout(resolve, options.everyMs));
    }
    await mesh.synced(3);
    await load.stop();
    await Promise.all(keepers.map((keeper) => keeper.stop()));
    return {
      changes,
      answers: load.answered + keepers.reduce((sum, { answers }) => sum + answers, 0),
      failed: [...load.failures, ...keepers.flatMap(({ failures }) => failures)],
      lost: keepers.reduce((sum, { connections }) => sum + connections - 1, 0),
      listenersModified: (await modified()) - before.modified,
      bodies: load.takeBodies(),
      certificates: (await certificates()) - before.certificates,
    };
  } finally {
    await mesh.stop();
  }
}

function statOf(line: string): number {
  return Number(line.split(': ')[1] ?? Number.NaN);
}

/** One request after the other on one connection, and how many connections that took. */
class Keeper {
  readonly failures: string[] = [];
  answers = 0;
  connections = 0;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(port: number, host: string) {
    this.#running = this.#run(port, host);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  async #run(port: number, host: string): Promise<void> {
    while (!this.#isStopped) {
      await this.#once(port, host);
      await new Promise((resolve) => setTimeout(resolve, KEEPER_PAUSE_MS));
    }
  }

  #once(port: number, host: string): Promise<void> {
    const options = { host: '127.0.0.1', port, headers: { host }, agent: this.#agent };
    return new Promise((resolve) => {
      const fail = (text: string): void => {
        this.failures.push(text);
        resolve();
      };
      const request = http.get(options, (response) => {
        response.resume();
        response.on('error', (error) => fail(error.message));
        response.on('end', () => {
          if (response.statusCode === 200) this.answers++;
          else this.failures.push(`status ${response.statusCode}`);
          resolve();
        });
      });
      request.on('socket', () => {
        if (!request.reusedSocket) this.connections++;
      });
      request.on('error', (error) => fail(error.message));
    });
  }
}

/** What does not hold. */
export function configChangesFailures(report: ConfigChangesReport): string[] {
  const failures: string[] = [];
  if (report.failed.length > 0)
    failures.push(`${report.failed.length} of ${report.answers} failed: ${report.failed[0]}`);
  if (report.lost > 0) failures.push(`${report.lost} kept connections ended`);
  if (report.listenersModified > 0) failures.push(`${report.listenersModified} listeners changed`);
  if (report.bodies.length < 2) failures.push(`only ${report.bodies.join()} answered`);
  if (report.certificates === 0) failures.push('no certificate came');
  return failures;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } });
  const report = await configChanges({
    seconds: Number(values.seconds),
    everyMs: 1000,
    keepers: 20,
  });
  const failures = configChangesFailures(report);
  console.log(JSON.stringify({ ...report, failures }, null, 1));
  process.exitCode = failures.length === 0 ? 0 : 1;
}
