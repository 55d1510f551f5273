import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../../test/fakes/cluster-config.ts';
import { balancerParts, StubHost, type StubHostOptions } from '../../../test/fakes/lb.ts';
import type { HealthStatus } from '../../api/config/cluster.ts';
import { defaultRoundRobin, type LoadBalancingData } from '../../api/config/load-balancing.ts';
import { anyHost } from '../../api/load-balancing.ts';
import { metadataMatchOf } from '../../api/metadata-match.ts';
import { finish } from '../steps.ts';
import { Balancer } from './balancer.ts';
import { prioritySetSteps } from './host-set.ts';

const assignment = {
  clusterName: 'orders',
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localityWeights: [],
};

const setOptions = { ...assignment, localLocality: null };

const hashing = {
  useHostnameForHashing: false,
  balanceFactor: null,
  localityWeighted: false,
  hashPolicy: [],
};
const policies: readonly LoadBalancingData[] = [
  defaultRoundRobin,
  {
    ...{ kind: 'RING_HASH', hashFunction: 'XX_HASH', ...hashing },
    ...{ minimumRingSize: 1024, maximumRingSize: 8_388_608 },
  },
  { kind: 'MAGLEV', tableSize: 251, ...hashing },
  {
    kind: 'SUBSET',
    fallbackPolicy: 'ANY_ENDPOINT',
    defaultSubset: [],
    selectors: [
      { keys: ['n'], singleHostPerSubset: false, fallbackPolicy: 'NOT_DEFINED', fallbackKeys: [] },
    ],
    localityWeightAware: false,
    scaleLocalityWeight: false,
    panicModeAny: false,
    listAsAny: false,
    usesFallbackList: false,
    allowRedundantKeys: false,
    child: defaultRoundRobin,
  },
];

/** Hosts `a`, which requests ask for, and `b`; the address of what a request gets. */
function balancerOf(asked: StubHostOptions, statuses?: readonly HealthStatus[]) {
  const config = clusterConfig();
  const { commonLb } = config;
  const balancer = new Balancer(
    {
      ...config,
      commonLb: { ...commonLb, overrideHostStatuses: statuses ?? commonLb.overrideHostStatuses },
    },
    balancerParts({ panicThresholdPercent: 0 }),
    null,
  );
  const hosts = [new StubHost('a', asked), new StubHost('b')].map((host) => host.asHost());
  finish(balancer.change(hosts, assignment));
  const ask = (address: string, strict: boolean) => {
    const overrideHost = { address, strict, statusIfMissing: 503 };
    return balancer.choose({ ...anyHost, overrideHost })?.addressText ?? null;
  };
  /** Twice, as round robin would not stay. */
  const goesThere = (address: string) => {
    const chosen = [ask(address, false), ask(address, false)];
    return chosen[0] === address && chosen[1] === address;
  };
  return { balancer, hosts, ask, goesThere };
}

test('the host that a request asks for goes before any policy, whatever its priority', () => {
  assert.ok(balancerOf({ priority: 1 }).goesThere('a'));
  const { goesThere, ask } = balancerOf({});
  assert.ok(goesThere('a'));
  assert.ok(goesThere('b'));
  assert.equal(ask('a', true), 'a');
});

test('what is not there is chosen by the policy, or is nobody where it must be', () => {
  const { ask } = balancerOf({});
  assert.deepEqual(new Set([ask('x', false), ask('x', false)]), new Set(['a', 'b']));
  assert.equal(ask('x', true), null);
});

test('only hosts of some states may be asked for', () => {
  const goesThere = (healthStatus: HealthStatus, statuses?: readonly HealthStatus[]) => {
    const health = healthStatus === 'DRAINING' ? 'unhealthy' : 'healthy';
    const { ask } = balancerOf({ healthStatus, health, priority: 1 }, statuses);
    return ask('a', true) === 'a';
  };
  for (const status of ['UNKNOWN', 'HEALTHY', 'DEGRADED'] as const) assert.ok(goesThere(status));
  for (const status of ['UNHEALTHY', 'DRAINING', 'TIMEOUT'] as const) assert.ok(!goesThere(status));
  assert.ok(goesThere('DRAINING', ['DRAINING']));
  assert.ok(!goesThere('HEALTHY', ['DRAINING']));
  assert.ok(!goesThere('HEALTHY', []));
});

test('hosts that come can be asked for, those that go cannot', () => {
  const { balancer, hosts, ask } = balancerOf({});
  finish(balancer.change(hosts.slice(1), assignment));
  assert.equal(ask('a', true), null);
  finish(balancer.change(hosts, assignment));
  assert.equal(ask('a', true), 'a');
});

test('the former hosts are chosen until the policy over the new ones is whole', () => {
  for (const loadBalancing of policies) {
    const config = { ...clusterConfig(), loadBalancing };
    const balancer = new Balancer(config, balancerParts({ panicThresholdPercent: 0 }), null);
    const named = (name: string) =>
      // More than a subset may have whose policy is made when it is first asked for.
      Array.from({ length: 1200 }, (_, i) =>
        new StubHost(name, { lb: { n: `${i % 2}` } }).asHost(),
      );
    const context = { ...anyHost, metadataMatch: metadataMatchOf({ n: '1' }) };
    const choose = () => balancer.choose(context)?.addressText ?? null;
    finish(balancer.change(named('old'), assignment));
    assert.equal(choose(), 'old');
    const steps = balancer.change(named('new'), assignment);
    let pauses = 0;
    while (steps.next().done !== true) {
      pauses++;
      assert.equal(choose(), 'old', loadBalancing.kind);
    }
    assert.ok(pauses > 2, loadBalancing.kind);
    assert.equal(choose(), 'new', loadBalancing.kind);
  }
});

test('a host that falls ill while the next policy is made gets nothing of either', () => {
  for (const loadBalancing of policies) {
    const config = { ...clusterConfig(), loadBalancing };
    const balancer = new Balancer(config, balancerParts({ panicThresholdPercent: 0 }), null);
    const hosts = Array.from({ length: 200 }, (_, i) => new StubHost(`h${i}`, { lb: { n: '1' } }));
    const context = { ...anyHost, metadataMatch: metadataMatchOf({ n: '1' }) };
    const all = hosts.map((host) => host.asHost());
    finish(balancer.change(all.slice(0, 199), assignment));
    const steps = balancer.change(all, assignment);
    steps.next();
    for (const host of hosts.slice(0, 199)) host.healthNow = 'unhealthy';
    balancer.invalidate();
    assert.equal(balancer.choose(context), null, loadBalancing.kind);
    finish(steps);
    assert.equal(balancer.choose(context), all[199], loadBalancing.kind);
  }
});

test('zone routing sees what became of the local cluster while its policy was made', () => {
  let version = 1;
  let looks = 0;
  const { priorities } = finish(prioritySetSteps([new StubHost('self').asHost()], setOptions));
  const localCluster = {
    version: () => version,
    localHosts: () => {
      looks++;
      return priorities[0]!;
    },
  };
  const parts = balancerParts({ panicThresholdPercent: 0, localCluster });
  const balancer = new Balancer(clusterConfig(), parts, null);
  const hosts = Array.from({ length: 200 }, (_, i) => new StubHost(`h${i}`).asHost());
  finish(balancer.change(hosts.slice(1), assignment));
  balancer.current();
  const steps = balancer.change(hosts, assignment);
  while (looks < 2) steps.next();
  version = 2;
  balancer.current();
  finish(steps);
  const before = looks;
  balancer.current();
  assert.equal(looks, before + 1);
  balancer.current();
  assert.equal(looks, before + 1, 'once for each version');
});
