// The messages between the main thread and a worker. One ordered port per worker, so "cluster before the
// listener that routes to it" holds by sending in that order. Everything here is plain data.

import type { LogLevel } from '../../common/logger.ts';
import type { AssignmentPart, ClusterConfig, Locality } from '../api/config/cluster.ts';
import type { DnsCacheData } from '../api/config/dns.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { RouteConfigData, VirtualHostResource } from '../api/config/route.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';
import type { SecretData } from '../api/config/tls.ts';
import type { SocketAddress } from '../api/connection.ts';
import type { DrainStrategy } from '../api/drain.ts';
import type { ExtensionData } from '../api/factory.ts';
import type { OnDemandOutcome } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { RuntimeNumber } from '../api/runtime.ts';
import type { StatsSnapshot } from '../stats/snapshot.ts';
import type {
  DnsCacheRequest,
  DnsCacheUpdate,
} from '../upstream/dynamic-forward-proxy/cache-messages.ts';
import type { HostReport } from '../upstream/host-report.ts';
import type { ClusterLoadReport } from '../upstream/load-report.ts';
import type { OutlierReport } from '../upstream/outlier/outlier-event.ts';

/** What a worker is born with. */
export interface WorkerData {
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  /** How long replaced and removed listeners drain. */
  readonly drainTimeMs: number;
  readonly drainStrategy: DrainStrategy;
  /** Ceiling of open downstream connections of the process; null = none. */
  readonly globalConnectionLimit: {
    readonly count: SharedArrayBuffer;
    readonly max: RuntimeNumber;
  } | null;
  readonly node: { readonly id: string; readonly cluster: string; readonly zone: string };
  /** Of this process; null = none of its parts is said. */
  readonly locality: Locality | null;
  /** cluster_manager.local_cluster_name, '' = none. */
  readonly localClusterName: string;
  /** See watchdog.ts. */
  readonly heartBeats: SharedArrayBuffer;
  /** 32 random bytes of this process: a session ticket of one worker opens in all of them. */
  readonly ticketSeed: Uint8Array;
}

/** Main to worker. */
export type ToWorker =
  | { readonly type: 'shared-chunk'; readonly index: number; readonly buffer: SharedArrayBuffer }
  | {
      readonly type: 'cluster';
      readonly config: ClusterConfig;
      readonly slot: { readonly chunk: number; readonly slot: number };
    }
  | { readonly type: 'cluster-remove'; readonly name: string }
  /** Answered by 'assignment-taken' with its id. */
  | { readonly type: 'assignment'; readonly id: number; readonly part: AssignmentPart }
  /** The host in that slot was ejected, or failed its checks. */
  | {
      readonly type: 'host-health-failure';
      readonly cluster: string;
      readonly host: { readonly chunk: number; readonly slot: number };
    }
  /** A name of a DNS cache was resolved, or forgotten. */
  | { readonly type: 'dns-cache'; readonly update: DnsCacheUpdate; readonly cache: DnsCacheData }
  | { readonly type: 'secret'; readonly secret: SecretData }
  | { readonly type: 'route'; readonly config: RouteConfigData }
  | {
      readonly type: 'extension-config';
      readonly id: string;
      readonly config: ExtensionData | null;
    }
  | { readonly type: 'extension-config-forget'; readonly id: string }
  | { readonly type: 'route-remove'; readonly name: string }
  | { readonly type: 'scope'; readonly resource: ScopeResource; readonly isRemoval: boolean }
  | {
      readonly type: 'virtual-host';
      readonly resource: VirtualHostResource;
      readonly isRemoval: boolean;
    }
  /** What requests wait for is there by now, or is not to be had. `key`: see onDemandKey. */
  | { readonly type: 'on-demand'; readonly key: string; readonly outcome: OnDemandOutcome }
  | {
      readonly type: 'listener';
      readonly config: ListenerConfig;
      readonly request: number;
      /** Of its open connections over all workers; null without a connectionLimit. */
      readonly connectionCount: SharedArrayBuffer | null;
    }
  | { readonly type: 'listener-remove'; readonly name: string }
  /** End keep-alive, and maybe stop accepting; answered by 'drained' when no connection is left. */
  | {
      readonly type: 'drain';
      readonly request: number;
      readonly inboundOnly: boolean;
      readonly closeListeners: boolean;
      readonly strategy: DrainStrategy;
      /** See DrainSequence. */
      readonly windowMs: number;
    }
  /** Stop accepting and leave connections alone. */
  | { readonly type: 'stop-listening'; readonly inboundOnly: boolean }
  /** Responses end their connections while true (/healthcheck/fail). */
  | { readonly type: 'healthchecks-fail'; readonly fail: boolean }
  | { readonly type: 'query'; readonly request: number; readonly what: keyof QueryReplies }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'reopen-logs' }
  /** Flush logs, close what is left, exit. */
  | { readonly type: 'stop' };

/** What admin pages and load reports ask workers for. */
export interface QueryReplies {
  readonly stats: StatsSnapshot;
  readonly hosts: readonly HostReport[];
  readonly load: readonly ClusterLoadReport[];
  /** Open downstream connections. */
  readonly connections: number;
}

/** Worker to main. */
export type FromWorker =
  | { readonly type: 'ready' }
  | {
      readonly type: 'listening';
      readonly request: number;
      /** Main address first; empty = an error. */
      readonly addresses: readonly SocketAddress[];
      /** '' = it listens. */
      readonly error: string;
    }
  | { readonly type: 'drained'; readonly request: number }
  | { readonly type: 'assignment-taken'; readonly id: number }
  | { readonly type: 'reply'; readonly request: number; readonly data: unknown }
  | { readonly type: 'outlier'; readonly report: OutlierReport }
  | { readonly type: 'dns-cache'; readonly request: DnsCacheRequest }
  /** A request cannot go on without it. */
  | { readonly type: 'on-demand'; readonly target: ResourceReference }
  /** A host's response said x-envoy-immediate-health-check-fail; `address` is `ip:port`. */
  | {
      readonly type: 'immediate-health-check-fail';
      readonly cluster: string;
      readonly address: string;
    };
