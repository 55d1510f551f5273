// What one choice of a host costs over 1,000 hosts, through the whole of a worker's cluster: nanoseconds per pick. What a
// set costs that changes: host-updates.ts. `node bench/micro/lb-picks.ts [seconds per case]`. Results at the end of the file.

import { systemClock, systemRandom } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../dataplane/api/config/cluster.ts';
import { anyHost, type LoadBalancerContext } from '../../dataplane/api/load-balancing.ts';
import { metadataMatchOf } from '../../dataplane/api/metadata-match.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { WorkerClusterManager } from '../../dataplane/upstream/cluster-manager.ts';
import { SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import { ClusterSupervision } from '../../dataplane/upstream/supervision/cluster-supervision.ts';
import { SlotAllocator } from '../../dataplane/upstream/supervision/slot-allocator.ts';
import { assignmentOf, hostConfig } from '../../test/fakes/cluster-config.ts';
import { compiledData } from '../../test/fakes/config.ts';

const seconds = Number(process.argv[2] ?? 0.6);
const PASSES = 4096;

/** CPU time in ms, of all threads: what the collector does beside counts as well. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** One worker and main's half of it. */
class Scene {
  readonly manager: WorkerClusterManager;
  readonly supervision: ClusterSupervision;

  constructor(config: ClusterConfig) {
    const chunks = new SharedChunks();
    const shared = {
      ...{ clock: systemClock, random: systemRandom, timers: new TimerWheel(), chunks },
      nextConnectionId: () => 0,
      createTls: () => null,
    };
    const nothing = () => {};
    this.manager = new WorkerClusterManager(
      {
        ...shared,
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
    this.supervision = new ClusterSupervision({
      ...shared,
      slots: new SlotAllocator({ shared: chunks, ...shared, onChunk: nothing }),
      stats: new HolderStore(),
      resolverFor: () => ({ resolve: () => Promise.resolve([]) }),
      onCluster: (cluster, slot) => this.manager.addOrUpdate(cluster, slot),
      onClusterRemoved: nothing,
      onPlaced: (assignment, onSent) => {
        this.manager.applyAssignment(assignment);
        onSent();
      },
      onWarm: nothing,
      onHostHealthFailure: nothing,
      onOutlierEvent: nothing,
      onHealthCheckEvent: nothing,
    });
    this.supervision.addOrUpdate(config, true);
  }

  place(hosts: ReturnType<typeof hostsOf>): void {
    this.supervision.applyEndpoints(assignmentOf(hosts, 'c'));
  }

  pick(context: LoadBalancerContext = anyHost): number {
    return this.manager.getCluster('c')!.chooseHost(context) === null ? 1 : 0;
  }
}

function hostsOf(count: number, weightOf: (i: number) => number) {
  return Array.from({ length: count }, (_, n) => {
    const metadata: PlacedHost['metadata'] = { 'envoy.lb': { version: n % 2 === 0 ? 'a' : 'b' } };
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    return hostConfig(address, { weight: weightOf(n), metadata });
  });
}

function cluster(fields: string): ClusterConfig {
  const eds = 'type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}';
  // The kind says what the compiler makes.
  return compiledData(
    'cluster',
    `{name: c, ${eds}, common_lb_config: {update_merge_window: 0s}, ${fields}}`,
  ) as ClusterConfig;
}

const types = 'type.googleapis.com/';
const envoyPolicies = `${types}envoy.extensions.load_balancing_policies`;
const peakEwma = `${types}remora.load_balancing_policies.peak_ewma.v1.PeakEwma`;

function policy(type: string, fields = ''): string {
  return `load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {"@type": ${type}${fields}}}}]}`;
}

const same = () => 1;
const mixed = (i: number) => 1 + (i % 7);
let hash = 0n;
const hashing: LoadBalancerContext = {
  ...anyHost,
  hashKey: () => (hash = BigInt.asUintN(64, hash * 6364136223846793005n + 1442695040888963407n)),
};
const toSubset: LoadBalancerContext = {
  ...anyHost,
  metadataMatch: metadataMatchOf({ version: 'a' }),
};

const picks: readonly (readonly [string, string, (i: number) => number, LoadBalancerContext])[] = [
  ['round robin', 'lb_policy: ROUND_ROBIN', same, anyHost],
  ['round robin, weights', 'lb_policy: ROUND_ROBIN', mixed, anyHost],
  ['random', 'lb_policy: RANDOM', same, anyHost],
  ['least request', 'lb_policy: LEAST_REQUEST', same, anyHost],
  ['least request, weights', 'lb_policy: LEAST_REQUEST', mixed, anyHost],
  [
    'least request, full scan',
    policy(`${envoyPolicies}.least_request.v3.LeastRequest`, ', selection_method: FULL_SCAN'),
    same,
    anyHost,
  ],
  ['ring hash', 'lb_policy: RING_HASH', same, hashing],
  ['Maglev', 'lb_policy: MAGLEV', same, hashing],
  [
    'subset of half of them, round robin',
    'lb_subset_config: {fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [version]}]}',
    same,
    toSubset,
  ],
  [
    'client-side weights',
    policy(`${envoyPolicies}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`),
    same,
    anyHost,
  ],
  [
    'peak EWMA',
    policy(`${types}xds.type.v3.TypedStruct`, `, type_url: ${peakEwma}, value: {}`),
    same,
    anyHost,
  ],
];

for (const [name, fields, weightOf, context] of picks) {
  const scene = new Scene(cluster(fields));
  scene.place(hostsOf(1000, weightOf));
  let missed = 0;
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const before = cpuMs();
    for (let i = 0; i < PASSES; i++) missed += scene.pick(context);
    best = Math.min(best, ((cpuMs() - before) * 1e6) / PASSES);
  }
  console.log(`${name.padEnd(40)} ${best.toFixed(0).padStart(6)} ns${missed > 0 ? ' MISSED' : ''}`);
}

process.exit(0);

// Node 24.21, 2 vCPU, beside other work, Nov 2026. ns per pick over 1,000 hosts:
//   round robin 22-24, with weights 135-172; random 31-35; least request 69-70, with weights 145, full scan 17000;
//   ring hash 60-62; Maglev 95; subset 77; client-side weights 154; peak EWMA 154
// Weights: an EDF heap of parallel arrays; ten levels for 1,000 hosts.
