// `node bench/scale/run.ts [--sidecars 10000] [--peers remora,go-control-plane] [--protocol delta|sotw]`: how many sidecars one
// control plane serves, ours beside go-control-plane, by the same fleet of real gRPC streams on loopback and on the same machine
// (Go is needed to build both). Every sidecar has a connection, a certificate, and 100 services of 10 endpoints.
//
//   storm     all connect at once: until the last has everything
//   push      one endpoint, one route, one weight, all certificates change: from the change to the last ACK, CPU of the control
//             plane per sidecar, bytes per sidecar
//   restart   killed, started again with one endpoint changed meanwhile: until the last sidecar knows it
//
// Writes bench/results/scale-<date>-<commit>.json and prints docs/scale.md's table.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Conversation, launcherFlags } from './conversation.ts';
import { goProgram } from './go-programs.ts';

const { values: flags } = parseArgs({
  options: {
    sidecars: { type: 'string', default: '10000' },
    services: { type: 'string', default: '100' },
    endpoints: { type: 'string', default: '10' },
    peers: { type: 'string', default: 'remora,go-control-plane' },
    protocol: { type: 'string', default: 'delta' },
  },
});
const PORT = 18790;
const STORM_SECONDS = 120;
const PUSH_SECONDS = 60;
const SETTLE_MS = 2000;
const pushes = [
  { change: 'endpoint', type: 'endpoint' },
  { change: 'endpoint', type: 'endpoint' },
  { change: 'endpoint', type: 'endpoint' },
  { change: 'route', type: 'route' },
  { change: 'weight', type: 'route' },
  { change: 'rotate', type: 'secret' },
] as const;

interface Usage {
  readonly cpuMs: number;
  readonly rssMib: number;
}

interface Answered {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastMs: number;
  readonly bytes: number;
}

interface Row {
  readonly peer: string;
  readonly what: string;
  readonly lastMs: number;
  readonly p50Ms: number | null;
  readonly cpuUsPerSidecar: number;
  readonly bytesPerSidecar: number | null;
  readonly rssMib: number;
}

function controlPlane(peer: string, changes: readonly string[]): Conversation {
  const options = ['sidecars', 'services', 'endpoints'].map(
    (name) => `--${name}=${flags[name as 'sidecars' | 'services' | 'endpoints']}`,
  );
  const all = [...options, `--port=${PORT}`, `--changes=${changes.join(',')}`];
  return peer === 'remora'
    ? new Conversation(process.execPath, [...launcherFlags, 'bench/scale/control-plane.ts', ...all])
    : new Conversation(goProgram('gcp-server'), all);
}

async function usageOf(of: Conversation): Promise<Usage> {
  return (await of.ask('usage', 'usage', PUSH_SECONDS)) as unknown as Usage;
}

async function measure(peer: string): Promise<Row[]> {
  const sidecars = Number(flags.sidecars);
  const rows: Row[] = [];
  const done: string[] = [];
  let server = controlPlane(peer, done);
  let fleet: Conversation | null = null;
  const row = (what: string, answered: Answered, before: Usage, after: Usage): void => {
    const cpuUsPerSidecar = ((after.cpuMs - before.cpuMs) * 1000) / sidecars;
    const bytesPerSidecar = answered.bytes / sidecars;
    const { lastMs, p50Ms } = answered;
    rows.push({
      peer,
      what,
      lastMs,
      p50Ms,
      cpuUsPerSidecar,
      bytesPerSidecar,
      rssMib: after.rssMib,
    });
  };
  try {
    await server.next('listening', STORM_SECONDS);
    const idle = await usageOf(server);
    fleet = new Conversation(goProgram('xds-fleet'), [
      `--target=127.0.0.1:${PORT}`,
      `--sidecars=${sidecars}`,
      `--protocol=${flags.protocol}`,
    ]);
    const synced = await fleet.next('synced', STORM_SECONDS);
    const bytes = Number(synced['bytes']);
    row(
      'connect',
      { lastMs: Number(synced['ms']), p50Ms: NaN, p99Ms: NaN, bytes },
      idle,
      await usageOf(server),
    );
    for (const { change, type } of pushes) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const before = await usageOf(server);
      await fleet.ask(`mark ${type}`, 'marked', PUSH_SECONDS);
      const answered = fleet.next('all', PUSH_SECONDS);
      done.push(change);
      server.tell(change);
      const reached = (await answered) as unknown as Answered;
      row(change, reached, before, await usageOf(server));
    }
    await fleet.ask('mark endpoint', 'marked', PUSH_SECONDS);
    const answered = fleet.next('all', STORM_SECONDS);
    await server.kill();
    done.push('endpoint');
    server = controlPlane(peer, done);
    await server.next('listening', STORM_SECONDS);
    const fresh = await usageOf(server);
    const reached = (await answered) as unknown as Answered;
    row('restart', reached, fresh, await usageOf(server));
  } finally {
    await fleet?.kill();
    await server.kill();
  }
  return rows;
}

function table(rows: readonly Row[]): string {
  const lines = [
    '| what | control plane | last ACK ms | p50 ms | CPU us per sidecar | bytes per sidecar | RSS MiB |',
    '|---|---|---:|---:|---:|---:|---:|',
  ];
  const text = (value: number | null) =>
    value === null || Number.isNaN(value) ? '' : value.toFixed(0);
  for (const { what, peer, lastMs, p50Ms, cpuUsPerSidecar, bytesPerSidecar, rssMib } of rows) {
    const figures = [lastMs, p50Ms, cpuUsPerSidecar, bytesPerSidecar, rssMib].map(text);
    lines.push(`| ${what} | ${peer} | ${figures.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

const rows: Row[] = [];
for (const peer of flags.peers.split(',')) rows.push(...(await measure(peer)));
const date = new Date().toISOString().slice(0, 10);
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim();
const machine = `${cpus()[0]?.model ?? ''}, ${cpus().length} cores`;
const file = `bench/results/scale-${date}-${commit}.json`;
writeFileSync(
  file,
  `${JSON.stringify({ date, commit, machine, node: process.version, ...flags, rows }, null, 1)}\n`,
);
process.stdout.write(table(rows));
