// One proxied connection: finds an upstream for it and carries bytes, half-closes, resets and backpressure both ways.
//
//   new --cluster, host--> Connecting --pool ready--> Connected --either side is gone--> Done
//            |               |    ^ failed: next attempt, after its back-off               ^
//            |               '----'  up to max_connect_attempts                            |
//            '-- NC, UH, UO -- URX --------------------------------------------------------'
//
// Done for the client is not always done for the upstream: what the client had sent is still written (upstream_flush).

import { JitteredBackoff } from '../../../../common/backoff.ts';
import type { Timer } from '../../../../common/timer.ts';
import {
  type Cancellable,
  type Cluster,
  ResourcePriority,
  type TcpPoolCallbacks,
  type TcpPoolConnection,
  type UpstreamStreamInfo,
} from '../../../api/cluster.ts';
import { StreamResetReason } from '../../../api/codec.ts';
import { type Connection, ConnectionCloseType, ConnectionEvent } from '../../../api/connection.ts';
import { type Host, OutlierResult } from '../../../api/host.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { keepBytes } from '../../../network/read-slab.ts';
import type { PickedCluster, TcpProxyShared } from './shared.ts';
import { DownstreamSide, type TwoSided, UpstreamSide, UpstreamSink } from './sides.ts';
import { Tunnel, type TunnelOwner } from './tunnel.ts';
import type { TunnelRequest } from './tunnel-request.ts';
import type { ProxyUpstream } from './upstream.ts';

/** Numbers in `tcp_initializion_failure:<n>`, Envoy's spelling of the close reason. */
const Failure = { Connect: 0, NoHealthyUpstream: 1, ResourceLimit: 2, NoRoute: 3 } as const;
type Failure = (typeof Failure)[keyof typeof Failure];

/** One per downstream connection. */
export class TcpProxy implements ReadFilter, TcpPoolCallbacks, TunnelOwner, TwoSided {
  readonly #shared: TcpProxyShared;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;
  /** Null before onNewConnection. */
  #picked: PickedCluster | null = null;
  #cluster: Cluster | null = null;
  #connecting: Cancellable | null = null;
  #attempts = 0;
  #backoff: JitteredBackoff | null = null;
  #backoffTimer: Timer | null = null;
  #upstream: ProxyUpstream | null = null;
  /** Came before the upstream connection; at most what listener filters had read. */
  #early: Buffer[] = [];
  #sawClientEnd = false;
  #sawUpstreamEnd = false;
  #rxBytes = 0;
  #isDone = false;
  #isUpstreamGone = false;
  #isFlushing = false;
  #idleTimer: Timer | null = null;
  #durationTimer: Timer | null = null;
  #logTimer: Timer | null = null;
  #lastActivityMs = 0;
  /** Not yet taken by the peers when the idle timer last looked. */
  #bufferedBytes = 0;

  constructor(shared: TcpProxyShared) {
    this.#shared = shared;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
    const { connection } = callbacks;
    const { stats } = this.#shared;
    connection.enableHalfClose(true);
    connection.addConnectionCallbacks(new DownstreamSide(this));
    stats.cxTotal++;
    stats.live.add(this);
  }

  onNewConnection(): NetworkFilterStatus {
    const { context, data } = this.#shared;
    const { connection, streamInfo } = this.#callbacks;
    const { onStart, intervalMs } = data.accessLogOptions;
    // Nothing is read before there is somewhere to write it.
    connection.readDisable(true);
    const maxDurationMs = this.#shared.drawMaxDurationMs();
    if (maxDurationMs > 0) {
      this.#durationTimer = context.timers.createTimer(onMaxDuration, this);
      this.#durationTimer.start(maxDurationMs);
    }
    if (onStart) this.#shared.log(streamInfo, 'TcpConnectionStart');
    if (intervalMs > 0) {
      this.#logTimer = context.timers.createTimer(onLogInterval, this);
      this.#logTimer.start(intervalMs);
    }
    if (data.proxyProtocolTlvs.length > 0) {
      const { remoteAddress, localAddress } = connection;
      connection.proxyProtocol ??= { remoteAddress, localAddress, tlvs: data.proxyProtocolTlvs };
    }
    this.#picked = this.#shared.pickCluster(streamInfo);
    this.#establish();
    return this.#isDone ? NetworkFilterStatus.StopIteration : NetworkFilterStatus.Continue;
  }

