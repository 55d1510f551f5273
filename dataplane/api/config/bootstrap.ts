// A compiled bootstrap: plain, frozen data made by config/bootstrap from config.bootstrap.v3.Bootstrap;
// server/ starts the process from it.

import type { FieldError } from '../../../common/result.ts';
import type { SocketAddress } from '../connection.ts';
import type { ExtensionData } from '../factory.ts';
import type { ResourceReference } from '../resource-compiler.ts';
import type { RuntimeLayerConfig } from '../runtime.ts';
import type { BindConfig, ClusterConfig } from './cluster.ts';
import type { ConfigSource, GrpcApiConfig, GrpcServiceConfig } from './config-source.ts';
import type { DnsResolverConfig } from './dns.ts';
import type { ListenerConfig } from './listener.ts';
import type { SecretData } from './tls.ts';

export interface BootstrapConfig {
  readonly node: NodeConfig;
  /** Null = no admin server. */
  readonly admin: AdminConfig | null;
  /** Data-plane clusters of static_resources, without those that only lead to management servers. */
  readonly clusters: readonly ClusterConfig[];
  readonly listeners: readonly ListenerConfig[];
  /** Already put in where a listener or cluster names them; dynamic resources may name them too. */
  readonly secrets: readonly SecretData[];
  readonly dynamicResources: DynamicResourcesConfig;
  /** What static resources need by discovery. */
  readonly references: readonly ResourceReference[];
  /** Requests may make us ask for more. */
  readonly mayAskLater: boolean;
  /** layered_runtime. */
  readonly runtimeLayers: readonly RuntimeLayerConfig[];
  /** Ceiling of open downstream connections: overload_manager's global_downstream_max_connections; null = not said. */
  readonly maxDownstreamConnections: number | null;
  /** What clusters get that do not say it themselves, dynamic ones too. */
  readonly clusterDefaults: ClusterDefaults;
  /** cluster_manager.local_cluster_name, '' = none. */
  readonly localClusterName: string;
  /** cluster_manager.outlier_detection.event_log_path, '' = none. */
  readonly outlierEventLogPath: string;
  /** cluster_manager.load_stats_config; null = no load reports. */
  readonly loadStats: GrpcServiceConfig | null;
  /** hds_config; null = nobody delegates health checks to us. */
  readonly hds: GrpcServiceConfig | null;
  /** Null = nothing is kept on disk. */
  readonly lastGood: LastGoodConfig | null;
  /** The bootstrap message in plain form, for /config_dump. Holds secrets: redact. */
  readonly message: Readonly<Record<string, unknown>>;
  /** Deprecated fields and the like: to be logged at start. */
  readonly warnings: readonly FieldError[];
}

export interface ClusterDefaults {
  /** typed_dns_resolver_config. */
  readonly dnsResolver: DnsResolverConfig;
  /** cluster_manager.upstream_bind_config. */
  readonly bind: BindConfig;
}

/** Last accepted resources on disk: remora.extensions.bootstrap.last_good.v1.LastGood. */
export interface LastGoodConfig {
  readonly stateDirectory: string;
  readonly holdoffMs: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly graceMs: number;
}

/** config.core.v3.Node as far as a user says it; user agent and features are added by xds/. */
export interface NodeConfig {
  readonly id: string;
  readonly cluster: string;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** JSON object. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface AdminConfig {
  readonly address: SocketAddress;
  readonly accessLogs: readonly ExtensionData[];
}

export interface DynamicResourcesConfig {
  /** The aggregated stream; null = there is none. */
  readonly ads: GrpcApiConfig | null;
  /** Where all listeners / clusters come from; null = only those of the bootstrap. */
  readonly lds: ConfigSource | null;
  readonly cds: ConfigSource | null;
}
