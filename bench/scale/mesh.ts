// `node bench/scale/mesh.ts [--services 1000] [--instances 10] [--sidecars 1000] [--dependencies 10]`: the whole control plane
// (documents, graph, translation, certificates, snapshots, ADS) with sidecars that are told of what they depend on alone.
// `--dependencies 0`: of everything, for comparison (take fewer services then).
//
//   start     documents read, everything translated and a certificate signed for every instance
//   connect   all sidecars at once, until the last has everything: bytes per sidecar
//   endpoint  an instance moves (applied over REST), until all that depend on its service have answered

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Conversation, launcherFlags } from './conversation.ts';
import { goProgram } from './go-programs.ts';
import { type MeshSize, meshDocuments, workload } from './mesh-documents.ts';

const { values: flags } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    instances: { type: 'string', default: '10' },
    sidecars: { type: 'string', default: '1000' },
    dependencies: { type: 'string', default: '10' },
  },
});
const size: MeshSize = {
  services: Number(flags.services),
  instancesEach: Number(flags.instances),
  dependencies: Number(flags.dependencies),
};
const sidecars = Number(flags.sidecars);
const XDS_PORT = 18795;
const REST_PORT = 18796;
const WAIT_SECONDS = 180;
const CHANGES = 5;
/** Of a second. */
const IDLE_CPU_MS = 50;
const directory = mkdtempSync(join(os.tmpdir(), 'remora-scale-'));

const rest = async (method: string, path: string, body?: string): Promise<unknown> => {
  const response = await fetch(`http://127.0.0.1:${REST_PORT}${path}`, {
    method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/yaml' } }),
  });
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
};

/** How many of the sidecars have a service or depend on it. */
function sidecarsThatSee(service: number): number {
  let count = 0;
  for (let i = 0; i < sidecars; i++) {
    const own = i % size.services;
    const sees =
      size.dependencies === 0 ||
      own === service ||
      Array.from(
        { length: size.dependencies },
        (_, d) => (own + 1 + d * 7) % size.services,
      ).includes(service);
    if (sees) count++;
  }
  return count;
}

const file = join(directory, 'mesh.yaml');
writeFileSync(file, meshDocuments(size));
const beganMs = performance.now();
const server = new Conversation(process.execPath, [
  ...launcherFlags,
  'bench/scale/whole-control-plane.ts',
  `--config=${file}`,
  `--xds-port=${XDS_PORT}`,
  `--rest-port=${REST_PORT}`,
]);
let fleet: Conversation | null = null;
const line = (what: string, text: string) => process.stdout.write(`${what.padEnd(10)} ${text}\n`);
try {
  await server.next('listening', WAIT_SECONDS);
  const usage = async () =>
    (await server.ask('usage', 'usage', WAIT_SECONDS)) as unknown as {
      cpuMs: number;
      rssMib: number;
    };
  let idle = await usage();
  // Certificates are signed after the ports listen: until a second passes with nothing to do.
  for (let beforeMs = -Infinity; idle.cpuMs - beforeMs > IDLE_CPU_MS; ) {
    beforeMs = idle.cpuMs;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    idle = await usage();
  }
  line(
    'start',
    `${(performance.now() - beganMs).toFixed(0)} ms, CPU ${idle.cpuMs.toFixed(0)} ms, RSS ${idle.rssMib.toFixed(0)} MiB`,
  );
  fleet = new Conversation(goProgram('xds-fleet'), [
    `--target=127.0.0.1:${XDS_PORT}`,
    `--sidecars=${sidecars}`,
    '--ids=default/w%d',
  ]);
  const synced = await fleet.next('synced', WAIT_SECONDS);
  const after = await usage();
  line(
    'connect',
    `${synced['ms']} ms, ${(Number(synced['bytes']) / sidecars).toFixed(0)} bytes per sidecar, RSS ${after.rssMib.toFixed(0)} MiB`,
  );
  for (let change = 1; change <= CHANGES; change++) {
    // Of a service in the middle, so that as many depend on it as on any.
    const service = Math.min(sidecars, size.services) >> 1;
    const expected = sidecarsThatSee(service);
    await fleet.ask(`expect ${expected} endpoint`, 'marked', WAIT_SECONDS);
    const before = await usage();
    const told = fleet.next('all', WAIT_SECONDS);
    await rest('POST', '/v1/apply', workload(service, size, change));
    const all = await told;
    const cpuMs = (await usage()).cpuMs - before.cpuMs;
    line(
      'endpoint',
      `${Number(all['lastMs']).toFixed(0)} ms to the last of ${expected}, CPU ${cpuMs.toFixed(0)} ms, ${(Number(all['bytes']) / expected).toFixed(0)} bytes each`,
    );
  }
} finally {
  await fleet?.kill();
  await server.kill();
  rmSync(directory, { recursive: true, force: true });
}
