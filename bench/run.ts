// `npm run bench [-- --rows plain,pair --rounds 3 --seconds 4 --peers envoy,remora]`
//
// Runs Envoy, NGINX, HAProxy and Remora on the same job, interleaved: in every round each proxy runs each
// row once, so that a machine that slows down slows them all. The proxy has core 0 to itself, load and
// backend share core 1. Prints CPU per request with the ratio to Envoy, and writes bench/results/*.json.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestCa } from '../test/fakes/pki.ts';
import { binary } from './load/binary.ts';
import {
  envoyBootstrap,
  haproxyConf,
  nginxBackendConf,
  nginxProxyConf,
  type Pki,
  type Ports,
} from './load/configs.ts';
import {
  cpuSeconds,
  type PinnedProcess,
  rssMib,
  startPinned,
  stop,
  waitForPort,
} from './load/processes.ts';
import { printTable, type Sample } from './load/table.ts';
import { runWrk } from './load/wrk.ts';

const PROXY_CORE = 0;
const LOAD_CORE = 1;
const BACKEND_PORT = 21000;

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string' },
    peers: { type: 'string', default: 'envoy,nginx,haproxy,remora' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    output: { type: 'string' },
  },
});

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly title: string;
  readonly path: string;
  readonly connections: number;
  readonly headers: readonly string[];
  /** Two sidecars with mTLS between them instead of one. */
  readonly pair: boolean;
  readonly routes: number;
}

const plainRow = { path: '/', connections: 64, headers: [], pair: false, routes: 0 };
const allRows: readonly Row[] = [
  { ...plainRow, name: 'plain', title: '1 KiB, keep-alive, 64 connections' },
  { ...plainRow, name: 'pair', title: 'pair of sidecars, mTLS between, 1 KiB', pair: true },
  { ...plainRow, name: '64k', title: '64 KiB', path: '/64k' },
  { ...plainRow, name: '1m', title: '1 MiB', path: '/1m', connections: 16 },
  {
    ...plainRow,
    name: 'newconn',
    title: 'a new connection per request',
    headers: ['Connection: close'],
  },
  { ...plainRow, name: 'route-1', title: '10,000 routes, the first', path: '/r0/', routes: 10_000 },
  {
    ...plainRow,
    name: 'route-10000',
    title: '10,000 routes, the last',
    path: '/r9999/',
    routes: 10_000,
  },
];

