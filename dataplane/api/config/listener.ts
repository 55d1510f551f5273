// A compiled listener: plain, frozen data made by config/listener from config.listener.v3.Listener.

import type { ExtensionData } from '../factory.ts';
import type { DownstreamTlsConfig } from './tls.ts';

export interface ListenerConfig {
  readonly name: string;
  readonly address: { readonly ip: string; readonly port: number };
  /** Stats hang below `listener.<statPrefix>`: stat_prefix or `ip_port`. */
  readonly statPrefix: string;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  readonly listenerFilters: readonly ExtensionData[];
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
