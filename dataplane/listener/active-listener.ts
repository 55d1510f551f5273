// One listener of one worker: its listening sockets and the filter chains behind them. An update swaps config,
// matcher and chains by assignment; chains whose text is unchanged keep their connections, others drain.

import type net from 'node:net';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { type AccessLogger, connectionLogContext } from '../api/access-log.ts';
import type { FilterChainConfig, ListenAddress, ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress, TlsInfo } from '../api/connection.ts';
import { type DrainSequence, immediateDrain } from '../api/drain.ts';
import type { WorkerContext } from '../api/factory.ts';
import type { ConnectionProperties, ListenerFilterConfig } from '../api/listener-filter.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { HttpStreamInfo } from '../http/stream-info.ts';
import type { AcceptedHandle } from '../network/accepted-handle.ts';
import { SocketConnection } from '../network/connection.ts';
import type { Transport } from '../network/transport.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import {
  AcceptingConnection,
  type AcceptingListener,
  type Rejection,
} from './accepting-connection.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { DownstreamConnection } from './downstream-connection.ts';
import { FilterChain } from './filter-chain.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import {
  type DrainingStats,
  ListenerStats,
  listenerScope,
  WorkerListenerStats,
  workerListenerScope,
} from './listener-stats.ts';
import { isUnixSocket, ListeningSocket, type SocketAcceptor } from './listening-socket.ts';
import type { PeekBuffer } from './peek-buffer.ts';

/** Builds the runtime halves that a listener needs from their data. */
export interface ListenerFactories {
  readonly context: WorkerContext;
  readonly secrets: SecretStore;
  createNetworkFilters(
    chain: FilterChainConfig,
    listener: ListenerConfig,
  ): FilterChain['networkFilters'];
  createListenerFilters(listener: ListenerConfig): readonly ListenerFilterConfig[];
}

/** The listener manager, as one of its listeners needs it. */
export interface ListenerOwner {
  /** --drain-time-s, ms. */
  readonly drainTimeMs: number;
  readonly drainingStats: DrainingStats;
  /** Open connections of the whole process; null = no limit. */
  readonly globalLimit: ConnectionLimit | null;
  /** The listener that listens there, or on every address of that port. */
  listenerFor(address: SocketAddress): ActiveListener | null;
}

/** See the head comment. */
export class ActiveListener implements AcceptingListener, SocketAcceptor {
  config: ListenerConfig;
  readonly stats = new ListenerStats();
  readonly timers: TimerService;
  matcher: FilterChainMatcher<FilterChain>;
  listenerFilters: readonly ListenerFilterConfig[];
  readonly accepting = new Set<AcceptingConnection>();
  /** Open connections over all workers; null = no limit. */
  limit: ConnectionLimit | null;
  readonly #owner: ListenerOwner;
  readonly #workerStats: WorkerListenerStats;
  readonly #sslStats = new SslStats();
  readonly #factories: ListenerFactories;
  readonly #logger: Logger;
  #chains: FilterChain[] = [];
  /** Replaced chains that still have connections. */
  readonly #draining = new Set<FilterChain>();
  #accessLogs: readonly AccessLogger[];
  #sockets: ListeningSocket[] = [];
  #addresses: readonly SocketAddress[];
  /** Sockets that still empty their accept queue. */
  #closingSockets = 0;
  #onQuiet: (() => void)[] = [];