function chosen<T extends { readonly name: string }>(all: readonly T[], names: string | undefined) {
  if (names === undefined) return all;
  const wanted = names.split(',');
  const unknown = wanted.filter((name) => !all.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no ${unknown.join(', ')}; there are: ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  return all.filter(({ name }) => wanted.includes(name));
}

const directory = mkdtempSync(join(os.tmpdir(), 'remora-bench-'));
const running: PinnedProcess[] = [];
let nextPort = 21100;

function ports(): Ports {
  nextPort += 2;
  return { listen: nextPort, admin: nextPort + 1 };
}

async function makePki(): Promise<Pki> {
  const ca = await TestCa.create('bench');
  const leaf = await ca.issue({
    uri: ['spiffe://bench.test/ns/default/sa/peer'],
    dns: ['peer.bench.test'],
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  return {
    caFile: file('ca.pem', ca.certificatePem),
    certificateFile: file('leaf.pem', leaf.certificatePem),
    keyFile: file('leaf.key', leaf.privateKeyPem),
    leaf,
  };
}

interface Link {
  readonly ports: Ports;
  readonly upstreamPort: number;
  readonly downstreamTls: Pki | null;
  readonly upstreamTls: Pki | null;
  readonly routes: number;
}

/** How to start one hop of each peer; null = that peer does not run this row. */
const peers: readonly {
  readonly name: string;
  readonly start: (name: string, link: Link) => PinnedProcess | null;
}[] = [
  {
    name: 'envoy',
    start: (name, link) => {
      const file = join(directory, `${name}.json`);
      writeFileSync(file, JSON.stringify(envoyBootstrap({ ...link, extraClusters: 0 })));
      const args = ['-c', file, '--concurrency', '1', '-l', 'error', '--disable-hot-restart'];
      return startPinned(name, PROXY_CORE, binary('envoy'), args);
    },
  },
  {
    name: 'nginx',
    start: (name, link) => {
      if (link.routes > 0) return null;
      const home = join(directory, name);
      mkdirSync(home);
      const file = join(home, 'nginx.conf');
      writeFileSync(file, nginxProxyConf({ ...link, directory: home }));
      return startPinned(name, PROXY_CORE, 'nginx', ['-c', file, '-p', home]);
    },
  },
  {
    name: 'haproxy',
    start: (name, link) => {
      if (link.routes > 0 || link.downstreamTls !== null || link.upstreamTls !== null) return null;
      const file = join(directory, `${name}.cfg`);
      writeFileSync(file, haproxyConf({ ...link, directory }));
      return startPinned(name, PROXY_CORE, 'haproxy', ['-f', file]);
    },
  },
  {
    name: 'remora',
    start: (name, link) => {
      const file = join(directory, `${name}.json`);
      writeFileSync(file, JSON.stringify(envoyBootstrap({ ...link, extraClusters: 0 })));
      const args = ['bin/remora.js', 'proxy', '-c', file, '--concurrency', '1', '-l', 'error'];
      return startPinned(name, PROXY_CORE, process.execPath, args);
    },
  },
];

/** Starts one peer for one shape of the job; the url of its entrance, or null. */
async function startPeer(
  peer: (typeof peers)[number],
  row: Row,
  pki: Pki,
): Promise<{ readonly hops: readonly PinnedProcess[]; readonly port: number } | null> {
  const label = `${peer.name}-${row.pair ? 'pair' : `routes${row.routes}`}`;
  const entrance = ports();
  if (!row.pair) {
    const link = {
      upstreamPort: BACKEND_PORT,
      downstreamTls: null,
      upstreamTls: null,
      routes: row.routes,
    };
    const hop = peer.start(label, { ...link, ports: entrance });
    if (hop === null) return null;
    running.push(hop);
    await waitForPort(entrance.listen);
    return { hops: [hop], port: entrance.listen };
  }
  const exit = ports();
  const second = peer.start(`${label}-in`, {
    ports: exit,
    upstreamPort: BACKEND_PORT,
    downstreamTls: pki,
    upstreamTls: null,
    routes: 0,
  });
  if (second === null) return null;
  const first = peer.start(`${label}-out`, {
    ports: entrance,
    upstreamPort: exit.listen,
    downstreamTls: null,
    upstreamTls: pki,
    routes: 0,
  });
  if (first === null) return null;
  running.push(second, first);
  await waitForPort(exit.listen);
  await waitForPort(entrance.listen);
  return { hops: [second, first], port: entrance.listen };
}

async function main(): Promise<void> {
  const rows = chosen(allRows, flags.rows);
  const chosenPeers = chosen(peers, flags.peers);
  const seconds = Number(flags.seconds);
  const www = join(directory, 'www');
  mkdirSync(www);
  writeFileSync(join(www, '1k'), Buffer.alloc(1024, 'a'));
  writeFileSync(join(www, '64k'), Buffer.alloc(64 * 1024, 'a'));
  writeFileSync(join(www, '1m'), Buffer.alloc(1024 * 1024, 'a'));
  const backendConf = join(directory, 'backend.conf');
  writeFileSync(backendConf, nginxBackendConf(BACKEND_PORT, directory));
  running.push(startPinned('backend', LOAD_CORE, 'nginx', ['-c', backendConf, '-p', directory]));
  await waitForPort(BACKEND_PORT);
  const pki = await makePki();

  // One process per peer and shape, kept for all rounds: warm, as in production.
  const shapes = new Map<string, Awaited<ReturnType<typeof startPeer>>>();
  const samples: Sample[] = [];
  for (let round = 0; round <= Number(flags.rounds); round++) {
    for (const row of rows) {
      for (const peer of chosenPeers) {
        const shape = `${peer.name}/${row.pair}/${row.routes}`;
        let started = shapes.get(shape);
        if (started === undefined) {
          started = await startPeer(peer, row, pki);
          shapes.set(shape, started);
        }
        if (started === null) continue;
        const { hops, port } = started;
        const before = cpuSeconds(hops);
        const result = await runWrk({
          core: LOAD_CORE,
          url: `http://127.0.0.1:${port}${row.path}`,
          connections: row.connections,
          seconds: round === 0 ? 2 : seconds,
          headers: row.headers,
        });
        // Round 0 warms up (JIT, connections) and is thrown away.
        if (round === 0) continue;
        const cpuMicroseconds = ((cpuSeconds(hops) - before) * 1e6) / Math.max(1, result.requests);
        samples.push({
          ...result,
          peer: peer.name,
          row: row.name,
          cpuMicroseconds,
          rssMib: rssMib(hops),
        });
        process.stderr.write(
          `round ${round} ${row.name} ${peer.name}: ${cpuMicroseconds.toFixed(1)} us, ` +
            `${result.requestsPerSecond.toFixed(0)}/s, errors ${result.errors}\n`,
        );
      }
    }
  }
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, ${os.release()}`;
  const date = new Date().toISOString().slice(0, 10);
  const output = flags.output ?? `bench/results/${date}-${commit}.json`;
  writeFileSync(
    output,
    `${JSON.stringify({ date, commit, machine, node: process.version, seconds, samples }, null, 1)}\n`,
  );
  process.stdout.write(`\n${date}, ${machine}, Node ${process.version}, commit ${commit}\n`);
  process.stdout.write(
    printTable(
      rows,
      chosenPeers.map(({ name }) => name),
      samples,
    ),
  );
  process.stdout.write(`\nsamples in ${output}\n`);
}

try {
  await main();
} finally {
  await stop(running);
  rmSync(directory, { recursive: true, force: true });
}
