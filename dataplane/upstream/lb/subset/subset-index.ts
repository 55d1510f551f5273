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
import type { PrioritySet } from '../host-set.ts';
import type { LoadBalancer } from '../load-balancer.ts';

/** The hosts of one combination of values. */
export class Subset {
  members: UpstreamHost[] = [];
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

/** The nodes of a host's combinations; `isSingleHost` by node. */
interface Place {
  readonly metadata: Metadata;
  readonly nodes: Node[];
  readonly isSingleHost: boolean[];
}

/** See the file head. */
export class SubsetIndex {
  readonly #data: SubsetData;
  readonly #stats: ClusterStats;
  readonly #root = new Node();
  #duplicates = 0;
  /** In order. */
  #hosts: UpstreamHost[] = [];
  /** Where each of them is, and by which metadata: hosts are updated in place. */
  #places = new Map<UpstreamHost, Place>();

  constructor(data: SubsetData, stats: ClusterStats) {
    this.#data = data;
    this.#stats = stats;
  }

  /** Brings it up to date. */
  update({ priorities }: PrioritySet): void {
    if (!this.#isCurrent(priorities)) this.#rebuild(priorities);
  }

  /** All of its subsets are gone. */
  close(): void {
    this.#rebuild([]);
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
    return node.subset;
  }

  #isCurrent(priorities: PrioritySet['priorities']): boolean {
    let at = 0;
    for (const { all } of priorities) {
      for (const host of all) {
        if (this.#hosts[at] !== host) return false;
        if (this.#places.get(host)!.metadata !== host.placed.metadata) return false;
        at++;
      }
    }
    return at === this.#hosts.length;
  }

  #rebuild(priorities: PrioritySet['priorities']): void {
    const former = this.#places;
    forEachSubset(this.#root, emptySubset);
    this.#hosts = [];
    this.#places = new Map();
    this.#duplicates = 0;
    for (const { all } of priorities) {
      for (const host of all) {
        const known = former.get(host);
        const { metadata } = host.placed;
        // A place that has a host is in the tree.
        const place = known?.metadata === metadata ? known : this.#placeOf(metadata);
        this.#hosts.push(host);
        this.#places.set(host, place);
        for (let i = 0; i < place.nodes.length; i++) {
          this.#addTo(place.nodes[i]!, host, place.isSingleHost[i]!);
        }
      }
    }
    this.#prune(this.#root);
    this.#stats.setSubsetDuplicates(this.#duplicates);
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

  #addTo(node: Node, host: UpstreamHost, isSingleHost: boolean): void {
    if (node.subset === null) {
      node.subset = new Subset(isSingleHost);
      this.#stats.lbSubsetsCreated++;
      this.#stats.lbSubsetsActive++;
    }
    const { members } = node.subset;
    const last = members.at(-1);
    // Two selectors of the same keys, or a list that has a value twice.
    if (last === host) return;
    if (!node.subset.isSingleHost) members.push(host);
    else if (last === undefined) members.push(host);
    else if (last.placed.priority === host.placed.priority) this.#duplicates++;
  }

  /** True = nothing is left of it. */
  #prune(node: Node): boolean {
    for (const [key, values] of node.children) {
      for (const [value, child] of values) if (this.#prune(child)) values.delete(value);
      if (values.size === 0) node.children.delete(key);
    }
    if (node.subset !== null && node.subset.members.length === 0) {
      node.subset = null;
      this.#stats.lbSubsetsActive--;
      this.#stats.lbSubsetsRemoved++;
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

function forEachSubset(node: Node, visit: (subset: Subset) => void): void {
  if (node.subset !== null) visit(node.subset);
  for (const values of node.children.values()) {
    for (const child of values.values()) forEachSubset(child, visit);
  }
}

function emptySubset(subset: Subset): void {
  subset.members = [];
}