  constructor(
    config: ListenerConfig,
    limit: ConnectionLimit | null,
    factories: ListenerFactories,
    owner: ListenerOwner,
  ) {
    this.config = config;
    this.limit = limit;
    this.#factories = factories;
    this.#owner = owner;
    const { context } = factories;
    this.timers = context.timers;
    this.#logger = context.logger;
    this.#addresses = [config.address, ...config.additionalAddresses];
    this.#workerStats = new WorkerListenerStats(this.stats);
    const scope = listenerScope(config.statPrefix);
    context.stats.add(scope, this.stats);
    context.stats.add(scope, this.#sslStats);
    context.stats.add(
      workerListenerScope(config.statPrefix, context.workerIndex),
      this.#workerStats,
    );
    this.listenerFilters = factories.createListenerFilters(config);
    this.#accessLogs = this.#createAccessLogs(config);
    this.matcher = this.#buildChains(config);
  }

  /** Main address first; ports are the real ones after listen(). */
  get addresses(): readonly SocketAddress[] {
    return this.#addresses;
  }

  get connectionCount(): number {
    return this.stats.cxActive;
  }

  nowMs(): number {
    return this.#factories.context.clock.nowMs();
  }

  /**
   * Binds every address that this worker has to, or takes the socket of `former`, the listener that this one
   * replaces. Rejects with the system's error, and then nothing is bound or taken.
   */
  async listen(former: ActiveListener | null): Promise<readonly SocketAddress[]> {
    const { config } = this;
    const reported: SocketAddress[] = [];
    const sockets: ListeningSocket[] = [];
    const standingSockets = former === null ? [] : former.#sockets;
    const taken = new Map<ListeningSocket, ListenAddress>();
    try {
      for (const address of [config.address, ...config.additionalAddresses]) {
        if (!this.#isBoundHere(address)) {
          reported.push({ ip: address.ip, port: address.port });
          continue;
        }
        const standing = standingSockets.find((socket) => socket.isFor(address));
        if (standing !== undefined) {
          taken.set(standing, address);
          reported.push(standing.address);
          continue;
        }
        const socket = new ListeningSocket(address, this);
        reported.push(
          await socket.listen({
            backlog: config.tcpBacklogSize,
            reusePort: config.enableReusePort,
          }),
        );
        sockets.push(socket);
      }
    } catch (thrown) {
      for (const socket of sockets) socket.closeNow();
      throw thrown;
    }
    for (const [socket, address] of taken) socket.handOver(address, this);
    if (former !== null) former.#sockets = former.#sockets.filter((socket) => !taken.has(socket));
    this.#sockets = [...taken.keys(), ...sockets];
    this.#addresses = reported;
    return reported;
  }

  /** Stops accepting, after what the kernel has queued; connections that stand are left alone. */
  stopListening(): void {
    for (const socket of this.#sockets.splice(0)) {
      this.#closingSockets++;
      socket.close(() => {
        this.#closingSockets--;
        this.#checkQuiet();
      });
    }
  }

  /** Takes a new config for the same sockets. */
  update(config: ListenerConfig, limit: ConnectionLimit | null): void {
    const formerFilters = this.listenerFilters;
    const former = this.#chains;
    this.config = config;
    this.limit = limit;
    this.listenerFilters = this.#factories.createListenerFilters(config);
    for (const filter of formerFilters) filter.dispose?.();
    this.#accessLogs = this.#createAccessLogs(config);
    this.matcher = this.#buildChains(config);
    for (const chain of former) if (!this.#chains.includes(chain)) this.#drainChain(chain);
  }

  /** Every chain ends keep-alive; `onDrained` is called once no connection is left. */
  startDrain(drain: DrainSequence, onDrained: () => void): void {
    for (const chain of this.#chains) chain.startDrain(drain);
    // What is still on its way in belongs to a chain once it is through.
    this.#whenQuiet(() => {
      const chains = [...this.#chains, ...this.#draining];
      let left = chains.length;
      if (left === 0) onDrained();
      for (const chain of chains) {
        chain.whenEmpty(() => {
          if (--left === 0) onDrained();
        });
      }
    });
  }

  closeConnections(): void {
    for (const connection of [...this.accepting]) connection.close();
    for (const chain of [...this.#chains, ...this.#draining]) chain.closeConnections();
  }

  /** Once, when it is drained. */
  dispose(): void {
    const { stats } = this.#factories.context;
    stats.remove(this.stats);
    stats.remove(this.#workerStats);
    stats.remove(this.#sslStats);
    for (const filter of this.listenerFilters) filter.dispose?.();
    for (const chain of this.#chains) chain.dispose();
  }

  // SocketAcceptor.

  onAccepted(accepted: AcceptedHandle, listenAddress: SocketAddress): void {
    // Peers of Unix sockets have no address; Envoy shows the listener's.
    const isUnix = isUnixSocket(listenAddress);
    const remote = isUnix ? listenAddress : accepted.remoteAddress();
    const local = isUnix ? listenAddress : accepted.localAddress();
    if (remote === null || local === null) {
      // Gone before we looked.
      accepted.close();
      return;
    }
    if (!this.#admit(accepted, true)) return;
    new AcceptingConnection(this, accepted, {
      remoteAddress: remote,
      directRemoteAddress: remote,
      localAddress: local,
      localAddressRestored: false,
      transportProtocol: '',
      serverName: '',
      applicationProtocols: [],
      dynamicMetadata: null,
      proxyProtocol: null,
    }).start();
  }

  onAcceptError(error: NodeJS.ErrnoException): void {
    this.stats.cxAcceptFailure++;
    this.#logger.error({ err: error, listener: this.config.name }, 'cannot accept');
  }

  // AcceptingListener.

  handOff(accepted: AcceptedHandle, peeked: PeekBuffer, properties: ConnectionProperties): boolean {
    const target = this.#owner.listenerFor(properties.localAddress);
    if (target === null || target === this) return false;
    target.#takeOver(accepted, peeked, properties);
    return true;
  }

  serve(
    chain: FilterChain,
    socket: net.Socket | Transport,
    properties: ConnectionProperties,
    tls: TlsInfo | null,
  ): void {
    const { context } = this.#factories;
    const { clock } = context;
    const connection = new SocketConnection(socket, {
      id: nextConnectionId(context),
      timers: this.timers,
      bufferLimitBytes: this.config.perConnectionBufferLimitBytes,
      traffic: this.stats,
      tls,
      requestedServerName: properties.serverName,
      nextProtocol: properties.applicationProtocols[0] ?? '',
      remoteAddress: properties.remoteAddress,
      directRemoteAddress: properties.directRemoteAddress,
      localAddress: properties.localAddress,
      localAddressRestored: properties.localAddressRestored,
      proxyProtocol: properties.proxyProtocol,
      dynamicMetadata: properties.dynamicMetadata,
    });
    const { name } = chain.config;
    const info = new HttpStreamInfo(connection, name, '', clock.nowMs(), clock.wallMs());
    info.dynamicMetadata = properties.dynamicMetadata;
    new DownstreamConnection(connection, info, chain, {
      stats: this.stats,
      clock,
      accessLogs: this.#accessLogs,
      worker: this.#factories.context,
      bufferLimitBytes: this.config.perConnectionBufferLimitBytes,
    }).start();
  }

  onRejected(properties: ConnectionProperties, rejection: Rejection): void {
    const { connectionTerminationDetails, transportFailureReason, responseFlags } = rejection;
    const reason = transportFailureReason || connectionTerminationDetails;
    this.#logger.debug({ reason, responseFlags, listener: this.config.name }, 'refused');
    if (this.#accessLogs.length === 0) return;
    const streamInfo = this.#rejectedInfo(properties, rejection);
    for (const logger of this.#accessLogs) {
      logger.log(connectionLogContext(streamInfo, 'NotSet'));
    }
  }

  onAcceptingEnded(): void {
    this.#checkQuiet();
  }

  #rejectedInfo(properties: ConnectionProperties, rejection: Rejection): StreamInfo {
    const { context } = this.#factories;
    const { remoteAddress, directRemoteAddress, localAddress, serverName } = properties;
    const { startMs } = rejection;
    const sinceMs = context.clock.nowMs() - startMs;
    const info = new HttpStreamInfo(
      {
        id: nextConnectionId(context),
        remoteAddress,
        directRemoteAddress,
        localAddress,
        tls: null,
        requestedServerName: serverName,
      },
      rejection.filterChainName,
      '',
      startMs,
      context.clock.wallMs() - sinceMs,
    );
    info.endMs = startMs + sinceMs;
    info.responseFlags = rejection.responseFlags;
    info.responseCodeDetails = rejection.responseCodeDetails;
    info.connectionTerminationDetails = rejection.connectionTerminationDetails;
    info.downstreamTransportFailureReason = rejection.transportFailureReason;
    info.dynamicMetadata = properties.dynamicMetadata;
    return info;
  }

  #takeOver(accepted: AcceptedHandle, peeked: PeekBuffer, properties: ConnectionProperties): void {
    // The whole process has counted it already where it came in.
    if (!this.#admit(accepted, false)) return;
    new AcceptingConnection(this, accepted, properties, peeked).start();
  }

  /** Counts the connection against the limits until its socket closes; false = refused and closed. */
  #admit(accepted: AcceptedHandle, isNew: boolean): boolean {
    const global = isNew && !this.config.ignoreGlobalConnLimit ? this.#owner.globalLimit : null;
    if (global !== null && !global.tryAcquire()) {
      this.stats.globalCxOverflow++;
      accepted.close();
      return false;
    }
    const { limit } = this;
    if (limit !== null && !limit.tryAcquire()) {
      this.stats.cxOverflow++;
      global?.release();
      accepted.close();
      return false;
    }
    if (global !== null || limit !== null) {
      accepted.whenClosed(() => {
        global?.release();
        limit?.release();
      });
    }
    return true;
  }

  /** Unix sockets and listeners without SO_REUSEPORT have one socket: the first worker's. */
  #isBoundHere(address: SocketAddress): boolean {
    if (!this.config.bindToPort) return false;
    const isShared = this.config.enableReusePort && !isUnixSocket(address);
    return isShared || this.#factories.context.workerIndex === 0;
  }

  #createAccessLogs(config: ListenerConfig): readonly AccessLogger[] {
    return config.accessLogs.map((data) => this.#factories.context.createAccessLogger(data));
  }

  #buildChains(config: ListenerConfig): FilterChainMatcher<FilterChain> {
    const former = new Map(this.#chains.map((chain) => [chain.configText, chain]));
    const build = (chainConfig: FilterChainConfig): FilterChain => {
      const text = JSON.stringify(chainConfig);
      const kept = former.get(text);
      // Two equal chains (a default one, say) are two chains.
      former.delete(text);
      if (kept !== undefined) return kept;
      return new FilterChain(
        chainConfig,
        this.#factories.createNetworkFilters(chainConfig, config),
        this.#factories.secrets,
        this.#sslStats,
      );
    };
    const chains = config.filterChains.map((chainConfig) => ({
      chain: build(chainConfig),
      match: chainConfig.match,
    }));
    const fallback = config.defaultFilterChain === null ? null : build(config.defaultFilterChain);
    this.#chains = chains.map(({ chain }) => chain);
    if (fallback !== null) this.#chains.push(fallback);
    return new FilterChainMatcher(chains, fallback);
  }

  #drainChain(chain: FilterChain): void {
    const { drainingStats, drainTimeMs } = this.#owner;
    this.#draining.add(chain);
    drainingStats.filterChains++;
    const timer = this.timers.createTimer((late: FilterChain) => late.closeConnections(), chain);
    timer.start(drainTimeMs);
    // Envoy: a replaced chain is left at the next response; drain-strategy is for whole listeners.
    chain.startDrain(immediateDrain(this.nowMs()));
    chain.whenEmpty(() => {
      timer.stop();
      this.#draining.delete(chain);
      drainingStats.filterChains--;
      chain.dispose();
    });
  }

  /** No socket that may still accept, no connection without a chain. */
  #whenQuiet(onQuiet: () => void): void {
    this.#onQuiet.push(onQuiet);
    this.#checkQuiet();
  }

  #checkQuiet(): void {
    if (this.#closingSockets > 0 || this.accepting.size > 0) return;
    const waiting = this.#onQuiet;
    this.#onQuiet = [];
    for (const onQuiet of waiting) onQuiet();
  }
}

let lastConnection = 0;

/** Unique over the workers of a process: they take turns. */
function nextConnectionId(context: WorkerContext): number {
  return lastConnection++ * context.concurrency + context.workerIndex + 1;
}
