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
import type { Pki, Ports } from './load/configs.ts';
import { runLoad } from './load/generators.ts';
import { nginxBackendConf } from './load/peer-configs.ts';
import { makePki } from './load/pki.ts';
import {
  cpuSeconds,
  type PinnedProcess,
  rssMib,
  startPinned,
  stop,
  waitForPort,
} from './load/processes.ts';
import { printTable, type Sample } from './load/table.ts';
import { type Peer, peers } from './peers.ts';
import { type Backend, http1Rows, type Shape } from './rows.ts';
import { http2Rows } from './rows-http2.ts';

const LOAD_CORE = 1;
const backendPorts: Readonly<Record<Backend, number>> = {
  files: 21000,
  echo: 21001,
  websocket: 21002,
  'files-http2': 21003,
  'files-http2-tls': 21004,
  grpc: 21005,
  'grpc-stream': 21006,
};

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string' },
    peers: { type: 'string', default: 'envoy,nginx,haproxy,remora' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    output: { type: 'string' },
  },
});

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

interface Started {
  readonly hops: readonly PinnedProcess[];
  /** Of its entrance. */
  readonly port: number;
}

/** Starts one peer in one shape; null = it does not run that. */
async function startPeer(peer: Peer, shape: Shape, pki: Pki): Promise<Started | null> {
  const label = `${peer.name}-${nextPort}`;
  const entrance = ports();
  const backendPort = backendPorts[shape.backend];
  if (!shape.pair) {
    const hop = {
      ports: entrance,
      upstreamPort: backendPort,
      downstreamTls: shape.tls === 'none' ? null : pki,
      upstreamTls: shape.backend === 'files-http2-tls' ? pki : null,
      shape,
    };
    return started([peer.start(label, hop, directory)], [entrance.listen], entrance.listen);
  }
  const exit = ports();
  const inbound = {
    ports: exit,
    upstreamPort: backendPort,
    downstreamTls: pki,
    upstreamTls: null,
    shape,
  };
  const outbound = {
    ports: entrance,
    upstreamPort: exit.listen,
    downstreamTls: null,
    upstreamTls: pki,
    shape,
  };
  const hops = [
    peer.start(`${label}-in`, inbound, directory),
    peer.start(`${label}-out`, outbound, directory),
  ];
  return started(hops, [exit.listen, entrance.listen], entrance.listen);
}

async function started(
  hops: readonly (PinnedProcess | null)[],
  listening: readonly number[],
  port: number,
): Promise<Started | null> {
  const here = hops.filter((hop) => hop !== null);
  running.push(...here);
  if (here.length < hops.length) return null;
  for (const one of listening) await waitForPort(one);
  return { hops: here, port };
}

/** One of our own in load/. */
function startBackend(name: string, ...ports: readonly number[]): void {
  const program = join(import.meta.dirname, `load/${name}.ts`);
  running.push(startPinned(name, LOAD_CORE, process.execPath, [program, ...ports.map(String)]));
}

async function main(): Promise<void> {
  const rows = chosen([...http1Rows, ...http2Rows], flags.rows);
  const chosenPeers = chosen(peers, flags.peers);
  const seconds = Number(flags.seconds);
  const www = join(directory, 'www');
  mkdirSync(www);
  writeFileSync(join(www, '1k'), Buffer.alloc(1024, 'a'));
  writeFileSync(join(www, '64k'), Buffer.alloc(64 * 1024, 'a'));
  writeFileSync(join(www, '1m'), Buffer.alloc(1024 * 1024, 'a'));
  const backendConf = join(directory, 'backend.conf');
  const pki = await makePki(directory);
  const files = {
    http1: backendPorts.files,
    http2: backendPorts['files-http2'],
    http2Tls: backendPorts['files-http2-tls'],
  };
  writeFileSync(backendConf, nginxBackendConf(files, pki, directory));
  running.push(startPinned('backend', LOAD_CORE, 'nginx', ['-c', backendConf, '-p', directory]));
  startBackend('echo', backendPorts.echo, backendPorts.websocket);
  startBackend('grpc-backend', backendPorts.grpc, backendPorts['grpc-stream']);
  for (const port of Object.values(backendPorts)) await waitForPort(port);

  // One process per peer and shape, kept for all rounds: warm, as in production.
  const shapes = new Map<string, Started | null>();
  const samples: Sample[] = [];
  for (let round = 0; round <= Number(flags.rounds); round++) {
    for (const row of rows) {
      for (const peer of chosenPeers) {
        const key = `${peer.name} ${JSON.stringify(row.shape)}`;
        let one = shapes.get(key);
        if (one === undefined) {
          one = await startPeer(peer, row.shape, pki);
          shapes.set(key, one);
        }
        if (one === null) continue;
        const { hops, port } = one;
        const before = cpuSeconds(hops);
        const result = await runLoad(row, {
          core: LOAD_CORE,
          port,
          seconds: round === 0 ? 2 : seconds,
          pki,
          directory,
        });
        // Round 0 warms up (JIT, connections) and is thrown away.
        if (round === 0) continue;
        const cpuMicroseconds =
          ((cpuSeconds(hops) - before) * 1e6) / Math.max(1, result.operations);
        samples.push({
          ...result,
          peer: peer.name,
          row: row.name,
          cpuMicroseconds,
          rssMib: rssMib(hops),
        });
        process.stderr.write(
          `round ${round} ${row.name} ${peer.name}: ${cpuMicroseconds.toFixed(1)} us, ` +
            `${result.operationsPerSecond.toFixed(0)}/s, errors ${result.errors}\n`,
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
