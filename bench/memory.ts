// `node bench/memory.ts`: what an idle sidecar, a cluster and an idle connection cost, ours beside Envoy. RSS after
// ten seconds: with nothing, with 2,000 clusters of one host each, with 10,000 keep-alive connections that had one
// request each, in plaintext and with mTLS.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { binary } from './load/binary.ts';
import { envoyBootstrap } from './load/configs.ts';
import { makePki } from './load/pki.ts';
import { type PinnedProcess, rssMib, startPinned, stop, waitForPort } from './load/processes.ts';
import { plain } from './rows.ts';

const CLUSTERS = 2000;
const CONNECTIONS = 10_000;
const SETTLE_MS = 10_000;
const KIB_PER_MIB = 1024;
const NOBODY_PORT = 1;

const directory = mkdtempSync(join(os.tmpdir(), 'remora-memory-'));
let nextPort = 23000;

interface Setup {
  readonly clusters: number;
  readonly tls: boolean;
  readonly connections: number;
}

const pki = await makePki(directory);

async function measure(peer: 'envoy' | 'remora', setup: Setup): Promise<number> {
  const ports = { listen: nextPort++, admin: nextPort++ };
  const file = join(directory, `${peer}-${ports.listen}.json`);
  const bootstrap = envoyBootstrap({
    ports,
    // Nobody answers there: a local reply is as good as any.
    upstreamPort: NOBODY_PORT,
    downstreamTls: setup.tls ? pki : null,
    upstreamTls: null,
    shape: plain,
    directory,
    extraClusters: setup.clusters,
  });
  writeFileSync(file, JSON.stringify(bootstrap));
  const common = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const running: PinnedProcess[] = [
    peer === 'envoy'
      ? startPinned(peer, 0, binary('envoy'), [...common, '--disable-hot-restart'])
      : startPinned(peer, 0, process.execPath, ['bin/remora.js', 'proxy', ...common]),
  ];
  try {
    await waitForPort(ports.listen, 60_000);
    if (setup.connections > 0) running.push(await holdConnections(ports.listen, setup));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return rssMib(running.slice(0, 1));
  } finally {
    await stop(running);
  }
}

async function holdConnections(port: number, setup: Setup): Promise<PinnedProcess> {
  const files = [pki.caFile, pki.certificateFile, pki.keyFile];
  const args = [String(port), String(setup.connections), setup.tls ? 'tls' : 'plain', ...files];
  const program = join(import.meta.dirname, 'load/idle.ts');
  const client = startPinned('idle', 1, process.execPath, [program, ...args]);
  await new Promise<void>((resolve, reject) => {
    client.child.stdout?.once('data', () => resolve());
    client.child.once('exit', () => reject(new Error('the idle client ended early')));
  });
  return client;
}

try {
  for (const peer of ['envoy', 'remora'] as const) {
    const nothing = { clusters: 0, tls: false, connections: 0 };
    const idle = await measure(peer, nothing);
    const idleTls = await measure(peer, { ...nothing, tls: true });
    const clusters = await measure(peer, { ...nothing, clusters: CLUSTERS });
    const plain = await measure(peer, { ...nothing, connections: CONNECTIONS });
    const tls = await measure(peer, { ...nothing, tls: true, connections: CONNECTIONS });
    const each = (mib: number, less: number, count: number) =>
      (((mib - less) * KIB_PER_MIB) / count).toFixed(1);
    process.stdout.write(
      `${peer}: idle ${idle.toFixed(1)} MiB, a cluster ${each(clusters, idle, CLUSTERS)} KiB, ` +
        `an idle connection ${each(plain, idle, CONNECTIONS)} KiB, ` +
        `with mTLS ${each(tls, idleTls, CONNECTIONS)} KiB\n`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
