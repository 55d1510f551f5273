// Subset load balancing (Cluster.LbSubsetConfig, load_balancing_policies.subset): the hosts whose metadata are what the
// route asks for, and among them another policy chooses. What happens when there are none follows Envoy's
// SubsetLoadBalancer, checked side by side in test/interop/subsets. Policies of subsets are made when first needed.

import type { LocalityWeight } from '../../../api/config/cluster.ts';
import type { SubsetData, SubsetSelectorData } from '../../../api/config/load-balancing.ts';
import type { LoadBalancerContext } from '../../../api/load-balancing.ts';
import type { MetadataEntry } from '../../../api/metadata-match.ts';
import type { UpstreamHost } from '../../host.ts';
import { finish, type Steps } from '../../steps.ts';
import { localityKey, type PrioritySet, prioritySetSteps } from '../host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from '../load-balancer.ts';
import { hasValues, projected } from './metadata-keys.ts';
import type { Subset, SubsetIndex, SubsetUpdate } from './subset-index.ts';

type Entries = readonly MetadataEntry[];
type CreateChild = (hosts: PrioritySet) => LoadBalancer;

/** Policies over more hosts are made in steps, before a request asks for them. */
const LARGE_SUBSET = 500;

/** See the file head. */
export class SubsetBalancer implements LoadBalancer {
  readonly #data: SubsetData;
  readonly #hosts: PrioritySet;
  readonly #parts: LoadBalancerParts;
  readonly #createChild: CreateChild;
  readonly #index: SubsetIndex;
  /** What makes the index that of these hosts, until the first choice: former hosts are still chosen from it before. */
  #update: SubsetUpdate | null = null;
  #isIndexed = false;
  /** Policies over the members that subsets have with that update. */
  readonly #prepared = new Map<Subset, LoadBalancer>();
  #any: LoadBalancer | null = null;
  #default: LoadBalancer | null = null;

  /** `createChild` makes the policy that chooses within a subset; `index` is brought up to date by the first choice. */
  constructor(
    data: SubsetData,
    hosts: PrioritySet,
    parts: LoadBalancerParts,
    index: SubsetIndex,
    createChild: CreateChild,
  ) {
    this.#data = data;
    this.#hosts = hosts;
    this.#parts = parts;
    this.#createChild = createChild;
    this.#index = index;
  }

  *prepare(): Steps {
    const update = yield* this.#index.prepare(this.#hosts);
    this.#update = update;
    for (const subset of update.subsets) {
      const members = update.isSame ? subset.members : subset.next;
      if (subset.isSingleHost || members.length <= LARGE_SUBSET) continue;
      this.#prepared.set(subset, yield* this.#policySteps(members));
    }
    if (this.#data.fallbackPolicy !== 'ANY_ENDPOINT') return;
    const all = this.#allHosts();
    if (all.length > LARGE_SUBSET) this.#any = yield* this.#policySteps(all);
  }

  #updateIndex(): void {
    const update = this.#update ?? finish(this.#index.prepare(this.#hosts));
    if (!this.#index.commit(update)) this.#prepared.clear();
    this.#update = null;
    this.#isIndexed = true;
  }

  /** The next request may be for any subset. */
  peek(): null {
    return null;
  }

  choose(context: LoadBalancerContext, attempt: number): UpstreamHost | null {
    if (!this.#isIndexed) this.#updateIndex();
    const match = context.metadataMatch;
    if (match === null) return this.#fallBack(context, attempt);
    if (!this.#data.usesFallbackList || match.variants === null) {
      return this.#chooseBy(match.entries, context, attempt);
    }
    for (let i = 0; i < match.variants.length; i++) {
      const host = this.#chooseBy(match.variants[i]!, context, attempt);
      if (host !== null) return host;
    }
    return null;
  }

  #chooseBy(wanted: Entries, context: LoadBalancerContext, attempt: number): UpstreamHost | null {
    const selector = this.#selectorOf(wanted);
    if (selector === null) return this.#fallBack(context, attempt);
    const entries =
      selector.keys.length === wanted.length ? wanted : projected(wanted, selector.keys);
    const subset = this.#index.find(entries);
    if (subset !== null) {
      // Once for a try, however often the context refuses a host.
      if (attempt === 0) this.#parts.stats.lbSubsetsSelected++;
      if (subset.isSingleHost) return subset.members[0]!; // whatever its health, as in Envoy
      return this.#policyOf(subset).choose(context, attempt);
    }
    switch (selector.fallbackPolicy) {
      case 'NOT_DEFINED':
        return this.#fallBack(context, attempt);
      case 'NO_FALLBACK':
        return null;
      case 'ANY_ENDPOINT':
        return this.#anyPolicy().choose(context, attempt);
      case 'DEFAULT_SUBSET':
        return this.#defaultPolicy().choose(context, attempt);
      case 'KEYS_SUBSET':
        // Fewer keys each time (config checked it).
        return this.#chooseBy(projected(entries, selector.fallbackKeys), context, attempt);
    }
  }

  /** Its keys are those of the entries, or among them with allow_redundant_keys. */
  #selectorOf(entries: Entries): SubsetSelectorData | null {
    const { selectors, allowRedundantKeys } = this.#data;
    for (let i = 0; i < selectors.length; i++) {
      const selector = selectors[i]!;
      const { length } = selector.keys;
      if (length === 0 || length > entries.length) continue;
      if (length < entries.length && !allowRedundantKeys) continue;
      if (hasKeys(entries, selector.keys)) return selector;
    }
    return null;
  }

