// A compiled listener: plain, frozen data made by config/listener from config.listener.v3.Listener.

import type { SocketAddress } from '../connection.ts';
import type { ExtensionData } from '../factory.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { DownstreamTlsConfig } from './tls.ts';

/** Where a listener listens. A Unix socket has its path as `ip` (abstract ones begin with '@'), port 0. */
export interface ListenAddress extends SocketAddress {
  /** File mode of a Unix socket; 0 = as it comes. */
  readonly mode: number;
  /** An IPv6 wildcard also takes IPv4 peers. */
  readonly ipv4Compat: boolean;
  /** Seconds of idleness before keep-alive probes on accepted connections; null = no probes. */
  readonly keepaliveS: number | null;
}

/** A listener filter and where it does not run. */
export interface ListenerFilterData extends ExtensionData {
  /** Null = it always runs. */
  readonly disabled: ListenerFilterPredicate | null;
}

/** config.listener.v3.ListenerFilterChainMatchPredicate; ports are of the local address. */
export type ListenerFilterPredicate =
  | { readonly kind: 'any'; readonly value: boolean }
  | { readonly kind: 'or' | 'and'; readonly rules: readonly ListenerFilterPredicate[] }
  | { readonly kind: 'not'; readonly rule: ListenerFilterPredicate }
  /** `start` <= port < `end` */
  | { readonly kind: 'destination-port'; readonly start: number; readonly end: number };

export interface ListenerConfig {
  readonly name: string;
  readonly address: ListenAddress;
  readonly additionalAddresses: readonly ListenAddress[];
  /** False = gets only what other listeners hand over by original destination. */
  readonly bindToPort: boolean;
  /** False = one worker accepts for all. */
  readonly enableReusePort: boolean;
  /** Connections with a restored destination go to the listener of that address, if there is one. */
  readonly useOriginalDst: boolean;
  /** Runtime key envoy.resource_limits.listener.<name>.connection_limit, over all workers; null = none. */
  readonly connectionLimit: RuntimeNumber | null;
  /** Connections here count for no global limit and are not refused by it. */
  readonly ignoreGlobalConnLimit: boolean;
  /** Stats hang below `listener.<statPrefix>`: stat_prefix or `ip_port`. */
  readonly statPrefix: string;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  readonly listenerFilters: readonly ListenerFilterData[];
  /** Default 15 000; 0 = none. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  readonly filterChains: readonly FilterChainConfig[];
  readonly defaultFilterChain: FilterChainConfig | null;
  /** Default 1 MiB. */
  readonly perConnectionBufferLimitBytes: number;
  readonly tcpBacklogSize: number;
  readonly drainType: 'DEFAULT' | 'MODIFY_ONLY';
  readonly accessLogs: readonly ExtensionData[];
  /** Hash of the resource's bytes: an unchanged listener is not touched. */
  readonly hash: string;
}

export interface FilterChainConfig {
  readonly name: string;
  readonly match: FilterChainMatchConfig;
  readonly tls: DownstreamTlsConfig | null;
  readonly filters: readonly ExtensionData[];
  /** 0 = none. */
  readonly transportSocketConnectTimeoutMs: number;
}

/** Empty lists, '' and 0 mean "any". */
export interface FilterChainMatchConfig {
  readonly destinationPort: number;
  /** CIDR as `10.0.0.0/8`. */
  readonly prefixRanges: readonly string[];
  /** Lower-case; exact or `*.suffix`. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: '' | 'raw_buffer' | 'tls';
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly string[];
  readonly sourceType: 'ANY' | 'SAME_IP_OR_LOOPBACK' | 'EXTERNAL';
  readonly sourcePrefixRanges: readonly string[];
  readonly sourcePorts: readonly number[];
}
