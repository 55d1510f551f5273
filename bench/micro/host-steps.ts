// The longest step in which a worker takes a host set of 10,000 hosts (upstream/steps.ts), update by update from the first
// on: code runs for the first time. Steps are the same in every worker, so the least time of each over several workers is
// free of whatever else the machine did, and of the collector. `node bench/micro/host-steps.ts [workers]`. Results at the
// end of the file.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../dataplane/api/config/cluster.ts';
import { anyHost, type LoadBalancerContext } from '../../dataplane/api/load-balancing.ts';
import { metadataMatchOf } from '../../dataplane/api/metadata-match.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import type { UpstreamCluster } from '../../dataplane/upstream/cluster.ts';
import { WorkerClusterManager } from '../../dataplane/upstream/cluster-manager.ts';
import { CHUNK_SLOTS, SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import type { Steps } from '../../dataplane/upstream/steps.ts';
import { PART_HOSTS } from '../../dataplane/upstream/supervision/assignment-sender.ts';

const HOSTS = 10_000;
const CHUNKS = 31;
const PAUSE_MS = 30;
const noWhere = { region: '', zone: '', subZone: '' };
const policy = {
  clusterName: 'c',
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localityWeights: [],
};

function hostOf(n: number, weight: number, version: number): PlacedHost {
  return {
    address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    port: 80,
    hostname: '',
    weight,
    health: 'healthy',
    healthStatus: 'UNKNOWN',
    metadata: { 'envoy.lb': { version: version % 2 === 0 ? 'a' : 'b', stage: `s${version % 20}` } },
    healthCheck: null,
    chunk: Math.floor(n / CHUNK_SLOTS),
    slot: n % CHUNK_SLOTS,
    locality: noWhere,
    priority: 0,
  };
}
const hostsOf = (from: number, to: number, weightOf: (n: number) => number, version: number) =>
  Array.from({ length: to - from }, (_, i) =>
    hostOf(from + i, weightOf(from + i), from + i + version),
  );
const slots = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const same = () => 1;
const mixed = (n: number) => 1 + (n % 7);
const updates: readonly (readonly [string, () => PlacedHost[], readonly number[]])[] = [
  ['first set', () => hostsOf(0, HOSTS, same, 0), []],
  ['all weights', () => hostsOf(0, HOSTS, mixed, 0), []],
  ['all metadata', () => hostsOf(0, HOSTS, mixed, 1), []],
  ['100 replaced', () => hostsOf(HOSTS, HOSTS + 100, mixed, 1), slots(0, 100)],
  ['all replaced', () => hostsOf(2 * HOSTS, 3 * HOSTS, same, 0), slots(100, HOSTS + 100)],
];

/** Of each update the ms of each step; the last one is the first pick. */
async function runWorker(config: ClusterConfig): Promise<void> {
  const chunks = new SharedChunks();
  for (let i = 0; i < CHUNKS; i++) chunks.create();
  const nothing = () => {};
  const manager = new WorkerClusterManager(
    {
      ...{ clock: systemClock, random: systemRandom, timers: new TimerWheel(), chunks },
      nextConnectionId: () => 0,
      createTls: () => null,
      localLocality: null,
      localClusterName: '',
      reportOutlier: nothing,
      reportImmediateHealthCheckFail: nothing,
      dnsCacheOf: () => {
        throw new Error('there is no DNS here');
      },
    },
    new HolderStore(),
  );
  manager.addOrUpdate(config, { chunk: CHUNKS - 1, slot: 0 });
  const cluster = manager.getCluster('c') as UpstreamCluster; // the manager has no others
  let hash = 0n;
  const context: LoadBalancerContext = {
    ...anyHost,
    hashKey: () => (hash = BigInt.asUintN(64, hash * 6364136223846793005n + 1442695040888963407n)),
    metadataMatch: metadataMatchOf({ version: 'a' }),
  };
  const all: number[][] = [];
  for (const [, makeHosts, removed] of updates) {
    const hosts = structuredClone(makeHosts());
    const times: number[] = [];
    const run = (steps: Steps): void => {
      for (let isDone = false; !isDone; ) {
        const start = performance.now();
        isDone = steps.next().done === true;
        times.push(performance.now() - start);
      }
    };
    for (let at = 0; at < hosts.length; at += PART_HOSTS) {
      run(cluster.prepareHosts(hosts.slice(at, at + PART_HOSTS)));
    }
    run(cluster.changeHosts(policy, removed));
    const start = performance.now();
    cluster.chooseHost(context);
    times.push(performance.now() - start);
    all.push(times);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  parentPort!.postMessage(all); // this is a worker
}

async function runMain(): Promise<void> {
  const { compiledData } = await import('../../test/fakes/config.ts');
  const workers = Number(process.argv[2] ?? 8);
  const eds = 'type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}';
  const policies: Readonly<Record<string, string>> = {
    'round robin': 'lb_policy: ROUND_ROBIN',
    'least request': 'lb_policy: LEAST_REQUEST',
    'ring hash': 'lb_policy: RING_HASH',
    Maglev: 'lb_policy: MAGLEV',
    subset:
      'lb_subset_config: {fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [version]}, {keys: [stage, version]}]}',
  };
  for (const [name, fields] of Object.entries(policies)) {
    const config = compiledData('cluster', `{name: c, ${eds}, ${fields}}`);
    const runs: number[][][] = [];
    for (let i = 0; i < workers; i++) {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: config,
        resourceLimits: { maxYoungGenerationSizeMb: 12 },
      });
      runs.push(await new Promise((resolve) => worker.once('message', resolve)));
      await worker.terminate();
    }
    updates.forEach(([update], at) => {
      const count = Math.min(...runs.map((run) => run[at]!.length));
      const least = Array.from({ length: count }, (_, step) =>
        Math.min(...runs.map((run) => run[at]![step]!)),
      );
      const sum = least.reduce((total, ms) => total + ms, 0);
      console.log(
        `${name.padEnd(14)} ${update.padEnd(13)} ${String(count).padStart(5)} steps, ${sum.toFixed(1).padStart(5)} ms; longest ${Math.max(...least).toFixed(2)}`,
      );
    });
  }
  process.exit(0);
}

if (isMainThread) await runMain();
else await runWorker(workerData as ClusterConfig); // runMain gives it one

// Node 24.21, 2 vCPU, load 14, Nov 2026; the longest step in ms (of all of an update together):
//                 round robin   least request   ring hash    Maglev       subset
//   first set     0.78 (7.4)    0.81 (8.0)      0.96 (20.4)  4.18 (34.0)  0.99 (19.9)
//   all weights   0.46 (4.6)    0.70 (6.3)      0.42 (14.7)  0.50 (10.3)  0.88 (17.2)
//   all metadata  0.19 (3.4)    0.21 (4.2)      3.71 (9.9)   2.15 (8.3)   0.86 (13.6)
//   100 replaced  0.15 (2.1)    0.16 (2.5)      0.83 (8.3)   1.11 (12.9)  0.85 (9.7)
//   all replaced  0.55 (8.1)    0.68 (9.7)      0.81 (16.7)  0.92 (28.3)  0.73 (15.8)
