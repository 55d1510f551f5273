// What the pools of one cluster share: its config, ceilings and counters, and how to connect.

import type { Clock } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { Cluster, ResourceManager, TcpPoolConnection } from '../../api/cluster.ts';
import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import type { ClusterConfig } from '../../api/config/cluster.ts';
import type { ConnectionEvent, ProxyProtocolInfo } from '../../api/connection.ts';
import type { Host } from '../../api/host.ts';
import type { ClientOptions } from '../../http/h1/options.ts';
import type { Http2ClientCallbacks } from '../../http/h2/options.ts';
import type { ReadSink } from '../../network/connection.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { SharedHostStats } from '../host-stats.ts';

/** A host as pools need it. */
export interface PoolHost extends Host {
  readonly stats: SharedHostStats;
  health(): 'healthy' | 'degraded' | 'unhealthy';
}

/** A connection that may still be connecting (network/connector.ts makes them). */
export interface PoolConnection extends TcpPoolConnection {
  /** It was closed because connect_timeout was over. */
  readonly connectTimedOut: boolean;
}

/** What the connections of a pool speak; 'auto': what ALPN chooses on each. */
export type PoolProtocol = 'HTTP/1.1' | 'HTTP/2' | 'auto';

/** http/h2/client-connection.ts, as pools use it. */
export interface Http2Codec extends ReadSink {
  newStream(decoder: ResponseDecoder): RequestEncoder;
  canOpenStream(): boolean;
  activeStreams(): number;
  maxStreams(): number;
  /** Gives the connection the frames that are gathered. */
  flush(): void;
  onConnectionEvent(event: ConnectionEvent): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

export interface PoolContext {
  /** Whose hosts and pools these are: an aggregate chooses others' hosts. */
  readonly cluster: Cluster;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  /** By ResourcePriority. */
  readonly resources: readonly [ResourceManager, ResourceManager];
  readonly clock: Clock;
  readonly timers: TimerService;
  /** HTTP/1. */
  readonly codecOptions: ClientOptions;
  createHttp2Codec(connection: PoolConnection, callbacks: Http2ClientCallbacks): Http2Codec;
  /**
   * Begins to connect; its callbacks must be added in the same turn. `serverName` '' = the config's SNI;
   * `downstream` = whom a PROXY header names, null = nobody. `alpnProtocols`: what TLS offers where its config has
   * no list; empty = nothing.
   */
  connect(
    host: PoolHost,
    serverName: string,
    downstream: ProxyProtocolInfo | null,
    alpnProtocols: readonly string[],
  ): PoolConnection;
}

/** Told when a pool has lost its last connection and nothing waits in it. */
export interface PoolOwner<Pool> {
  onPoolEmpty(pool: Pool): void;
}
