// `remora up DIR`: a whole mesh from one command, with a line of traffic per second; `--check` asserts that
// it does what it promises and ends.

import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { errorText } from '../../common/coded-error.ts';
import { runCheck } from './check.ts';
import { ComposeMesh } from './compose-mesh.ts';
import { liveLine, paint } from './live.ts';
import type { Mesh } from './mesh.ts';
import { ProcessMesh } from './process-mesh.ts';
import { readUpSpec, type UpSpec } from './spec.ts';
import { type Sample, summarise, Traffic } from './traffic.ts';

/** In a check each weight needs 1,000 requests and all of it has to fit into a minute. */
const CHECK_REQUESTS_PER_SECOND = 150;

export function register(program: Command): void {
  program
    .command('up')
    .description('start a whole mesh: control plane, services and a sidecar beside each')
    .argument('<directory>', 'folder with an up.yaml, such as examples/shop')
    .option('--check', 'assert that the mesh does what it promises, then stop; exit 0 or 1')
    .addOption(
      new Option(
        '--attach <to>',
        'start nothing: use the mesh that docker-compose runs from the current directory',
      ).choices(['compose']),
    )
    .addHelpText(
      'after',
      `
Examples:
  remora up examples/shop
  remora up examples/shop --check
  docker-compose up -d --build && remora up examples/shop --attach compose --check`,
    )
    .action(async (directory: string, flags: Flags) => {
      const spec = readUpSpec(resolve(directory));
      process.exitCode =
        flags.attach === undefined
          ? await runProcesses(spec, flags.check === true)
          : await runAttached(spec, flags.check === true);
    });
}

interface Flags {
  readonly check?: boolean;
  readonly attach?: 'compose';
}

function runProcesses(spec: UpSpec, check: boolean): Promise<number> {
  const startedMs = performance.now();
  process.stdout.write(`starting ${spec.instances.length} services with their sidecars ...\n`);
  return run(new ProcessMesh(spec), check, (mesh) =>
    printMesh(mesh, (performance.now() - startedMs) / 1000),
  );
}

function runAttached(spec: UpSpec, check: boolean): Promise<number> {
  const project = process.env['COMPOSE_PROJECT_NAME'] ?? null;
  return run(
    new ComposeMesh(spec, process.cwd(), project),
    check,
    ({ spec: { instances }, logs }) =>
      process.stdout.write(
        `attached to ${instances.length} services with their sidecars; logs: ${logs}\n\n`,
      ),
  );
}

async function run(mesh: Mesh, check: boolean, onUp: (mesh: Mesh) => void): Promise<number> {
  const stopped = new Promise<'stop'>((done) => {
    process.once('SIGINT', () => done('stop'));
    process.once('SIGTERM', () => done('stop'));
  });
  try {
    const outcome = await Promise.race([mesh.start(), stopped]);
    if (outcome === 'stop') return 1;
    onUp(mesh);
    if (check) return await checkMesh(mesh);
    return await watch(mesh, stopped);
  } catch (thrown) {
    process.stderr.write(`remora up: ${errorText(thrown)}\n`);
    return 1;
  } finally {
    process.stdout.write('cleaning up ...\n');
    await mesh.stop();
  }
}

function printMesh({ spec, logs }: Mesh, seconds: number): void {
  const rows = [
    ['NAME', 'VERSION', 'APP', 'SIDECAR IN (mTLS)', 'SIDECAR OUT', 'ADMIN'],
    ...spec.instances.map(({ name, version, app, inbound, outbound, admin }) => [
      name,
      version || '-',
      `:${app}`,
      `:${inbound}`,
      `:${outbound}`,
      `:${admin}`,
    ]),
  ];
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const table = rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths?.[i] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
  const { xdsPort, restPort, config } = spec.controlPlane;
  process.stdout.write(`${paint('green', 'up')} after ${seconds.toFixed(1)} s, all on 127.0.0.1

${table}

control plane: xDS :${xdsPort}, REST http://127.0.0.1:${restPort}, documents ${config}
logs: ${logs}

Try next, in another terminal:
  npx remora ctl proxy-status --server http://127.0.0.1:${restPort}
  npx remora ctl get httproute orders -o yaml --server http://127.0.0.1:${restPort}
  curl -s http://127.0.0.1:${spec.instances[0]?.admin ?? 0}/clusters

`);
}

/** Light traffic and a line per second until a signal or a failure. */
async function watch(mesh: Mesh, stopped: Promise<'stop'>): Promise<number> {
  const { traffic: plan } = mesh.spec;
  if (plan === null) {
    await stopped;
    return 0;
  }
  let second: Sample[] = [];
  const traffic = new Traffic({
    url: `http://127.0.0.1:${plan.to.app}${plan.path}`,
    requestsPerSecond: plan.requestsPerSecond,
    versionOf: answeringVersion,
    onSample: (sample) => second.push(sample),
  });
  traffic.start();
  let failed = false;
  const ticker = new Promise<'failed'>((done) => {
    const timer = setInterval(() => {
      process.stdout.write(`${liveLine(new Date(), summarise(second))}\n`);
      second = [];
      if (!mesh.isOurs) return;
      void mesh.failure().then((failure) => {
        if (failure === null || failed) return;
        process.stderr.write(`remora up: ${failure}\n`);
        failed = true;
        clearInterval(timer);
        done('failed');
      });
    }, 1000);
    void stopped.then(() => clearInterval(timer));
  });
  await Promise.race([stopped, ticker]);
  await traffic.stop();
  return failed ? 1 : 0;
}

async function checkMesh(mesh: Mesh): Promise<number> {
  const { traffic: plan, check } = mesh.spec;
  if (check === null || plan === null) {
    process.stderr.write('remora up: --check needs `check` and `traffic` in up.yaml\n');
    return 1;
  }
  const samples: Sample[] = [];
  const traffic = new Traffic({
    url: `http://127.0.0.1:${plan.to.app}${plan.path}`,
    requestsPerSecond: CHECK_REQUESTS_PER_SECOND,
    versionOf: answeringVersion,
    onSample: (sample) => samples.push(sample),
  });
  traffic.start();
  try {
    return await runCheck(check, mesh, samples);
  } finally {
    await traffic.stop();
  }
}

/** The version that a chain of services answered with: the first `"version":"..."` that is not empty. */
function answeringVersion(body: string): string {
  return /"version":"([^"]+)"/.exec(body)?.[1] ?? '';
}