  // -- connecting -----------------------------------------------------------------------------------

  #establish(): void {
    const { context, stats, data } = this.#shared;
    const { connection, streamInfo } = this.#callbacks;
    const picked = this.#picked!;
    const cluster = context.clusterManager.getCluster(picked.name);
    if (cluster === null) {
      stats.cxNoRoute++;
      this.#fail(ResponseFlag.NoClusterFound, Failure.NoRoute);
      return;
    }
    this.#cluster = cluster;
    streamInfo.upstreamCluster = cluster.config.name;
    const { connections } = cluster.resources(ResourcePriority.Default);
    // A queue would wait for a connection that nobody gives back.
    if (connections.count() >= connections.max()) {
      cluster.stats.upstreamCxOverflow++;
      this.#fail(ResponseFlag.UpstreamOverflow, Failure.ResourceLimit);
      return;
    }
    if (this.#attempts >= data.maxConnectAttempts) {
      cluster.stats.upstreamCxConnectAttemptsExceeded++;
      this.#fail(ResponseFlag.UpstreamRetryLimitExceeded, Failure.Connect);
      return;
    }
    const host = cluster.chooseHost(this.#shared.balancerContext(picked, streamInfo, connection));
    if (host === null) {
      this.#fail(ResponseFlag.NoHealthyUpstream, Failure.NoHealthyUpstream);
      return;
    }
    streamInfo.upstreamRequestAttemptCount = ++this.#attempts;
    const { tunnelRequest } = this.#shared;
    if (tunnelRequest === null) {
      this.#connecting = cluster
        .tcpPool(host, ResourcePriority.Default, this.#callbacks.connection)
        .newConnection(this);
    } else this.#openTunnel(tunnelRequest, cluster, host);
  }

  #openTunnel(request: TunnelRequest, cluster: Cluster, host: Host): void {
    const { streamInfo } = this.#callbacks;
    const headers = request.headers(streamInfo);
    if (headers === null) {
      streamInfo.connectionTerminationDetails = 'tunneling_request_invalid';
      this.#fail(ResponseFlag.DownstreamProtocolError, Failure.NoRoute);
      return;
    }
    const tunnel = new Tunnel(this, headers);
    this.#connecting = tunnel;
    // An answer that never comes is idleness too; connect_timeout is over by then.
    if (this.#idleTimer === null) this.#startIdleTimer();
    tunnel.start(cluster, host, this.#callbacks.connection);
  }

  onTunnelFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void {
    this.onPoolFailure(reason, transportFailureReason, host);
  }

  onTunnelReady(tunnel: Tunnel, host: Host, { connection }: UpstreamStreamInfo): void {
    this.#join(tunnel, connection, host);
  }

  onPoolFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void {
    this.#connecting = null;
    const { streamInfo } = this.#callbacks;
    if (host !== null) this.#noteHost(host);
    streamInfo.upstreamTransportFailureReason = transportFailureReason;
    if (reason === StreamResetReason.Overflow || host === null) {
      this.#fail(ResponseFlag.UpstreamOverflow, Failure.ResourceLimit);
      return;
    }
    streamInfo.responseFlags |= ResponseFlag.UpstreamConnectionFailure;
    host.outlier.putResult(
      reason === StreamResetReason.ConnectionTimeout
        ? OutlierResult.LocalOriginTimeout
        : OutlierResult.LocalOriginConnectFailed,
    );
    if (!this.#isDone) this.#tryAgain();
  }

  #tryAgain(): void {
    const { data, context } = this.#shared;
    const { backoff } = data;
    if (backoff === null || this.#attempts >= data.maxConnectAttempts) {
      this.#establish();
      return;
    }
    this.#backoff ??= new JitteredBackoff(backoff.baseMs, backoff.maxMs, context.random);
    this.#backoffTimer ??= context.timers.createTimer(onBackoff, this);
    this.#backoffTimer.start(this.#backoff.nextMs());
  }

  onBackoff(): void {
    this.#establish();
  }

  onPoolReady(upstream: TcpPoolConnection, host: Host): void {
    upstream.enableHalfClose(true);
    upstream.addConnectionCallbacks(new UpstreamSide(this));
    upstream.setReadSink(new UpstreamSink(this));
    // Bytes that wait for a slow upstream wait as long as an idle connection may.
    upstream.setDelayedCloseTimeout(this.#shared.data.idleTimeoutMs);
    this.#join(upstream, upstream, host);
  }

  /** `transport` is what `upstream` goes over: itself, or the HTTP connection of a tunnel. */
  #join(upstream: ProxyUpstream, transport: Connection, host: Host): void {
    const { connection, streamInfo } = this.#callbacks;
    this.#connecting = null;
    this.#upstream = upstream;
    this.#noteHost(host);
    streamInfo.upstreamLocalAddress = transport.localAddress;
    streamInfo.upstreamTls = transport.tls;
    streamInfo.upstreamConnectionId = transport.id;
    streamInfo.upstreamTransportFailureReason = '';
    host.outlier.putResult(OutlierResult.LocalOriginConnectSuccessFinal);
    this.#startIdleTimer();
    if (this.#shared.data.accessLogOptions.onConnected) {
      this.#shared.log(streamInfo, 'TcpUpstreamConnected');
    }
    const early = this.#early;
    this.#early = [];
    for (const data of early) upstream.write(data);
    if (this.#sawClientEnd) upstream.endWrite();
    connection.readDisable(false);
  }

  #noteHost(host: Host): void {
    const { streamInfo } = this.#callbacks;
    streamInfo.upstreamHost = host.address;
    streamInfo.upstreamHostName = host.hostname;
  }

  #fail(flag: number, failure: Failure): void {
    this.#callbacks.streamInfo.responseFlags |= flag;
    this.#giveUp(`tcp_initializion_failure:${failure}`);
  }

  #giveUp(reason: string): void {
    const { connection, streamInfo } = this.#callbacks;
    streamInfo.downstreamLocalCloseReason = reason;
    connection.close(ConnectionCloseType.NoFlush);
  }

