// Runs the scenarios of one topic on Envoy and on our sidecar: one pair of processes for all of them, hosts of its own for
// each scenario and proxy. Test files get it through topic.ts, the report through report.ts.

import { readFileSync } from 'node:fs';
import { findPeer } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';
import { scenarioName, topicBootstrap } from './bootstrap.ts';
import { type Difference, differences } from './compare.ts';
import { type Observed, observe } from './observe.ts';
import type { Scenario, Topic } from './scenario.ts';
import { Scene } from './scene.ts';
import { type ScriptedHost, startHost } from './scripted-host.ts';

const differencesDoc = new URL('../../../docs/differences.md', import.meta.url);
type Kind = 'envoy' | 'remora';
/** A loopback address of its own for the hosts of each proxy. */
const hostAddress: Record<Kind, string> = { envoy: '127.0.7.1', remora: '127.0.8.1' };
/** How long stats, logs and flags may take until both say the same. Our access log is flushed after 1 s. */
const SETTLE_MS = 3000;
const POLL_MS = 250;

/** Scenarios have hosts, clusters and listeners of their own; they share processes, so a few run at a time. */
export const CONCURRENCY = 6;

export interface Outcome {
  readonly scenario: Scenario;
  /** Those that no ExpectedDifference names. */
  readonly differences: readonly Difference[];
  readonly expected: readonly Difference[];
  readonly envoy: Observed;
  readonly remora: Observed;
}

export interface Pair {
  /** Throws when a step of the scenario did not come about on one of the two. */
  run(scenario: Scenario): Promise<Outcome>;
  stop(): Promise<void>;
}

interface Side {
  readonly proxy: RunningProxy;
  readonly ports: ReadonlyMap<string, number>;
  /** Of each scenario. */
  readonly hosts: readonly (readonly ScriptedHost[])[];
  readonly stop: () => Promise<void>;
}

/** Starts hosts, then proxies: health checks begin at once. */
export async function startPair(topic: Topic): Promise<Pair> {
  const shared = await Promise.all(
    topic.scenarios.map((scenario) =>
      scenario.sameAddresses === true ? startHosts(scenario, '127.0.9.1') : null,
    ),
  );
  const started = await Promise.allSettled([
    startSide('envoy', topic, shared),
    startSide('remora', topic, shared),
  ]);
  const stop = async () => {
    for (const side of started) if (side.status === 'fulfilled') await side.value.stop();
  };
  const [envoy, remora] = started;
  if (envoy.status === 'rejected' || remora.status === 'rejected') {
    await stop();
    await Promise.all(shared.flatMap((hosts) => hosts?.map((host) => host.close()) ?? []));
    throw envoy.status === 'rejected' ? envoy.reason : (remora as PromiseRejectedResult).reason;
  }
  return {
    run: (scenario) =>
      runScenario(scenario, topic.scenarios.indexOf(scenario), envoy.value, remora.value),
    stop,
  };
}

async function startSide(
  kind: Kind,
  topic: Topic,
  shared: readonly (readonly ScriptedHost[] | null)[],
): Promise<Side> {
  const hosts = await Promise.all(
    topic.scenarios.map(
      (scenario, index) => shared[index] ?? startHosts(scenario, hostAddress[kind]),
    ),
  );
  const closeHosts = () => Promise.all(hosts.flat().map((host) => host.close()));
  const starting = startProxy(kind, findPeer('envoy') ?? 'envoy', (ports, directory) =>
    topicBootstrap(topic, hosts, ports, directory),
  );
  const proxy = await starting.catch(async (error: unknown) => {
    await closeHosts();
    throw error;
  });
  const lines = (await proxy.admin('/listeners')).trim().split('\n');
  const ports = new Map(
    lines.map((line) => [line.split('::')[0] ?? '', Number(line.split(':').at(-1))]),
  );
  const stop = async () => {
    await proxy.stop();
    await closeHosts();
  };
  return { proxy, hosts, ports, stop };
}

function startHosts(scenario: Scenario, address: string): Promise<readonly ScriptedHost[]> {
  const main = scenario.hosts.map((script, i) => startHost(`h${i}`, address, script));
  const further = Object.entries(scenario.clusters ?? {}).flatMap(([suffix, { hosts }]) =>
    hosts.map((script, i) => startHost(`${suffix}${i}`, address, script)),
  );
  return Promise.all([...main, ...further]);
}

async function runScenario(
  scenario: Scenario,
  index: number,
  envoy: Side,
  remora: Side,
): Promise<Outcome> {
  const name = scenarioName(index);
  const suffixes = Object.keys(scenario.clusters ?? {});
  const scenes = [envoy, remora].map(({ proxy, hosts, ports }) => {
    const port = ports.get(name);
    if (port === undefined) throw new Error(`no listener for: ${scenario.name}`);
    return new Scene(suffixes, name, proxy, port, hosts[index] ?? []);
  });
  const drive = async (scene: Scene) => {
    for (const host of scene.hosts) host.begin((seen) => scene.tries.push(seen));
    await scenario.drive(scene);
  };
  try {
    if (scenario.sameAddresses === true) for (const scene of scenes) await drive(scene);
    else await Promise.all(scenes.map(drive));
    return await compareSettled(scenario, scenes);
  } finally {
    for (const scene of scenes) scene.close();
  }
}

/** Looks until both agree, or nothing can come any more. */
async function compareSettled(scenario: Scenario, scenes: readonly Scene[]): Promise<Outcome> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const [envoy, remora] = await Promise.all(scenes.map((scene) => observe(scene, scenario)));
    if (envoy === undefined || remora === undefined) throw new Error('a scenario has two sides');
    const all = differences(scenario, envoy, remora);
    const isExpected = ({ path }: Difference) =>
      (scenario.differences ?? []).some(({ at }) => at.test(path));
    const outcome = {
      ...{ scenario, envoy, remora },
      differences: all.filter((one) => !isExpected(one)),
      expected: all.filter(isExpected),
    };
    if (outcome.differences.length === 0 && scenes.every(isLogged)) return outcome;
    if (performance.now() > deadline) return outcome;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Each request has its line in the access log. */
function isLogged(scene: Scene): boolean {
  return scene.accessLog().length >= scene.answers.length;
}

/** What the scenario expects to differ must be explained, and must differ. */
export function unexplained({ scenario, expected }: Outcome): readonly string[] {
  const text = readFileSync(differencesDoc, 'utf8');
  return (scenario.differences ?? []).flatMap(({ at, reason }) => {
    if (!text.includes(reason)) return [`docs/differences.md does not say: ${reason}`];
    if (!expected.some(({ path }) => at.test(path))) return [`no longer differs: ${at}`];
    return [];
  });
}
