// Starts a real Envoy or our own compiled sidecar for a test, from a bootstrap text, and stops it by pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What `npm run build` made, or e.g. cli/main.ts, which runs without a build. */
const remoraMain = resolve(root, process.env['REMORA_MAIN'] ?? 'bin/remora.js');
/** Our sidecars find out themselves who keeps bytes of a read slab, as those inside a test process do. */
const poisoned = {
  ...process.env,
  NODE_OPTIONS: `--import=${join(root, 'test/poison-slabs.ts')} ${process.env['NODE_OPTIONS'] ?? ''}`,
};
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

export interface ProxyPorts {
  readonly listen: number;
  readonly admin: number;
}

export interface RunningProxy {
  readonly kind: 'envoy' | 'remora';
  readonly pid: number;
  readonly ports: ProxyPorts;
  /** Scratch folder of this proxy; gone with `dispose`. */
  readonly directory: string;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  admin(path: string, method?: string): Promise<string>;
  /** SIGTERM, and waits. Harmless when it is gone already. */
  stop(): Promise<void>;
}

/** A port that nothing listens on right now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Envoy cannot bind port 0 twice under one name, so tests reserve ports first. */
export async function startProxy(
  kind: 'envoy' | 'remora',
  envoyBinary: string,
  bootstrap: (ports: ProxyPorts, directory: string) => string,
): Promise<RunningProxy> {
  const ports = { listen: await freePort(), admin: await freePort() };
  const directory = mkdtempSync(join(os.tmpdir(), `remora-test-${kind}-`));
  const file = join(directory, 'bootstrap.yaml');
  writeFileSync(file, bootstrap(ports, directory));
  const common = ['-c', file, '--concurrency', '1', '-l', 'warning'];
  const child =
    kind === 'envoy'
      ? spawn(envoyBinary, [
          ...common,
          '--disable-hot-restart',
          '--file-flush-interval-msec',
          '100',
        ])
      : spawn(process.execPath, [remoraMain, 'proxy', ...common], { env: poisoned });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const proxy: RunningProxy = {
    kind,
    pid: child.pid ?? 0,
    ports,
    directory,
    output: () => output,
    admin: async (path, method = 'GET') => {
      const response = await fetch(`http://127.0.0.1:${ports.admin}${path}`, { method });
      return response.text();
    },
    stop: () => stopChild(child),
  };
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      if ((await proxy.admin('/ready')).startsWith('LIVE')) return proxy;
    } catch {
      // not listening yet
    }
    if (child.exitCode !== null) throw new Error(`${kind} ended at start:\n${output}`);
    if (performance.now() > deadline) {
      await proxy.stop();
      throw new Error(`${kind} did not get ready:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 12_000).unref();
  });
}
