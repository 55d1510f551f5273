// What subsets add to the choice of a host: nanoseconds per pick of round robin with and without them, the first pick
// after hosts' health changed, and after their metadata did, over 1,000 and 10,000 hosts.
// `node bench/micro/lb-subsets.ts`. Results at the end of the file.

import {
  defaultRoundRobin,
  type LoadBalancingData,
  type SubsetData,
} from '../../dataplane/api/config/load-balancing.ts';
import { anyHost, type LoadBalancerContext } from '../../dataplane/api/load-balancing.ts';
import { metadataMatchOf } from '../../dataplane/api/metadata-match.ts';
import { createLoadBalancer } from '../../dataplane/upstream/lb/create-load-balancer.ts';
import { HostIndex } from '../../dataplane/upstream/lb/host-index.ts';
import { balancerParts, prioritySetOf, StubHost } from '../../test/fakes/lb.ts';

const PICKS = 2_000_000;
const REBUILDS = 30;
const VERSIONS = 20;

const selector = (...keys: string[]) => ({
  keys,
  singleHostPerSubset: false,
  fallbackPolicy: 'NOT_DEFINED' as const,
  fallbackKeys: [],
});
const subsets: SubsetData = {
  kind: 'SUBSET',
  fallbackPolicy: 'ANY_ENDPOINT',
  defaultSubset: [],
  selectors: [selector('version'), selector('stage', 'version')],
  localityWeightAware: false,
  scaleLocalityWeight: false,
  panicModeAny: false,
  listAsAny: false,
  usesFallbackList: false,
  allowRedundantKeys: false,
  child: defaultRoundRobin,
};
const redundant: SubsetData = {
  ...subsets,
  allowRedundantKeys: true,
  selectors: subsets.selectors.toReversed(),
};

const asks = (values: Record<string, unknown>): LoadBalancerContext => ({
  ...anyHost,
  metadataMatch: metadataMatchOf(values),
});

const rows: readonly (readonly [string, LoadBalancingData, LoadBalancerContext])[] = [
  ['round robin', defaultRoundRobin, anyHost],
  ['one key', subsets, asks({ version: 'v7' })],
  ['two keys', subsets, asks({ stage: 's1', version: 'v7' })],
  ['two of four keys', redundant, asks({ a: 1, stage: 's1', version: 'v7', z: 1 })],
  ['fallback', subsets, asks({ version: 'unknown' })],
];

function hostsOf(count: number): StubHost[] {
  return Array.from(
    { length: count },
    (_, i) => new StubHost(`h${i}`, { lb: { version: `v${i % VERSIONS}`, stage: `s${i % 3}` } }),
  );
}

function pickNs(data: LoadBalancingData, context: LoadBalancerContext, count: number): number {
  const policy = createLoadBalancer(
    data,
    prioritySetOf(hostsOf(count)),
    balancerParts(),
    new HostIndex(),
  );
  for (let i = 0; i < PICKS / 10; i++) policy.choose(context, 0);
  const start = performance.now();
  for (let i = 0; i < PICKS; i++) policy.choose(context, 0);
  return ((performance.now() - start) * 1e6) / PICKS;
}

/** Until a host is chosen, without the grouping into priorities that every policy needs; median. */
function firstPickMs(count: number, change: (hosts: StubHost[]) => void): number {
  const hosts = hostsOf(count);
  const parts = balancerParts();
  const index = new HostIndex();
  const context = asks({ version: 'v7' });
  const times: number[] = [];
  for (let i = 0; i < REBUILDS; i++) {
    change(hosts);
    const set = prioritySetOf(hosts);
    const start = performance.now();
    createLoadBalancer(subsets, set, parts, index).choose(context, 0);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[REBUILDS / 2]!;
}

/** As if they had come over the wire again. */
function changeMetadata(hosts: StubHost[]): void {
  for (const host of hosts) host.placed = structuredClone(host.placed);
}

function changeOne(hosts: StubHost[]): void {
  changeMetadata(hosts.slice(0, 1));
}

for (const count of [1_000, 10_000]) {
  for (const [name, data, context] of rows) {
    console.log(`${count} hosts  ${name}: ${pickNs(data, context, count).toFixed(0)} ns per pick`);
  }
  const health = firstPickMs(count, () => {});
  const one = firstPickMs(count, changeOne);
  const metadata = firstPickMs(count, changeMetadata);
  console.log(`${count} hosts  first pick: ${health.toFixed(2)} ms after health changed`);
  console.log(`${count} hosts  first pick: ${one.toFixed(2)} ms after one host's metadata changed`);
  console.log(`${count} hosts  first pick: ${metadata.toFixed(2)} ms after all metadata changed`);
}

// Node 24.21, 2 vCPU shared with other work, Nov 2026:
//   ns per pick              1,000 hosts   10,000 hosts
//   round robin alone              7             14
//   one key                       66             68
//   two keys                      92             97
//   two of four keys             160            160
//   fallback                      51             40
//   first pick, ms
//   health changed              0.04           0.25
//   one host's metadata         0.22            2.8
//   all metadata                0.48           10.8
