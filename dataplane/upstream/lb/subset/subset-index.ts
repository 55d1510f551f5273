// Which hosts have which combination of `envoy.lb` values, for the selectors of a cluster, in one worker. Outlives the
// policy (subset-balancer.ts), which is made anew with each change of health: only hosts or metadata that changed make
// it look at hosts again. Counts lb_subsets_active, _created, _removed and _single_host_per_subset_duplicate.
//
//   root ─ stage ─ "prod" ─ version ─ "v1" ● subset      keys of a selector are sorted, as those of a match are;
//        └ version ─ "v1" ●                              ● = the keys so far are those of a selector

import type { SubsetData } from '../../../api/config/load-balancing.ts';
import { LB_METADATA, type MetadataEntry, metadataText } from '../../../api/metadata-match.ts';
import type { ClusterStats } from '../../cluster-stats.ts';
import type { UpstreamHost } from '../../host.ts';
import { finish, HOSTS_PER_STEP, type Steps } from '../../steps.ts';
import type { PrioritySet } from '../host-set.ts';
import type { LoadBalancer } from '../load-balancer.ts';

/** The hosts of one combination of values. */
export class Subset {
  members: UpstreamHost[] = [];
  /** Of the update that `update` is. */
  next: UpstreamHost[] = [];
  update: SubsetUpdate | null = null;
  /** single_host_per_subset: of its members the first of the lowest priority is all there is. */
  readonly isSingleHost: boolean;
  /** Over the members; whoever finds that `policyOwner` is not itself makes it anew. */
  policy: LoadBalancer | null = null;
  policyOwner: object | null = null;

  constructor(isSingleHost: boolean) {
    this.isSingleHost = isSingleHost;
  }
}

class Node {
  readonly children = new Map<string, Map<string, Node>>();
  subset: Subset | null = null;

  child(key: string, value: string): Node | undefined {
    return this.children.get(key)?.get(value);
  }

  makeChild(key: string, value: string): Node {
    let values = this.children.get(key);
    if (values === undefined) {
      values = new Map();
      this.children.set(key, values);
    }
    let node = values.get(value);
    if (node === undefined) {
      node = new Node();
      values.set(value, node);
    }
    return node;
  }
}

type Metadata = UpstreamHost['placed']['metadata'];

/** Nodes of one combination of metadata; `isSingleHost` by node. */
interface Place {
  readonly metadata: Metadata;
  readonly nodes: Node[];
  readonly isSingleHost: boolean[];
}

/** The index over other hosts, made and not in use yet. */
export interface SubsetUpdate {
  /** The commit that it follows: with another one between, it is void. */
  readonly follows: number;
  readonly priorities: PrioritySet['priorities'];
  readonly hosts: UpstreamHost[];
  readonly places: Map<UpstreamHost, Place>;
  /** Those that have hosts. */
  readonly subsets: Subset[];
  /** Hosts that came over the wire together share metadata. */
  readonly byMetadata: Map<Metadata, Place>;
  duplicates: number;
  /** The index is up to date already. */
  isSame: boolean;
}

/** See the file head. */
export class SubsetIndex {
  readonly #data: SubsetData;
  readonly #stats: ClusterStats;
  readonly #root = new Node();
  /** In order. */
  #hosts: UpstreamHost[] = [];
  #subsets: readonly Subset[] = [];
  /** Where each of them is, and by which metadata: hosts are updated in place. */
  #places = new Map<UpstreamHost, Place>();
  #commits = 0;

  constructor(data: SubsetData, stats: ClusterStats) {
    this.#data = data;
    this.#stats = stats;
  }

