// envoy.filters.network.tcp_proxy: worker half. Joins a downstream connection to one upstream connection
// of a cluster and carries bytes, half-closes and backpressure both ways.
//
//   new --cluster, host--> Connecting --pool ready--> Connected --either side is gone--> Done
//            |                 | failed: next attempt, up to max_connect_attempts           ^
//            '-- NC, UH, UO ---'-- URX ---------------------------------------------------'

import type { Timer } from '../../../../common/timer.ts';
import type { AccessLogger } from '../../../api/access-log.ts';
import {
  type Cancellable,
  type Cluster,
  type Host,
  type LoadBalancerContext,
  OutlierResult,
  ResourcePriority,
  type TcpPoolCallbacks,
  type TcpPoolConnection,
} from '../../../api/cluster.ts';
import { StreamResetReason } from '../../../api/codec.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../../api/connection.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { keepBytes } from '../../../network/read-slab.ts';
import type { TcpProxyData } from './data.ts';
import { TcpProxyStats, tcpProxyScope } from './stats.ts';

const anyHost: LoadBalancerContext = {
  hashKey: null,
  hostSelectionRetryCount: 0,
  shouldSelectAnotherHost: () => false,
};

/** Shared by the connections of one filter chain. */
class TcpProxyConfig implements NetworkFilterConfig {
  readonly data: TcpProxyData;
  readonly context: WorkerContext;
  readonly stats = new TcpProxyStats();
  readonly accessLogs: readonly AccessLogger[];
  readonly #totalWeight: number;

  constructor(data: TcpProxyData, context: WorkerContext) {
    this.data = data;
    this.context = context;
    this.accessLogs = data.accessLogs.map((log) => context.createAccessLogger(log));
    this.#totalWeight = data.clusters.reduce((sum, { weight }) => sum + weight, 0);
    context.stats.add(tcpProxyScope(data.statPrefix), this.stats);
  }

  createFilter(): ReadFilter {
    return new TcpProxy(this);
  }

  /** Nothing: bytes have no boundary at which to stop; the listener waits, then closes. */
  startDrain(): void {}

  dispose(): void {
    this.context.stats.remove(this.stats);
  }

  pickCluster(): string {
    const { clusters } = this.data;
    let at = this.context.random() * this.#totalWeight;
    for (const { name, weight } of clusters) {
      if (at < weight) return name;
      at -= weight;
    }
    // Only by rounding of the sum.
    return clusters[clusters.length - 1]!.name;
  }
}

/** One downstream connection. */
class TcpProxy implements ReadFilter, TcpPoolCallbacks {
  readonly #config: TcpProxyConfig;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;
  #clusterName = '';
  #cluster: Cluster | null = null;
  #connecting: Cancellable | null = null;
  #attempts = 0;
  #upstream: TcpPoolConnection | null = null;
  /** Came before the upstream connection; at most what listener filters had read. */
  #early: Buffer[] = [];
  #earlyEnd = false;
  #isDone = false;
  #isFlushing = false;
  #idleTimer: Timer | null = null;
  #durationTimer: Timer | null = null;
  #lastActivityMs = 0;

  constructor(config: TcpProxyConfig) {
    this.#config = config;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
    const { connection } = callbacks;
    connection.enableHalfClose(true);
    connection.addConnectionCallbacks(new DownstreamSide(this));
    this.#config.stats.cxTotal++;
  }

  onNewConnection(): NetworkFilterStatus {
    const { maxDownstreamConnectionDurationMs } = this.#config.data;
    // Nothing is read before there is somewhere to write it.
    this.#callbacks.connection.readDisable(true);
    if (maxDownstreamConnectionDurationMs > 0) {
      this.#durationTimer = this.#config.context.timers.createTimer(onMaxDuration, this);
      this.#durationTimer.start(maxDownstreamConnectionDurationMs);
    }
    this.#clusterName = this.#config.pickCluster();
    this.#establish();
    return this.#isDone ? NetworkFilterStatus.StopIteration : NetworkFilterStatus.Continue;
  }

  // -- connecting -----------------------------------------------------------------------------------