  #fallBack(context: LoadBalancerContext, attempt: number): UpstreamHost | null {
    const { fallbackPolicy, panicModeAny } = this.#data;
    if (fallbackPolicy === 'NO_FALLBACK') return null;
    const policy = fallbackPolicy === 'ANY_ENDPOINT' ? this.#anyPolicy() : this.#defaultPolicy();
    const host = policy.choose(context, attempt);
    if (host !== null) {
      if (attempt === 0) this.#parts.stats.lbSubsetsFallback++;
      return host;
    }
    if (!panicModeAny) return null;
    const panicHost = this.#anyPolicy().choose(context, attempt);
    if (panicHost !== null && attempt === 0) this.#parts.stats.lbSubsetsFallbackPanic++;
    return panicHost;
  }

  #policyOf(subset: Subset): LoadBalancer {
    if (subset.policyOwner !== this || subset.policy === null) {
      subset.policyOwner = this;
      subset.policy = this.#prepared.get(subset) ?? this.#createPolicy(subset.members);
    }
    return subset.policy;
  }

  #anyPolicy(): LoadBalancer {
    this.#any ??= this.#createPolicy(this.#allHosts());
    return this.#any;
  }

  #allHosts(): UpstreamHost[] {
    return this.#hosts.priorities.flatMap(({ all }) => all);
  }

  #defaultPolicy(): LoadBalancer {
    const { defaultSubset, listAsAny } = this.#data;
    this.#default ??= this.#createPolicy(
      this.#hosts.priorities.flatMap(({ all }) =>
        all.filter(({ placed }) => hasValues(placed.metadata, defaultSubset, listAsAny)),
      ),
    );
    return this.#default;
  }

  /** What it makes when first asked is left to that. */
  #createPolicy(members: readonly UpstreamHost[]): LoadBalancer {
    return this.#createChild(finish(this.#setSteps(members)));
  }

  *#policySteps(members: readonly UpstreamHost[]): Steps<LoadBalancer> {
    const policy = this.#createChild(yield* this.#setSteps(members));
    yield* policy.prepare();
    return policy;
  }

  #setSteps(members: readonly UpstreamHost[]): Steps<PrioritySet> {
    const { overprovisioningFactor, weightedPriorityHealth, priorities } = this.#hosts;
    const local = priorities.find(({ hasLocalLocality }) => hasLocalLocality);
    return prioritySetSteps(members, {
      overprovisioningFactor,
      weightedPriorityHealth,
      localityWeights: this.#localityWeights(members),
      localLocality: local?.localities[0]?.locality ?? null,
    });
  }

  /** Without locality_weight_aware there are none in a subset. */
  #localityWeights(members: readonly UpstreamHost[]): readonly LocalityWeight[] {
    const { localityWeightAware, scaleLocalityWeight } = this.#data;
    if (!localityWeightAware) return [];
    const counts = new Map<string, number>();
    if (scaleLocalityWeight) {
      for (const { placed } of members) {
        const key = `${placed.priority} ${localityKey(placed.locality)}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    return this.#hosts.priorities.flatMap(({ localities }, priority) =>
      localities.map(({ locality, weight, all }) => {
        if (!scaleLocalityWeight) return { locality, priority, weight };
        const count = counts.get(`${priority} ${localityKey(locality)}`) ?? 0;
        return { locality, priority, weight: Math.round((weight * count) / all.length) };
      }),
    );
  }
}

/** Both are sorted. */
function hasKeys(entries: Entries, keys: readonly string[]): boolean {
  let at = 0;
  for (let i = 0; i < entries.length && at < keys.length; i++) {
    if (entries[i]!.key === keys[at]) at++;
  }
  return at === keys.length;
}
