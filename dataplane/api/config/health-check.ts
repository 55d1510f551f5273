// core.v3.HealthCheck of a cluster, compiled: part of ClusterConfig. Defaults are Envoy's and are already filled
// in. Acted upon in the main thread (upstream/health); workers only see the flags that come of it.

import type { HeaderMutationsData, StringMatcherData } from '../matcher-data.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { UpstreamProxyProtocolConfig } from './proxy-protocol.ts';

/** How often, how long, and what the results mean; times in ms. */
export interface HealthCheckConfig {
  /** Of one check, connecting included. */
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** Runtime keys health_check.min_interval and max_interval bound every interval; absent = they do not. */
  readonly bounds?: { readonly minMs: RuntimeNumber; readonly maxMs: RuntimeNumber };
  /** Before the first check of a host: random up to this; 0 = at once. */
  readonly initialJitterMs: number;
  /** Added to each wait: random up to this. */
  readonly intervalJitterMs: number;
  /** Of the wait, added as well. */
  readonly intervalJitterPercent: number;
  /** Failures in a row that make a healthy host unhealthy; answers that say so need one. */
  readonly unhealthyThreshold: number;
  /** Successes in a row that make an unhealthy host healthy; the first check needs one. */
  readonly healthyThreshold: number;
  /** Of every host that has no port of its own for checks; null = the port of traffic. Envoy ignores it. */
  readonly altPort: number | null;
  readonly reuseConnection: boolean;
  /** Until the cluster's first connection for traffic; default 60 000. */
  readonly noTrafficIntervalMs: number;
  /** The same, of healthy hosts; default: noTrafficIntervalMs. */
  readonly noTrafficHealthyIntervalMs: number;
  /** Default: intervalMs. */
  readonly unhealthyIntervalMs: number;
  /** While failures count up to the threshold; default: unhealthyIntervalMs. */
  readonly unhealthyEdgeIntervalMs: number;
  /** While successes count up to the threshold; default: intervalMs. */
  readonly healthyEdgeIntervalMs: number;
  /** Files that get a line per event; empty = none. */
  readonly eventLogPaths: readonly string[];
  readonly alwaysLogFailures: boolean;
  readonly alwaysLogSuccess: boolean;
  /** Instead of the transport socket's own list; empty = that. */
  readonly alpnProtocols: readonly string[];
  readonly checker: HttpCheckData | TcpCheckData | GrpcCheckData;
}

/** type.v3.Int64Range of statuses, `end` excluded. */
export interface StatusRange {
  readonly start: number;
  readonly end: number;
}

export interface HttpCheckData {
  readonly kind: 'HTTP';
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** '' = the cluster's name. */
  readonly host: string;
  readonly path: string;
  readonly method: string;
  /** Body of the request; empty = none. */
  readonly send: Uint8Array;
  readonly headers: HeaderMutationsData;
  readonly expectedStatuses: readonly StatusRange[];
  readonly retriableStatuses: readonly StatusRange[];
  /** Found in the body one behind the other, with anything between. */
  readonly receive: readonly Uint8Array[];
  /** So much of the body is searched; 0 = all. */
  readonly responseBufferBytes: number;
  /** What x-envoy-upstream-healthchecked-cluster has to be; null = anything. */
  readonly serviceName: StringMatcherData | null;
}

export interface TcpCheckData {
  readonly kind: 'TCP';
  /** Empty = nothing. */
  readonly send: Uint8Array;
  /** As HttpCheckData.receive; none = to have connected is enough. */
  readonly receive: readonly Uint8Array[];
  readonly proxyProtocol: UpstreamProxyProtocolConfig | null;
}

export interface GrpcCheckData {
  readonly kind: 'GRPC';
  /** '' = the server as a whole. */
  readonly serviceName: string;
  /** '' = the cluster's name. */
  readonly authority: string;
  readonly metadata: HeaderMutationsData;
}

/** endpoint.v3.Endpoint.health_check_config. */
export interface HostHealthCheckConfig {
  /** 0 = the port of traffic. */
  readonly port: number;
  /** IP literal, '' = the address of traffic. */
  readonly address: string;
  /** Instead of the checker's host or authority; '' = that. */
  readonly hostname: string;
  /** Never checked, taken for healthy. */
  readonly disabled: boolean;
}