  /** Makes what it will be over these hosts; find() tells what it is until `commit`. */
  *prepare({ priorities }: Pick<PrioritySet, 'priorities'>): Steps<SubsetUpdate> {
    const update: SubsetUpdate = {
      follows: this.#commits,
      priorities,
      hosts: [],
      places: new Map(),
      subsets: [],
      byMetadata: new Map(),
      duplicates: 0,
      isSame: true,
    };
    const total = priorities.reduce((sum, { all }) => sum + all.length, 0);
    update.isSame = total === this.#hosts.length && (yield* this.#isCurrent(priorities));
    if (update.isSame) {
      update.subsets.push(...this.#subsets);
      return update;
    }
    for (const { all } of priorities) {
      for (const host of all) {
        this.#place(host, update);
        if (update.hosts.length % HOSTS_PER_STEP === 0) yield;
      }
    }
    return update;
  }

  /** `update` is what holds from now on. False = it was void, and made anew. */
  commit(update: SubsetUpdate): boolean {
    if (update.follows !== this.#commits) {
      this.commit(finish(this.prepare(update)));
      return false;
    }
    if (update.isSame) return true;
    this.#commits++;
    this.#subsets = update.subsets;
    this.#hosts = update.hosts;
    this.#places = update.places;
    this.#switch(this.#root, update);
    this.#stats.setSubsetDuplicates(update.duplicates);
    return true;
  }

  /** All of its subsets are gone. */
  close(): void {
    this.commit(finish(this.prepare({ priorities: [] })));
  }

  /** The subset of exactly these keys and values. */
  find(entries: readonly MetadataEntry[]): Subset | null {
    let node = this.#root;
    for (let i = 0; i < entries.length; i++) {
      const { key, value } = entries[i]!;
      const next = node.child(key, value);
      if (next === undefined) return null;
      node = next;
    }
    const { subset } = node;
    // An update may have made it that does not hold yet.
    return subset === null || subset.members.length === 0 ? null : subset;
  }

  *#isCurrent(priorities: PrioritySet['priorities']): Steps<boolean> {
    let at = 0;
    for (const { all } of priorities) {
      for (const host of all) {
        if (this.#hosts[at] !== host) return false;
        if (this.#places.get(host)!.metadata !== host.placed.metadata) return false;
        if (++at % HOSTS_PER_STEP === 0) yield;
      }
    }
    return true;
  }

  #place(host: UpstreamHost, update: SubsetUpdate): void {
    const { metadata } = host.placed;
    let place = update.byMetadata.get(metadata);
    if (place === undefined) {
      // A place that has a host is in the tree.
      const known = this.#places.get(host);
      place = known?.metadata === metadata ? known : this.#placeOf(metadata);
      update.byMetadata.set(metadata, place);
    }
    update.hosts.push(host);
    update.places.set(host, place);
    for (let i = 0; i < place.nodes.length; i++) {
      this.#addTo(place.nodes[i]!, host, place.isSingleHost[i]!, update);
    }
  }

  #placeOf(metadata: Metadata): Place {
    const place: Place = { metadata, nodes: [], isSingleHost: [] };
    const values = metadata?.[LB_METADATA];
    if (values === undefined) return place;
    for (const { keys, singleHostPerSubset } of this.#data.selectors) {
      if (keys.length > 0) this.#findNodes(this.#root, keys, 0, values, place.nodes);
      while (place.isSingleHost.length < place.nodes.length) {
        place.isSingleHost.push(singleHostPerSubset);
      }
    }
    return place;
  }

  #findNodes(
    node: Node,
    keys: readonly string[],
    at: number,
    values: Readonly<Record<string, unknown>>,
    found: Node[],
  ): void {
    const key = keys[at];
    if (key === undefined) {
      found.push(node);
      return;
    }
    const value = values[key];
    if (value === undefined || !Object.hasOwn(values, key)) return;
    if (!this.#data.listAsAny || !Array.isArray(value)) {
      this.#findNodes(node.makeChild(key, metadataText(value)), keys, at + 1, values, found);
      return;
    }
    // An empty list is no value.
    for (const item of value) {
      this.#findNodes(node.makeChild(key, metadataText(item)), keys, at + 1, values, found);
    }
  }

  #addTo(node: Node, host: UpstreamHost, isSingleHost: boolean, update: SubsetUpdate): void {
    node.subset ??= new Subset(isSingleHost);
    const { subset } = node;
    if (subset.update !== update) {
      subset.update = update;
      subset.next = [];
      update.subsets.push(subset);
    }
    const members = subset.next;
    const last = members.at(-1);
    // Two selectors of the same keys, or a list that has a value twice.
    if (last === host) return;
    if (!subset.isSingleHost) members.push(host);
    else if (last === undefined) members.push(host);
    else if (last.placed.priority === host.placed.priority) update.duplicates++;
  }

  /** Subsets get their members of the update; what has none goes. True = nothing is left of the node. */
  #switch(node: Node, update: SubsetUpdate): boolean {
    for (const [key, values] of node.children) {
      for (const [value, child] of values) if (this.#switch(child, update)) values.delete(value);
      if (values.size === 0) node.children.delete(key);
    }
    const { subset } = node;
    if (subset !== null) {
      const wasActive = subset.members.length > 0;
      subset.members = subset.update === update ? subset.next : [];
      subset.next = [];
      subset.update = null;
      subset.policy = null;
      const isActive = subset.members.length > 0;
      if (isActive && !wasActive) {
        this.#stats.lbSubsetsCreated++;
        this.#stats.lbSubsetsActive++;
      } else if (wasActive && !isActive) {
        this.#stats.lbSubsetsActive--;
        this.#stats.lbSubsetsRemoved++;
      }
      if (!isActive) node.subset = null;
    }
    return node.subset === null && node.children.size === 0;
  }
}

/** The indexes of a cluster's policy, by its data. */
export class SubsetIndexes {
  readonly #byData = new Map<SubsetData, SubsetIndex>();

  of(data: SubsetData, stats: ClusterStats): SubsetIndex {
    let index = this.#byData.get(data);
    if (index === undefined) {
      index = new SubsetIndex(data, stats);
      this.#byData.set(data, index);
    }
    return index;
  }

  /** The cluster is gone, with all of its subsets. */
  close(): void {
    for (const index of this.#byData.values()) index.close();
  }
}