  #establish(): void {
    const { context, stats, data } = this.#config;
    const { streamInfo } = this.#callbacks;
    const cluster = context.clusterManager.getCluster(this.#clusterName);
    if (cluster === null) {
      stats.cxNoRoute++;
      this.#fail(ResponseFlag.NoClusterFound);
      return;
    }
    this.#cluster = cluster;
    streamInfo.upstreamCluster = cluster.config.name;
    const { connections } = cluster.resources(ResourcePriority.Default);
    // A queue would wait for a connection that nobody gives back.
    if (connections.count() >= connections.max()) {
      cluster.stats.upstreamCxOverflow++;
      this.#fail(ResponseFlag.UpstreamOverflow);
      return;
    }
    if (this.#attempts >= data.maxConnectAttempts) {
      cluster.stats.upstreamCxConnectAttemptsExceeded++;
      this.#fail(ResponseFlag.UpstreamRetryLimitExceeded);
      return;
    }
    const host = cluster.chooseHost(anyHost);
    if (host === null) {
      this.#fail(ResponseFlag.NoHealthyUpstream);
      return;
    }
    streamInfo.upstreamRequestAttemptCount = ++this.#attempts;
    this.#connecting = cluster.tcpPool(host, ResourcePriority.Default).newConnection(this);
  }

  onPoolFailure(reason: StreamResetReason, transportFailureReason: string, host: Host): void {
    this.#connecting = null;
    const { streamInfo } = this.#callbacks;
    this.#noteHost(host);
    streamInfo.upstreamTransportFailureReason = transportFailureReason;
    if (reason === StreamResetReason.Overflow) {
      this.#fail(ResponseFlag.UpstreamOverflow);
      return;
    }
    streamInfo.responseFlags |= ResponseFlag.UpstreamConnectionFailure;
    host.outlier.putResult(
      reason === StreamResetReason.ConnectionTimeout
        ? OutlierResult.LocalOriginTimeout
        : OutlierResult.LocalOriginConnectFailed,
    );
    if (!this.#isDone) this.#establish();
  }

  onPoolReady(upstream: TcpPoolConnection, host: Host): void {
    const { connection, streamInfo } = this.#callbacks;
    this.#connecting = null;
    this.#upstream = upstream;
    this.#noteHost(host);
    streamInfo.upstreamLocalAddress = upstream.localAddress;
    streamInfo.upstreamTls = upstream.tls;
    streamInfo.upstreamConnectionId = upstream.id;
    streamInfo.upstreamTransportFailureReason = '';
    host.outlier.putResult(OutlierResult.LocalOriginConnectSuccessFinal);
    upstream.enableHalfClose(true);
    upstream.addConnectionCallbacks(new UpstreamSide(this));
    upstream.setReadSink(new UpstreamSink(this));
    this.#startIdleTimer();
    const early = this.#early;
    this.#early = [];
    for (const data of early) upstream.write(data);
    if (this.#earlyEnd) upstream.endWrite();
    connection.readDisable(false);
  }

  #noteHost(host: Host): void {
    const { streamInfo } = this.#callbacks;
    streamInfo.upstreamHost = host.address;
    streamInfo.upstreamHostName = host.hostname;
  }

  #fail(flag: number): void {
    this.#callbacks.streamInfo.responseFlags |= flag;
    this.#callbacks.connection.close(ConnectionCloseType.NoFlush);
  }

  // -- bytes ------------------------------------------------------------------------------------------

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    const { stats } = this.#config;
    this.#noteActivity();
    this.#callbacks.streamInfo.bytesReceived += data.length;
    stats.rxBytesTotal += data.length;
    const upstream = this.#upstream;
    if (upstream === null) {
      if (data.length > 0 && this.#early.push(keepBytes(data)) === 1) stats.earlyDataReceived++;
      this.#earlyEnd ||= endStream;
    } else {
      upstream.write(data);
      if (endStream) upstream.endWrite();
    }
    return NetworkFilterStatus.StopIteration;
  }

  onUpstreamData(data: Buffer, endStream: boolean): void {
    this.#noteActivity();
    this.#callbacks.streamInfo.bytesSent += data.length;
    this.#config.stats.txBytesTotal += data.length;
    const { connection } = this.#callbacks;
    connection.write(data);
    if (endStream) connection.endWrite();
  }

