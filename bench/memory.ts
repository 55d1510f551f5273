// `node bench/memory.ts`: what an idle sidecar and each cluster cost, ours beside Envoy. RSS after ten seconds,
// with 0 and with 2,000 clusters of one host each.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { binary } from './load/binary.ts';
import { envoyBootstrap } from './load/configs.ts';
import { rssMib, startPinned, stop, waitForPort } from './load/processes.ts';

const CLUSTERS = 2000;
const SETTLE_MS = 10_000;
const KIB_PER_MIB = 1024;

const directory = mkdtempSync(join(os.tmpdir(), 'remora-memory-'));
let nextPort = 23000;

async function measure(peer: 'envoy' | 'remora', clusters: number): Promise<number> {
  const ports = { listen: nextPort++, admin: nextPort++ };
  const file = join(directory, `${peer}-${clusters}.json`);
  const bootstrap = envoyBootstrap({
    ports,
    upstreamPort: 1,
    downstreamTls: null,
    upstreamTls: null,
    routes: 0,
    extraClusters: clusters,
  });
  writeFileSync(file, JSON.stringify(bootstrap));
  const common = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const process_ =
    peer === 'envoy'
      ? startPinned(peer, 0, binary('envoy'), [...common, '--disable-hot-restart'])
      : startPinned(peer, 0, process.execPath, ['bin/remora.js', 'proxy', ...common]);
  try {
    await waitForPort(ports.listen, 60_000);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return rssMib([process_]);
  } finally {
    await stop([process_]);
  }
}

try {
  for (const peer of ['envoy', 'remora'] as const) {
    const idle = await measure(peer, 0);
    const loaded = await measure(peer, CLUSTERS);
    const perCluster = ((loaded - idle) * KIB_PER_MIB) / CLUSTERS;
    process.stdout.write(
      `${peer}: idle ${idle.toFixed(1)} MiB, with ${CLUSTERS} clusters ${loaded.toFixed(1)} MiB, ` +
        `${perCluster.toFixed(1)} KiB per cluster\n`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
