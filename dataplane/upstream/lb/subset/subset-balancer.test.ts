import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  balancerParts,
  countPicks,
  prioritySetOf,
  StubHost,
  type StubSetOptions,
} from '../../../../test/fakes/lb.ts';
import {
  defaultRoundRobin,
  type SubsetData,
  type SubsetSelectorData,
} from '../../../api/config/load-balancing.ts';
import { anyHost, type LoadBalancerContext } from '../../../api/load-balancing.ts';
import { metadataMatchOf } from '../../../api/metadata-match.ts';
import { createLoadBalancer } from '../create-load-balancer.ts';
import { HostIndex } from '../host-index.ts';

function selector(
  keys: readonly string[],
  given: Partial<SubsetSelectorData> = {},
): SubsetSelectorData {
  return {
    keys,
    singleHostPerSubset: false,
    fallbackPolicy: 'NOT_DEFINED',
    fallbackKeys: [],
    ...given,
  };
}

function subsetData(given: Partial<SubsetData> = {}): SubsetData {
  return {
    kind: 'SUBSET',
    fallbackPolicy: 'NO_FALLBACK',
    defaultSubset: [],
    selectors: [selector(['version']), selector(['stage', 'version'])],
    localityWeightAware: false,
    scaleLocalityWeight: false,
    panicModeAny: false,
    listAsAny: false,
    usesFallbackList: false,
    allowRedundantKeys: false,
    child: defaultRoundRobin,
    ...given,
  };
}

function asks(values: Readonly<Record<string, unknown>>): LoadBalancerContext {
  return { ...anyHost, metadataMatch: metadataMatchOf(values) };
}

/** A cluster whose hosts change; its policy is made anew each time. */
class Cluster {
  readonly parts = balancerParts();
  readonly index = new HostIndex();
  readonly data: SubsetData;
  #policy;

  constructor(data: SubsetData, hosts: readonly StubHost[], options: StubSetOptions = {}) {
    this.data = data;
    this.#policy = this.#create(hosts, options);
  }

  setHosts(hosts: readonly StubHost[]): void {
    this.#policy = this.#create(hosts, {});
  }

  picks(values: Readonly<Record<string, unknown>> | null, times = 12): Record<string, number> {
    const context = values === null ? anyHost : asks(values);
    return countPicks(this.#policy, times, context);
  }

  /** active, created, removed */
  counts(): readonly number[] {
    const { lbSubsetsActive, lbSubsetsCreated, lbSubsetsRemoved } = this.parts.stats;
    return [lbSubsetsActive, lbSubsetsCreated, lbSubsetsRemoved];
  }

  #create(hosts: readonly StubHost[], options: StubSetOptions) {
    const set = prioritySetOf(hosts, options);
    const policy = createLoadBalancer(this.data, set, this.parts, this.index);
    // The first choice makes it current; this one has nothing to choose from.
    policy.choose({ ...asks({ version: 'none' }), hostSelectionRetryCount: 0 }, 1);
    return policy;
  }
}

function duplicatesOf({ parts }: Cluster): number | null {
  let duplicates: number | null = null;
  parts.stats.collectMore(
    { prefix: '', promPrefix: '', labels: {} },
    {
      value: (_scope, name, _kind, value) => {
        if (name === 'lb_subsets_single_host_per_subset_duplicate') duplicates = value;
      },
      tagged: () => {},
      histogram: () => {},
      text: () => {},
    },
  );
  return duplicates;
}

const host = (name: string, version: string, stage = 'prod') =>
  new StubHost(name, { lb: { version, stage } });
const threeHosts = () => [host('a', 'v1'), host('b', 'v1', 'dev'), host('c', 'v2')];

