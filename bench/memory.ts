// `node bench/memory.ts [http1|http2] [envoy|remora]`: what an idle sidecar, a cluster, an idle connection and an open
// stream cost, ours beside Envoy. RSS after ten seconds: with nothing, with 2,000 clusters of one host each, with 10,000
// keep-alive connections (4,000 over HTTP/2) that had one request each, in plaintext and with mTLS; over HTTP/2 also
// with 40 connections of 100 open streams, and with 3,000 idle connections to an upstream.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { binary } from './load/binary.ts';
import { envoyBootstrap } from './load/configs.ts';
import type { IdleHttp2 } from './load/idle-http2.ts';
import { makePki } from './load/pki.ts';
import { type PinnedProcess, rssMib, startPinned, stop, waitForPort } from './load/processes.ts';
import { plain } from './rows.ts';

const CLUSTERS = 2000;
const CONNECTIONS = 10_000;
/** The clusters let through 4,096 connections and requests. */
const HTTP2_CONNECTIONS = 4000;
const STREAMS = 100;
const POOLED = 3000;
const SETTLE_MS = 10_000;
const KIB_PER_MIB = 1024;
const NOBODY_PORT = 1;

const directory = mkdtempSync(join(os.tmpdir(), 'remora-memory-'));
let nextPort = 23000;

interface Setup {
  readonly clusters: number;
  readonly tls: boolean;
  readonly connections: number;
  /** Null = HTTP/1. */
  readonly http2: Pick<IdleHttp2, 'streams' | 'backend' | 'backendTls'> | null;
}

type Peer = 'envoy' | 'remora';

const pki = await makePki(directory);

async function measure(peer: Peer, setup: Setup): Promise<number> {
  const ports = { listen: nextPort++, admin: nextPort++ };
  const file = join(directory, `${peer}-${ports.listen}.json`);
  const { http2 } = setup;
  // Nobody answers there: a local reply is as good as any.
  const upstreamPort = http2 === null || http2.backend === 'none' ? NOBODY_PORT : nextPort++;
  const bootstrap = envoyBootstrap({
    ports,
    upstreamPort,
    downstreamTls: setup.tls ? pki : null,
    upstreamTls: http2?.backendTls ? pki : null,
    shape: http2 === null ? plain : { ...plain, clients: 'http2', backend: 'files-http2' },
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
    if (setup.connections > 0)
      running.push(await holdConnections(ports.listen, upstreamPort, setup));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return rssMib(running.slice(0, 1));
  } finally {
    await stop(running);
  }
}

async function holdConnections(
  port: number,
  backendPort: number,
  setup: Setup,
): Promise<PinnedProcess> {
  const { caFile, certificateFile, keyFile } = pki;
  const { connections, tls, http2 } = setup;
  const files = { caFile, certificateFile, keyFile };
  const args =
    http2 === null
      ? [String(port), String(connections), tls ? 'tls' : 'plain', ...Object.values(files)]
      : [JSON.stringify({ ...{ port, connections, tls, backendPort }, ...http2, ...files })];
  const program = join(import.meta.dirname, http2 === null ? 'load/idle.ts' : 'load/idle-http2.ts');
  const client = startPinned('idle', 1, process.execPath, [program, ...args]);
  await new Promise<void>((resolve, reject) => {
    client.child.stdout?.once('data', () => resolve());
    client.child.once('exit', () => reject(new Error('the idle client ended early')));
  });
  return client;
}

const nothing: Setup = { clusters: 0, tls: false, connections: 0, http2: null };
const each = (mib: number, less: number, count: number) =>
  `${(((mib - less) * KIB_PER_MIB) / count).toFixed(1)} KiB`;

async function http1Rows(peer: Peer): Promise<string> {
  const idle = await measure(peer, nothing);
  const idleTls = await measure(peer, { ...nothing, tls: true });
  const clusters = await measure(peer, { ...nothing, clusters: CLUSTERS });
  const plain = await measure(peer, { ...nothing, connections: CONNECTIONS });
  const tls = await measure(peer, { ...nothing, tls: true, connections: CONNECTIONS });
  return (
    `idle ${idle.toFixed(1)} MiB, a cluster ${each(clusters, idle, CLUSTERS)}, ` +
    `an idle connection ${each(plain, idle, CONNECTIONS)}, with mTLS ${each(tls, idleTls, CONNECTIONS)}`
  );
}

/** A line each, as they come. */
async function http2Rows(peer: Peer): Promise<void> {
  const row = async (title: string, setup: Pick<Setup, 'tls' | 'connections' | 'http2'>) => {
    const idle = await measure(peer, { ...nothing, ...setup, connections: 0 });
    const held = await measure(peer, { ...nothing, ...setup });
    const count = setup.connections * Math.max(1, setup.http2?.streams ?? 0);
    process.stdout.write(`${peer}, HTTP/2: ${title} ${each(held, idle, count)}\n`);
  };
  const quiet = { streams: 0, backend: 'none', backendTls: false } as const;
  const many = { connections: HTTP2_CONNECTIONS, http2: quiet };
  await row('an idle connection', { tls: false, ...many });
  await row('an idle connection with mTLS', { tls: true, ...many });
  const streams = { streams: STREAMS, backend: 'silent', backendTls: false } as const;
  await row("an open stream with its upstream's", {
    ...{ tls: false, connections: HTTP2_CONNECTIONS / STREAMS, http2: streams },
  });
  for (const backendTls of [false, true]) {
    const pools = { streams: STREAMS, backend: 'one-stream', backendTls } as const;
    await row(`an idle upstream connection${backendTls ? ' with mTLS' : ''}`, {
      ...{ tls: false, connections: POOLED / STREAMS, http2: pools },
    });
  }
}

const isWanted = (word: string, others: string) =>
  process.argv.includes(word) || !process.argv.includes(others);

try {
  for (const peer of ['envoy', 'remora'] as const) {
    if (!isWanted(peer, peer === 'envoy' ? 'remora' : 'envoy')) continue;
    if (isWanted('http1', 'http2')) process.stdout.write(`${peer}: ${await http1Rows(peer)}\n`);
    if (isWanted('http2', 'http1')) await http2Rows(peer);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
