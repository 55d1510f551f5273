// How a cluster's hosts are chosen: plain data from lb_policy and its *_lb_config, or from the first usable entry of
// load_balancing_policy. config/load-balancing makes it, upstream/lb/load-balancer turns it into a balancer.
// A new policy is one more member of LoadBalancingData.

import type { MetadataEntry } from '../metadata-match.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { HashPolicyData } from './hash-policy.ts';

/** By `kind`; names are those of Cluster.LbPolicy where it has one. */
export type LoadBalancingData =
  | RoundRobinData
  | LeastRequestData
  | RandomData
  | HashingData
  | SubsetData
  | OverrideHostData
  | MeasuredPolicyData;

/**
 * Which locality of a priority a request goes to, for policies that choose among the hosts of a list.
 * 'locality-weighted': by the weights that discovery gives localities. 'zone-aware': the sidecar's own as far as its share
 * of the upstream hosts reaches; it needs bootstrap's local_cluster_name, without which localities do not matter.
 */
export type LocalityLbData = { readonly kind: 'locality-weighted' } | ZoneAwareData;

export interface ZoneAwareData {
  readonly kind: 'zone-aware';
  /** 0..100, default 100. */
  readonly routingEnabledPercent: RuntimeNumber;
  /** Of healthy upstream hosts, default 6. */
  readonly minClusterSize: RuntimeNumber;
  /** A priority in panic gives no host. */
  readonly failTrafficOnPanic: boolean;
  /** All to the own locality while it has that many healthy hosts; null = only as far as its share reaches. */
  readonly forceLocalZoneMinSize: number | null;
  /** What a locality's share is counted in. */
  readonly localityBasis: 'HEALTHY_HOSTS_NUM' | 'HEALTHY_HOSTS_WEIGHT';
}

/** What holds where nothing is said (Envoy's LocalityLbConfig). */
export const defaultZoneAware: ZoneAwareData = {
  kind: 'zone-aware',
  routingEnabledPercent: 100,
  minClusterSize: 6,
  failTrafficOnPanic: false,
  forceLocalZoneMinSize: null,
  localityBasis: 'HEALTHY_HOSTS_NUM',
};

/** New hosts get their share of requests little by little. */
export interface SlowStartData {
  /** > 0 */
  readonly windowMs: number;
  /** > 0, default 1: linear. */
  readonly aggression: RuntimeNumber;
  /** 0..100, default 10. */
  readonly minWeightPercent: number;
}

export interface RoundRobinData {
  readonly kind: 'ROUND_ROBIN';
  readonly locality: LocalityLbData;
  readonly slowStart: SlowStartData | null;
}

export interface LeastRequestData {
  readonly kind: 'LEAST_REQUEST';
  /** >= 2, default 2. */
  readonly choiceCount: number;
  /** >= 0, default 1; 0 = weights only. */
  readonly activeRequestBias: RuntimeNumber;
  readonly selection: 'N_CHOICES' | 'FULL_SCAN';
  readonly locality: LocalityLbData;
  readonly slowStart: SlowStartData | null;
}

export interface RandomData {
  readonly kind: 'RANDOM';
  readonly locality: LocalityLbData;
}

/** Policies that give one hash one host (upstream/lb/hashing). */
export type HashingData = RingHashData | MaglevData;

/** What they have in common. */
export interface ConsistentHashingData {
  /** Instead of the address; metadata `envoy.lb`.`hash_key` goes before both. */
  readonly useHostnameForHashing: boolean;
  /** hash_balance_factor in percent, >= 100; null = no bound. */
  readonly balanceFactor: number | null;
  /** A host's weight is that within its locality, times the locality's. */
  readonly localityWeighted: boolean;
  /** Goes before the route's; empty = the route's. */
  readonly hashPolicy: readonly HashPolicyData[];
}

export interface RingHashData extends ConsistentHashingData {
  readonly kind: 'RING_HASH';
  /** 1..8_388_608, default 1024. */
  readonly minimumRingSize: number;
  /** 1..8_388_608, default 8_388_608. */
  readonly maximumRingSize: number;
  readonly hashFunction: 'XX_HASH' | 'MURMUR_HASH_2';
}

export interface MaglevData extends ConsistentHashingData {
  readonly kind: 'MAGLEV';
  /** A prime up to 5_000_011, default 65_537. */
  readonly tableSize: number;
}