describe('subsets', () => {
  it('are of exactly the keys of a selector', () => {
    const cluster = new Cluster(subsetData(), [...threeHosts(), new StubHost('plain')]);
    assert.deepEqual(cluster.picks({ version: 'v1' }), { a: 6, b: 6 });
    assert.deepEqual(cluster.picks({ version: 'v1', stage: 'dev' }), { b: 12 });
    for (const other of [{ stage: 'dev' }, { version: 'v9' }, { version: 'v1', x: 1 }, {}, null]) {
      assert.deepEqual(cluster.picks(other), { '': 12 }, JSON.stringify(other));
    }
    assert.equal(cluster.parts.stats.lbSubsetsSelected, 24);
  });

  it('come and go with hosts and with their metadata, and are counted', () => {
    const hosts = threeHosts();
    const cluster = new Cluster(subsetData(), hosts);
    // v1, v2, prod+v1, dev+v1, prod+v2
    assert.deepEqual(cluster.counts(), [5, 5, 0]);
    cluster.setHosts(hosts);
    assert.deepEqual(cluster.counts(), [5, 5, 0]);
    cluster.setHosts(hosts.slice(0, 2));
    assert.deepEqual(cluster.counts(), [3, 5, 2]);
    assert.deepEqual(cluster.picks({ version: 'v2' }), { '': 12 });
    // An update of metadata keeps the host's object.
    const [first] = hosts;
    first!.placed = {
      ...first!.placed,
      metadata: { 'envoy.lb': { version: 'v3', stage: 'prod' } },
    };
    cluster.setHosts(hosts.slice(0, 2));
    assert.deepEqual(cluster.counts(), [4, 7, 3]);
    assert.deepEqual(cluster.picks({ version: 'v3' }), { a: 12 });
    assert.deepEqual(cluster.picks({ version: 'v1' }), { b: 12 });
    cluster.index.subsets.close();
    assert.deepEqual(cluster.counts(), [0, 7, 7]);
  });

  it('heed health: a policy that was made before it changed is not used again', () => {
    const hosts = threeHosts();
    const cluster = new Cluster(subsetData(), hosts);
    assert.deepEqual(cluster.picks({ version: 'v1' }), { a: 6, b: 6 });
    hosts[0]!.healthNow = 'unhealthy';
    cluster.setHosts(hosts);
    assert.deepEqual(cluster.picks({ version: 'v1' }), { b: 12 });
  });

  it('have no locality weights of their own accord', () => {
    const hosts = [1, 2, 3].map(
      (i) => new StubHost(`h${i}`, { lb: { version: 'v1' }, zone: i === 1 ? 'x' : 'y' }),
    );
    const child = { ...defaultRoundRobin, locality: { kind: 'locality-weighted' } } as const;
    const picks = (given: Partial<SubsetData>, extra: readonly StubHost[] = []) =>
      new Cluster(subsetData({ child, ...given }), [...hosts, ...extra], {
        localityWeights: { x: 30, y: 10 },
      }).picks({ version: 'v1' }, 240);
    assert.deepEqual(picks({}), { h1: 80, h2: 80, h3: 80 });
    assert.deepEqual(picks({ localityWeightAware: true }), { h1: 180, h2: 30, h3: 30 });
    // Two thirds of x are not in the subset: 10 to 10.
    const others = ['o1', 'o2'].map((name) => new StubHost(name, { zone: 'x' }));
    assert.deepEqual(picks({ localityWeightAware: true, scaleLocalityWeight: true }, others), {
      h1: 120,
      h2: 60,
      h3: 60,
    });
  });

  it('of a single host use it whatever its health, and count the others of its priority', () => {
    const of = (name: string, priority: number) =>
      new StubHost(name, { lb: { id: 1 }, priority, health: 'unhealthy' });
    const data = subsetData({ selectors: [selector(['id'], { singleHostPerSubset: true })] });
    const cluster = new Cluster(data, [of('later', 1), of('a', 0), of('b', 0), of('c', 0)]);
    assert.deepEqual(cluster.picks({ id: 1 }), { a: 12 });
    assert.equal(duplicatesOf(cluster), 2);
  });

  it('take each element of a list for a value with list_as_any', () => {
    const hosts = [
      new StubHost('ab', { lb: { v: ['a', 'b', 'a'] } }),
      new StubHost('b', { lb: { v: 'b' } }),
      new StubHost('none', { lb: { v: [] } }),
    ];
    const selectors = [selector(['v'])];
    const any = new Cluster(subsetData({ selectors, listAsAny: true }), hosts);
    assert.deepEqual(any.picks({ v: 'a' }), { ab: 12 });
    assert.deepEqual(any.picks({ v: 'b' }), { ab: 6, b: 6 });
    assert.deepEqual(any.picks({ v: [] }), { '': 12 });
    assert.deepEqual(any.counts(), [2, 2, 0]);
    const whole = new Cluster(subsetData({ selectors }), hosts);
    assert.deepEqual(whole.picks({ v: ['a', 'b', 'a'] }), { ab: 12 });
    assert.deepEqual(whole.picks({ v: 'a' }), { '': 12 });
  });
});

