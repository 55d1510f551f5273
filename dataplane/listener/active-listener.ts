// One listening socket of one worker and the filter chains behind it. An update swaps config, matcher and
// chains by assignment; chains whose text is unchanged keep their connections, others drain.

import net from 'node:net';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { type AccessLogger, connectionLogContext } from '../api/access-log.ts';
import type { FilterChainConfig, ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress, TlsInfo } from '../api/connection.ts';
import type { WorkerContext } from '../api/factory.ts';
import type { ConnectionProperties, ListenerFilterConfig } from '../api/listener-filter.ts';
import { HttpStreamInfo } from '../hcm/stream-info.ts';
import { plainIp } from '../network/address.ts';
import { SocketConnection } from '../network/connection.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import { AcceptingConnection, type AcceptingListener } from './accepting-connection.ts';
import { DownstreamConnection } from './downstream-connection.ts';
import { FilterChain } from './filter-chain.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { ListenerStats, listenerScope } from './listener-stats.ts';

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

const TCP_BACKLOG = 4096;

/** See the head comment. */
export class ActiveListener implements AcceptingListener {
  config: ListenerConfig;
  readonly stats = new ListenerStats();
  readonly timers: TimerService;
  matcher: FilterChainMatcher<FilterChain>;
  listenerFilters: readonly ListenerFilterConfig[];
  readonly #sslStats = new SslStats();
  readonly #factories: ListenerFactories;
  readonly #logger: Logger;
  #chains: FilterChain[] = [];
  /** Replaced chains that still have connections. */
  readonly #draining = new Set<FilterChain>();
  #accessLogs: readonly AccessLogger[];
  #server: net.Server | null = null;
  #address: SocketAddress;

  constructor(config: ListenerConfig, factories: ListenerFactories) {
    this.config = config;
    this.#factories = factories;
    this.timers = factories.context.timers;
    this.#logger = factories.context.logger;
    this.#address = config.address;
    const scope = listenerScope(config.statPrefix);
    factories.context.stats.add(scope, this.stats);
    factories.context.stats.add(scope, this.#sslStats);
    this.listenerFilters = factories.createListenerFilters(config);
    this.#accessLogs = this.#createAccessLogs(config);
    this.matcher = this.#buildChains(config);
  }

  /** Where it listens; the port is the real one after listen(). */
  get address(): SocketAddress {
    return this.#address;
  }

  get connectionCount(): number {
    return this.stats.cxActive;
  }

  /** Binds; resolves with the address, rejects with the system's error. */
  listen(): Promise<SocketAddress> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const { ip, port } = this.config.address;
      const options: net.ListenOptions = {
        host: ip,
        port,
        // Every worker has its own queue of new connections; the kernel spreads them.
        reusePort: true,
        backlog: this.config.tcpBacklogSize || TCP_BACKLOG,
      };
      server.listen(options, () => {
        server.removeListener('error', reject);
        server.on('error', (error) => this.#logger.error({ err: error }, 'listener failed'));
        // A TCP server's address is always an AddressInfo.
        this.#address = { ip, port: (server.address() as net.AddressInfo).port };
        resolve(this.#address);
      });
    });
  }

  /** Stops accepting; connections that stand are left alone. */
  stopListening(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** Takes a new config for the same address. */
  update(config: ListenerConfig): void {
    this.config = config;
    this.listenerFilters = this.#factories.createListenerFilters(config);
    this.#accessLogs = this.#createAccessLogs(config);
    const former = this.#chains;
    this.matcher = this.#buildChains(config);
    for (const chain of former) if (!this.#chains.includes(chain)) this.#drainChain(chain);
  }

  /** Every chain ends keep-alive; `onDrained` is called once no connection is left. */
  startDrain(onDrained: () => void): void {
    const chains = [...this.#chains, ...this.#draining];
    let left = chains.length;
    if (left === 0) onDrained();
    for (const chain of chains) {
      chain.startDrain(() => {
        if (--left === 0) onDrained();
      });
    }
  }

  closeConnections(): void {
    for (const chain of [...this.#chains, ...this.#draining]) chain.closeConnections();
  }

  /** Closes what drains longer than the drain time; called by the listener manager's timer. */
  closeDrainingChains(): void {
    for (const chain of this.#draining) chain.closeConnections();
  }

  dispose(): void {
    this.#factories.context.stats.remove(this.stats);
    this.#factories.context.stats.remove(this.#sslStats);
  }

  serve(
    chain: FilterChain,
    socket: net.Socket,
    properties: ConnectionProperties,
    tls: TlsInfo | null,
  ): void {
    const { context } = this.#factories;
    const id = nextConnectionId(context);
    const connection = new SocketConnection(socket, {
      id,
      timers: this.timers,
      bufferLimitBytes: this.config.perConnectionBufferLimitBytes,
      traffic: this.stats,
      tls,
      requestedServerName: properties.serverName,
      nextProtocol: properties.applicationProtocols[0] ?? '',
      remoteAddress: properties.remoteAddress,
      localAddress: properties.localAddress,
    });
    const { clock } = context;
    const info = new HttpStreamInfo(
      connection,
      chain.config.name,
      '',
      clock.nowMs(),
      clock.wallMs(),
    );
    new DownstreamConnection(connection, info, chain, {
      stats: this.stats,
      clock,
      accessLogs: this.#accessLogs,
      bufferLimitBytes: this.config.perConnectionBufferLimitBytes,
    }).start();
  }

  onHandshakeRefused(chain: FilterChain, properties: ConnectionProperties, reason: string): void {
    this.#logger.debug({ reason, listener: this.config.name }, 'TLS handshake refused');
    if (this.#accessLogs.length === 0) return;
    const { context } = this.#factories;
    const { clock } = context;
    const info = new HttpStreamInfo(
      {
        id: nextConnectionId(context),
        remoteAddress: properties.remoteAddress,
        localAddress: properties.localAddress,
        tls: null,
        requestedServerName: properties.serverName,
      },
      chain.config.name,
      '',
      clock.nowMs(),
      clock.wallMs(),
    );
    info.connectionTerminationDetails = reason;
    info.endMs = clock.nowMs();
    for (const logger of this.#accessLogs) {
      logger.log(connectionLogContext(info, 'NotSet'));
    }
  }

  #accept(socket: net.Socket): void {
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    if (remoteAddress === undefined) {
      // Gone before we looked.
      socket.destroy();
      return;
    }
    new AcceptingConnection(this, socket, {
      remoteAddress: { ip: plainIp(remoteAddress), port: remotePort ?? 0 },
      localAddress: { ip: plainIp(localAddress ?? ''), port: localPort ?? 0 },
      transportProtocol: '',
      serverName: '',
      applicationProtocols: [],
    }).start();
  }

  #createAccessLogs(config: ListenerConfig): readonly AccessLogger[] {
    return config.accessLogs.map((data) => this.#factories.context.createAccessLogger(data));
  }

  #buildChains(config: ListenerConfig): FilterChainMatcher<FilterChain> {
    const former = new Map(this.#chains.map((chain) => [chain.configText, chain]));
    const build = (chainConfig: FilterChainConfig): FilterChain => {
      const kept = former.get(JSON.stringify(chainConfig));
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
    this.#draining.add(chain);
    chain.startDrain(() => this.#draining.delete(chain));
  }
}

let lastConnection = 0;

/** Unique over the workers of a process: they take turns. */
function nextConnectionId(context: WorkerContext): number {
  return lastConnection++ * context.concurrency + context.workerIndex + 1;
}