  // -- bytes ------------------------------------------------------------------------------------------

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    const { stats } = this.#shared;
    this.#noteActivity();
    stats.rxBytesTotal += data.length;
    this.#rxBytes += data.length;
    this.#sawClientEnd ||= endStream;
    const upstream = this.#upstream;
    if (upstream === null) {
      if (data.length > 0 && this.#early.push(keepBytes(data)) === 1) stats.earlyDataReceived++;
    } else {
      upstream.write(data);
      if (endStream) upstream.endWrite();
    }
    return NetworkFilterStatus.StopIteration;
  }

  onUpstreamData(data: Buffer, endStream: boolean): void {
    this.#noteActivity();
    this.#callbacks.streamInfo.bytesSent += data.length;
    this.#shared.stats.txBytesTotal += data.length;
    const { connection } = this.#callbacks;
    connection.write(data);
    if (!endStream) return;
    this.#sawUpstreamEnd = true;
    connection.endWrite();
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
    if (pause) this.#shared.stats.pausedReadingTotal++;
    else this.#shared.stats.resumedReadingTotal++;
    connection.readDisable(pause);
  }

  /** downstream_cx_tx_bytes_buffered: the client has not taken them. */
  clientBufferedBytes(): number {
    return this.#callbacks.connection.writeBufferedBytes();
  }

  /** downstream_cx_rx_bytes_buffered: the client has sent them and nobody takes them yet. */
  earlyBytes(): number {
    return this.#early.reduce((sum, { length }) => sum + length, 0);
  }

  // -- the end ----------------------------------------------------------------------------------------