  /** Downstream does not read: upstream is not read. */
  pauseUpstream(pause: boolean): void {
    const upstream = this.#upstream;
    if (upstream === null || this.#cluster === null || !upstream.isOpen()) return;
    if (pause) this.#cluster.stats.upstreamFlowControlPausedReadingTotal++;
    else this.#cluster.stats.upstreamFlowControlResumedReadingTotal++;
    upstream.readDisable(pause);
  }

  /** Upstream does not read: downstream is not read. */
  pauseDownstream(pause: boolean): void {
    const { connection } = this.#callbacks;
    if (this.#isDone || !connection.isOpen()) return;
    if (pause) this.#config.stats.pausedReadingTotal++;
    else this.#config.stats.resumedReadingTotal++;
    connection.readDisable(pause);
  }

  // -- the end ----------------------------------------------------------------------------------------

  onUpstreamClosed(): void {
    if (this.#isFlushing) {
      this.#isFlushing = false;
      this.#config.stats.upstreamFlushActive--;
    }
    if (!this.#isDone) this.#callbacks.connection.close(ConnectionCloseType.FlushWrite);
  }

  onDownstreamClosed(event: ConnectionEvent): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#idleTimer?.stop();
    this.#durationTimer?.stop();
    this.#early = [];
    this.#connecting?.cancel();
    this.#connecting = null;
    this.#closeUpstream(event);
    const { streamInfo } = this.#callbacks;
    streamInfo.endMs = this.#config.context.clock.nowMs();
    for (const log of this.#config.accessLogs) {
      log.log({
        requestHeaders: null,
        responseHeaders: null,
        responseTrailers: null,
        streamInfo,
        localReplyBody: '',
      });
    }
  }

  /** What the client had sent still goes up, unless we were the ones who gave up. */
  #closeUpstream(event: ConnectionEvent): void {
    const upstream = this.#upstream;
    if (upstream === null || !upstream.isOpen()) return;
    if (event === ConnectionEvent.LocalClose) {
      upstream.close(ConnectionCloseType.NoFlush);
      return;
    }
    if (upstream.writeBufferedBytes() > 0) {
      this.#isFlushing = true;
      this.#config.stats.upstreamFlushTotal++;
      this.#config.stats.upstreamFlushActive++;
    }
    upstream.close(ConnectionCloseType.FlushWrite);
  }

  // -- timers -----------------------------------------------------------------------------------------

  #startIdleTimer(): void {
    const { idleTimeoutMs } = this.#config.data;
    this.#noteActivity();
    if (idleTimeoutMs === 0) return;
    this.#idleTimer = this.#config.context.timers.createTimer(onIdleTimer, this);
    this.#idleTimer.start(idleTimeoutMs);
  }

  #noteActivity(): void {
    this.#lastActivityMs = this.#config.context.clock.nowMs();
  }

  /** Armed once, not per chunk: looks how long ago the last byte was, and waits for the rest. */
  onIdleTimer(): void {
    const { data, context, stats } = this.#config;
    const leftMs = this.#lastActivityMs + data.idleTimeoutMs - context.clock.nowMs();
    if (leftMs > 0) {
      this.#idleTimer?.start(leftMs);
      return;
    }
    stats.idleTimeout++;
    this.#callbacks.connection.close(ConnectionCloseType.NoFlush);
  }

  onMaxDuration(): void {
    this.#config.stats.maxDuration++;
    this.#callbacks.connection.close(ConnectionCloseType.NoFlush);
  }
}

class DownstreamSide implements ConnectionCallbacks {
  readonly #proxy: TcpProxy;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
  }

  onEvent(event: ConnectionEvent): void {
    if (event !== ConnectionEvent.Connected) this.#proxy.onDownstreamClosed(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#proxy.pauseUpstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#proxy.pauseUpstream(false);
  }
}

class UpstreamSide implements ConnectionCallbacks {
  readonly #proxy: TcpProxy;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
  }

  onEvent(event: ConnectionEvent): void {
    if (event !== ConnectionEvent.Connected) this.#proxy.onUpstreamClosed();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#proxy.pauseDownstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#proxy.pauseDownstream(false);
  }
}

class UpstreamSink {
  readonly #proxy: TcpProxy;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
  }

  onData(data: Buffer, endStream: boolean): void {
    this.#proxy.onUpstreamData(data, endStream);
  }
}

function onIdleTimer(proxy: TcpProxy): void {
  proxy.onIdleTimer();
}

function onMaxDuration(proxy: TcpProxy): void {
  proxy.onMaxDuration();
}

export const tcpProxyFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.tcp_proxy',
  create: (data, context) => new TcpProxyConfig(data as TcpProxyData, context), // config.ts made it
};
