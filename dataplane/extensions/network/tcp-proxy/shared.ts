// What the connections of one filter chain in one worker share: config, counters, access loggers. Made by
// filter.ts; proxy.ts uses it.

import {
  type AccessLogger,
  type AccessLogType,
  connectionLogContext,
} from '../../../api/access-log.ts';
import type { Connection } from '../../../api/connection.ts';
import type { WorkerContext } from '../../../api/factory.ts';
import { anyHost, type LoadBalancerContext } from '../../../api/load-balancing.ts';
import { LB_METADATA, mergeMetadataMatch } from '../../../api/metadata-match.ts';
import type { RequestHasher } from '../../../api/request-hasher.ts';
import { FilterStateKey, type StreamInfo } from '../../../api/stream-info.ts';
import { compileHashPolicy } from '../../../matcher/hash-policy.ts';
import type { TcpProxyData } from './data.ts';
import { TcpProxyStats, tcpProxyScope } from './stats.ts';
import { TunnelRequest } from './tunnel-request.ts';

/** Where a connection goes. */
export type PickedCluster = Pick<TcpProxyData['clusters'][number], 'name' | 'metadataMatch'>;

/** See the file head. */
export class TcpProxyShared {
  readonly data: TcpProxyData;
  readonly context: WorkerContext;
  readonly stats = new TcpProxyStats();
  /** Null = no tunnelling. */
  readonly tunnelRequest: TunnelRequest | null;
  readonly #accessLogs: readonly AccessLogger[];
  readonly #totalWeight: number;
  readonly #hashPolicy: RequestHasher | null;

  constructor(data: TcpProxyData, context: WorkerContext) {
    this.data = data;
    this.context = context;
    this.#hashPolicy = compileHashPolicy(data.hashPolicy);
    this.#accessLogs = data.accessLogs.map((log) => context.createAccessLogger(log));
    this.tunnelRequest = data.tunneling === null ? null : new TunnelRequest(data.tunneling);
    this.#totalWeight = data.clusters.reduce((sum, { weight }) => sum + weight, 0);
    context.stats.add(tcpProxyScope(data.statPrefix), this.stats);
  }

  dispose(): void {
    this.context.stats.remove(this.stats);
  }

  /** What a filter before us said (sni_cluster), else by weight and chance. */
  pickCluster(streamInfo: StreamInfo): PickedCluster {
    const told = streamInfo.filterState?.get(FilterStateKey.TcpProxyCluster);
    const { clusters, metadataMatch } = this.data;
    if (typeof told === 'string') return { name: told, metadataMatch };
    let at = this.context.random() * this.#totalWeight;
    for (const cluster of clusters) {
      if (at < cluster.weight) return cluster;
      at -= cluster.weight;
    }
    // Only by rounding of the sum.
    return clusters[clusters.length - 1]!;
  }

  /** By what a host is chosen for this client. */
  balancerContext(
    { metadataMatch: ofCluster }: PickedCluster,
    streamInfo: StreamInfo,
    downstreamConnection: Connection,
  ): LoadBalancerContext {
    const hash = this.#hashPolicy === null ? null : this.#hashPolicy.hash(null, streamInfo, null);
    const dynamic = streamInfo.dynamicMetadata?.[LB_METADATA];
    const metadataMatch =
      dynamic === undefined ? ofCluster : mergeMetadataMatch(ofCluster, dynamic);
    return { ...anyHost, metadataMatch, streamInfo, downstreamConnection, hashKey: () => hash };
  }

  /** max_downstream_connection_duration of one connection, its jitter drawn; 0 = none. */
  drawMaxDurationMs(): number {
    const { maxDownstreamConnectionDurationMs: ms, maxDurationJitterPercent: jitter } = this.data;
    if (jitter === 0) return ms;
    return ms + Math.ceil((ms * jitter * this.context.random()) / 100);
  }

  log(streamInfo: StreamInfo, type: AccessLogType): void {
    if (this.#accessLogs.length === 0) return;
    // Also of what goes on: %DURATION% says how long it has by now.
    streamInfo.endMs = this.context.clock.nowMs();
    const line = connectionLogContext(streamInfo, type);
    for (const logger of this.#accessLogs) logger.log(line);
  }
}