/** Round robin where nothing is said. */
export const defaultRoundRobin: RoundRobinData = {
  kind: 'ROUND_ROBIN',
  locality: defaultZoneAware,
  slowStart: null,
};

/** Cluster.LbSubsetConfig, load_balancing_policies.subset.v3.Subset. */
export interface SubsetData {
  readonly kind: 'SUBSET';
  readonly fallbackPolicy: 'NO_FALLBACK' | 'ANY_ENDPOINT' | 'DEFAULT_SUBSET';
  /** Sorted by key. */
  readonly defaultSubset: readonly MetadataEntry[];
  /** With allowRedundantKeys, those of most keys first. */
  readonly selectors: readonly SubsetSelectorData[];
  readonly localityWeightAware: boolean;
  readonly scaleLocalityWeight: boolean;
  readonly panicModeAny: boolean;
  readonly listAsAny: boolean;
  /** metadata_fallback_policy is FALLBACK_LIST. */
  readonly usesFallbackList: boolean;
  readonly allowRedundantKeys: boolean;
  /** Chooses within a subset; not a subset policy itself. */
  readonly child: LoadBalancingData;
}

export interface SubsetSelectorData {
  /** Sorted, each once. */
  readonly keys: readonly string[];
  readonly singleHostPerSubset: boolean;
  readonly fallbackPolicy:
    | 'NOT_DEFINED'
    | 'NO_FALLBACK'
    | 'ANY_ENDPOINT'
    | 'DEFAULT_SUBSET'
    | 'KEYS_SUBSET';
  /** Of KEYS_SUBSET: fewer than `keys`, at least one. */
  readonly fallbackKeys: readonly string[];
}

/** load_balancing_policies.override_host.v3.OverrideHost. */
export interface OverrideHostData {
  readonly kind: 'OVERRIDE_HOST';
  /** In this order. */
  readonly sources: readonly OverrideHostSource[];
  /** Where the address of the chosen host is told; null = nowhere. */
  readonly selectedHostKey: MetadataKeyData | null;
  /** Chooses when no source names a host of the cluster. */
  readonly fallback: LoadBalancingData;
}

export type OverrideHostSource =
  /** A request header, lower-case. */
  | { readonly kind: 'header'; readonly name: string }
  /** Dynamic metadata of the request. */
  | { readonly kind: 'metadata'; readonly key: MetadataKeyData };

/** type.metadata.v3.MetadataKey: a namespace and at least one step into it. */
export interface MetadataKeyData {
  readonly namespace: string;
  readonly path: readonly string[];
}

/** Policies that measure hosts by their responses (upstream/lb/measured). */
export type MeasuredPolicyData = ClientSideWeightedRoundRobinData | PeakEwmaData;

/** load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin. */
export interface ClientSideWeightedRoundRobinData {
  readonly kind: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN';
  /** Reports must have come for so long; default 10 000. */
  readonly blackoutPeriodMs: number;
  /** Default 180 000. */
  readonly weightExpirationPeriodMs: number;
  /** >= 100, default 1000. */
  readonly weightUpdatePeriodMs: number;
  /** >= 0; how much a share of errors adds to the utilization. Default 0, as Envoy has it (its docs say 1). */
  readonly errorUtilizationPenalty: number;
  /** `named_metrics.<key>` and the like: the utilization where there is no application_utilization. */
  readonly metricNames: readonly string[];
  readonly slowStart: SlowStartData | null;
  /** Null = reports come with responses only. */
  readonly outOfBand: OutOfBandReportsData | null;
  /** The default one; locality-weighted under load_balancing_policies.wrr_locality.v3.WrrLocality. */
  readonly locality: LocalityLbData;
}

/** Streams of load reports from each host: OpenRcaService. */
export interface OutOfBandReportsData {
  /** What hosts are asked for; > 0, default 10 000. */
  readonly periodMs: number;
  /** Null = where the host serves requests. */
  readonly port: number | null;
  /** '' = the host's name, or what there is instead. */
  readonly authority: string;
}

/** remora.load_balancing_policies.peak_ewma.v1.PeakEwma */
export interface PeakEwmaData {
  readonly kind: 'PEAK_EWMA';
  /** > 0, default 10 000. */
  readonly decayTimeMs: number;
  /** Of a host that was not measured yet; default 30. */
  readonly defaultLatencyMs: number;
  /** What a failure counts as, at least; default 1000. */
  readonly failureLatencyMs: number;
  /** >= 2, default 2. */
  readonly choiceCount: number;
}
