// Runs a demo's check module against a mesh and counts its claims.

import { pathToFileURL } from 'node:url';
import type { CheckContext } from './check-context.ts';
import { paint } from './live.ts';
import type { Mesh } from './mesh.ts';
import type { Sample } from './traffic.ts';

const POLL_MS = 50;
const SYNC_TIMEOUT_MS = 15_000;
const TRAFFIC_TIMEOUT_MS = 30_000;
/** An ACK is sent when the sidecar's main thread has accepted; its workers follow within a turn. */
const WORKER_SETTLE_MS = 200;

interface CheckModule {
  check(context: CheckContext): Promise<void>;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Exit code: 0 when every claim held. */
export async function runCheck(
  path: string,
  mesh: Mesh,
  samples: readonly Sample[],
): Promise<number> {
  const startedMs = performance.now();
  let failures = 0;
  let claims = 0;
  const expect = (condition: boolean, claim: string) => {
    claims++;
    if (!condition) failures++;
    process.stdout.write(`${condition ? paint('green', 'ok  ') : paint('red', 'FAIL')} ${claim}\n`);
  };
  const eventually: CheckContext['eventually'] = async (probe, timeoutMs) => {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (await probe()) return true;
      await sleep(POLL_MS);
    }
    return probe();
  };
  const context: CheckContext = {
    spec: mesh.spec,
    say: (text) => process.stdout.write(`     ${paint('dim', text)}\n`),
    expect,
    eventually,
    instance: (name) => {
      const found = mesh.spec.instances.find((instance) => instance.name === name);
      if (found === undefined) throw new Error(`no instance is called '${name}'`);
      return found;
    },
    apply: (object) => mesh.apply(object),
    synced: async () => {
      const done = await eventually(
        () => mesh.api.allSynced(mesh.spec.instances.length),
        SYNC_TIMEOUT_MS,
      );
      if (!done) expect(false, 'every sidecar runs the newest configuration');
      await sleep(WORKER_SETTLE_MS);
    },
    admin: (instance, page) => mesh.admin(instance, page),
    samples: () => samples,
    traffic: async (count, sinceMs) => {
      const since = () => samples.filter(({ startedMs: at }) => at >= sinceMs);
      await eventually(async () => since().length >= count, TRAFFIC_TIMEOUT_MS);
      return since();
    },
    killApplication: (instance) => mesh.killApplication(instance),
  };
  // The module's shape is its contract (see check-context.ts); what it does not export fails here.
  const module = (await import(pathToFileURL(path).href)) as CheckModule;
  await module.check(context);
  const failure = await mesh.failure();
  if (failure !== null) expect(false, failure);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `\n${claims - failures} of ${claims} claims held, ${samples.length} requests, ${seconds} s\n`,
  );
  return failures === 0 ? 0 : 1;
}