  onUpstreamClosed(): void {
    const { stats } = this.#shared;
    this.#isUpstreamGone = true;
    if (this.#isFlushing) {
      this.#isFlushing = false;
      stats.upstreamFlushActive--;
    }
    if (this.#isDone) return;
    const { connection, streamInfo } = this.#callbacks;
    if (this.#upstream?.wasReset === true) {
      // A FIN would make a response that was cut short look whole.
      streamInfo.responseFlags |= ResponseFlag.UpstreamRemoteReset;
      connection.close(ConnectionCloseType.AbortReset);
    } else connection.close(ConnectionCloseType.FlushWrite);
  }

  onDownstreamClosed(event: ConnectionEvent): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#idleTimer?.stop();
    this.#durationTimer?.stop();
    this.#logTimer?.stop();
    this.#backoffTimer?.stop();
    this.#early = [];
    this.#connecting?.cancel();
    this.#connecting = null;
    const { stats } = this.#shared;
    stats.live.delete(this);
    // What a filter before us held and never let through is counted too, as in Envoy.
    stats.rxBytesTotal += this.#callbacks.streamInfo.bytesReceived - this.#rxBytes;
    this.#closeUpstream(event);
    this.#shared.log(this.#callbacks.streamInfo, 'TcpConnectionEnd');
  }

  /** What the client had sent still goes up, unless we were the ones who gave up or the client broke off. */
  #closeUpstream(event: ConnectionEvent): void {
    const upstream = this.#upstream;
    // It may be closing already, behind what it still has to write.
    if (upstream === null || this.#isUpstreamGone) return;
    if (this.#callbacks.connection.wasReset === true) {
      upstream.close(ConnectionCloseType.AbortReset);
      return;
    }
    // Both directions came to their end: then it is only our side that happened to be the last.
    const isComplete = this.#sawClientEnd && this.#sawUpstreamEnd;
    if (event === ConnectionEvent.LocalClose && !isComplete) {
      upstream.close(ConnectionCloseType.NoFlush);
      return;
    }
    if (upstream.writeBufferedBytes() > 0) {
      this.#isFlushing = true;
      this.#shared.stats.upstreamFlushTotal++;
      this.#shared.stats.upstreamFlushActive++;
    }
    upstream.close(ConnectionCloseType.FlushWrite);
  }

  // -- timers -----------------------------------------------------------------------------------------

  #startIdleTimer(): void {
    const { idleTimeoutMs } = this.#shared.data;
    this.#noteActivity();
    if (idleTimeoutMs === 0) return;
    this.#idleTimer ??= this.#shared.context.timers.createTimer(onIdleTimer, this);
    this.#idleTimer.start(idleTimeoutMs);
  }

  #noteActivity(): void {
    this.#lastActivityMs = this.#shared.context.clock.nowMs();
  }

  /** Armed once, not per chunk: looks how long ago the last byte was, and waits for the rest. */
  onIdleTimer(): void {
    const { data, context, stats } = this.#shared;
    const leftMs = this.#lastActivityMs + data.idleTimeoutMs - context.clock.nowMs();
    if (leftMs > 0) {
      this.#idleTimer?.start(leftMs);
      return;
    }
    // A peer that takes what is buffered, however slowly, is not idle.
    const bufferedBytes = this.clientBufferedBytes() + (this.#upstream?.writeBufferedBytes() ?? 0);
    if (bufferedBytes > 0 && bufferedBytes !== this.#bufferedBytes) {
      this.#bufferedBytes = bufferedBytes;
      this.#idleTimer?.start(data.idleTimeoutMs);
      return;
    }
    stats.idleTimeout++;
    this.#giveUp('tcp_session_idle_timeout');
  }

  onMaxDuration(): void {
    this.#shared.stats.maxDuration++;
    this.#callbacks.streamInfo.responseFlags |= ResponseFlag.DurationTimeout;
    this.#giveUp('max_connection_duration_reached');
  }

  onLogInterval(): void {
    this.#shared.log(this.#callbacks.streamInfo, 'TcpPeriodic');
    this.#logTimer?.start(this.#shared.data.accessLogOptions.intervalMs);
  }
}

function onIdleTimer(proxy: TcpProxy): void {
  proxy.onIdleTimer();
}

function onMaxDuration(proxy: TcpProxy): void {
  proxy.onMaxDuration();
}

function onLogInterval(proxy: TcpProxy): void {
  proxy.onLogInterval();
}

function onBackoff(proxy: TcpProxy): void {
  proxy.onBackoff();
}