describe('fallback', () => {
  const unknown = { version: 'v9' };

  it('goes to any host, to the default subset, or nowhere', () => {
    const picks = (given: Partial<SubsetData>) => {
      const cluster = new Cluster(subsetData(given), threeHosts());
      return [cluster.picks(unknown), cluster.parts.stats.lbSubsetsFallback];
    };
    const defaultSubset = metadataMatchOf({ version: 'v1' }).entries;
    assert.deepEqual(picks({}), [{ '': 12 }, 0]);
    assert.deepEqual(picks({ fallbackPolicy: 'ANY_ENDPOINT' }), [{ a: 4, b: 4, c: 4 }, 12]);
    assert.deepEqual(picks({ fallbackPolicy: 'DEFAULT_SUBSET', defaultSubset }), [
      { a: 6, b: 6 },
      12,
    ]);
    // Without values every host is in it.
    assert.deepEqual(picks({ fallbackPolicy: 'DEFAULT_SUBSET' }), [{ a: 4, b: 4, c: 4 }, 12]);
  });

  it('with panic_mode_any goes to any host where the fallback has none', () => {
    const given = {
      fallbackPolicy: 'DEFAULT_SUBSET',
      defaultSubset: metadataMatchOf(unknown).entries,
    } as const;
    assert.deepEqual(new Cluster(subsetData(given), threeHosts()).picks(unknown), { '': 12 });
    const cluster = new Cluster(subsetData({ ...given, panicModeAny: true }), threeHosts());
    assert.deepEqual(cluster.picks(unknown), { a: 4, b: 4, c: 4 });
    assert.equal(cluster.parts.stats.lbSubsetsFallbackPanic, 12);
    assert.equal(cluster.parts.stats.lbSubsetsFallback, 0);
  });

  it('of the selector of these keys goes before that of the cluster', () => {
    const defaultSubset = metadataMatchOf({ version: 'v2' }).entries;
    const picks = (fallbackPolicy: SubsetSelectorData['fallbackPolicy']) =>
      new Cluster(
        subsetData({
          fallbackPolicy: 'ANY_ENDPOINT',
          defaultSubset,
          selectors: [
            selector(['stage', 'version'], { fallbackPolicy, fallbackKeys: ['version'] }),
            selector(['version'], { fallbackPolicy: 'NO_FALLBACK' }),
          ],
        }),
        threeHosts(),
      ).picks({ version: 'v1', stage: 'qa' });
    assert.deepEqual(picks('NOT_DEFINED'), { a: 4, b: 4, c: 4 });
    assert.deepEqual(picks('NO_FALLBACK'), { '': 12 });
    assert.deepEqual(picks('ANY_ENDPOINT'), { a: 4, b: 4, c: 4 });
    assert.deepEqual(picks('DEFAULT_SUBSET'), { c: 12 });
    assert.deepEqual(picks('KEYS_SUBSET'), { a: 6, b: 6 });
  });

  it('by a list of metadata takes the first that gives a host', () => {
    const data = subsetData({ usesFallbackList: true });
    const cluster = new Cluster(data, threeHosts());
    const picks = (list: unknown) => cluster.picks({ version: 'v1', fallback_list: list });
    assert.deepEqual(picks([{ version: 'v9' }, { version: 'v2' }]), { c: 12 });
    assert.deepEqual(picks([{ stage: 'dev' }]), { b: 12 });
    assert.deepEqual(picks([]), { a: 6, b: 6 });
    assert.deepEqual(picks([{ version: 'v9' }]), { '': 12 });
    // Elsewhere it is a key as any other.
    const other = new Cluster(subsetData(), threeHosts());
    assert.deepEqual(other.picks({ version: 'v1', fallback_list: [] }), { '': 12 });
  });

  it('is not needed for keys too many where they are allowed', () => {
    const selectors = [
      selector(['stage', 'version'], { fallbackPolicy: 'ANY_ENDPOINT' }),
      selector(['version']),
    ];
    const cluster = new Cluster(subsetData({ allowRedundantKeys: true, selectors }), threeHosts());
    assert.deepEqual(cluster.picks({ a: 1, version: 'v1', z: 1 }), { a: 6, b: 6 });
    assert.deepEqual(cluster.picks({ a: 1, stage: 'dev', version: 'v1' }), { b: 12 });
    assert.deepEqual(cluster.picks({ stage: 'qa', version: 'v1', z: 1 }), { a: 4, b: 4, c: 4 });
    assert.deepEqual(cluster.picks({ stage: 'dev' }), { '': 12 });
  });
});
