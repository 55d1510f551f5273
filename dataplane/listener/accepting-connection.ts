// A just accepted socket until its filter chain serves it:
//
//   accepted --> listener filters peek --> [other listener] --> filter chain match --> [TLS handshake] --> served
//       '------------ timeout, close, no match, refused certificate: socket closed, counted, logged -----------'
//
// Bytes are peeked by reading them; what filters do not consume is put back for the next reader.

import type { Socket } from 'node:net';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { TlsInfo } from '../api/connection.ts';
import {
  type ConnectionProperties,
  type ListenerFilter,
  type ListenerFilterConfig,
  ListenerFilterStatus,
} from '../api/listener-filter.ts';
import { ResponseFlag } from '../api/stream-info.ts';
import type { AcceptedHandle } from '../network/accepted-handle.ts';
import type { Transport } from '../network/transport.ts';
import type { ChainConnection, FilterChain } from './filter-chain.ts';
import type { FilterChainMatcher } from './filter-chain-match.ts';
import { matchesPredicate } from './filter-predicate.ts';
import type { ListenerStats } from './listener-stats.ts';
import { PeekBuffer } from './peek-buffer.ts';

/** Why a connection ended before a chain served it; '' and 0 where Envoy's log shows nothing. */
export interface Rejection {
  readonly filterChainName: string;
  /** OR of ResponseFlag bits. */
  readonly responseFlags: number;
  readonly responseCodeDetails: string;
  readonly connectionTerminationDetails: string;
  /** Why the handshake failed. */
  readonly transportFailureReason: string;
  /** Monotonic ms of the accept. */
  readonly startMs: number;
}

/** The listener, as far as an accepted socket needs it. */
export interface AcceptingListener {
  readonly config: ListenerConfig;
  readonly stats: ListenerStats;
  readonly timers: TimerService;
  readonly matcher: FilterChainMatcher<FilterChain>;
  /** Index as in config.listenerFilters. */
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** Those that no chain serves yet. */
  readonly accepting: Set<AcceptingConnection>;
  nowMs(): number;
  /** The chain is known and the transport is up. */
  serve(
    chain: FilterChain,
    socket: Socket | Transport,
    properties: ConnectionProperties,
    tls: TlsInfo | null,
  ): void;
  /** use_original_dst: the listener of the restored address has taken the connection over. */
  handOff(accepted: AcceptedHandle, peeked: PeekBuffer, properties: ConnectionProperties): boolean;
  onRejected(properties: ConnectionProperties, rejection: Rejection): void;
  /** `accepting` has become smaller. */
  onAcceptingEnded(): void;
}

/** Lives only for the first moments of a connection, so closures are fine here. */
export class AcceptingConnection implements ChainConnection {
  readonly #listener: AcceptingListener;
  readonly #accepted: AcceptedHandle;
  /** Null as long as nobody has to read before the connection is served. */
  #socket: Socket | null = null;
  readonly #properties: ConnectionProperties;
  readonly #filters: readonly ListenerFilter[];
  readonly #disabled: ListenerConfig['listenerFilters'];
  readonly #timer: Timer;
  readonly #startMs: number;
  readonly #peeked: PeekBuffer;
  readonly #mayHandOff: boolean;
  #nextFilter = 0;
  /** The filter at #nextFilter has been asked by onAccept and wants bytes. */
  #isWaiting = false;
  #sawClientHello = false;
  #done = false;
  #hadError = false;
  /** Set while it shakes hands. */
  #chain: FilterChain | null = null;
  readonly #onData = (chunk: Buffer) => this.#peek(chunk);
  readonly #onError = () => {
    this.#hadError = true;
  };
  readonly #onEnd = () => this.#onPeerGone();

  /** `handedOff`: what another listener had peeked of it before it handed it over. */
  constructor(
    listener: AcceptingListener,
    accepted: AcceptedHandle,
    properties: ConnectionProperties,
    handedOff: PeekBuffer | null = null,
  ) {
    this.#listener = listener;
    this.#accepted = accepted;
    this.#properties = properties;
    this.#disabled = listener.config.listenerFilters;
    this.#filters = listener.listenerFilters.map((config) => config.createFilter());
    this.#startMs = listener.nowMs();
    this.#peeked = handedOff ?? new PeekBuffer();
    // Envoy: one redirection and no more.
    this.#mayHandOff = handedOff === null && listener.config.useOriginalDst;
    this.#timer = listener.timers.createTimer(
      (self: AcceptingConnection) => self.#onTimeout(),
      this,
    );
  }

  start(): void {
    this.#listener.stats.preCxActive++;
    this.#listener.accepting.add(this);
    this.#runFilters();
    if (this.#done || this.#chain !== null || this.#nextFilter >= this.#filters.length) return;
    const { listenerFiltersTimeoutMs } = this.#listener.config;
    if (listenerFiltersTimeoutMs > 0) this.#timer.start(listenerFiltersTimeoutMs);
    const socket = this.#openSocket();
    socket.on('close', this.#onEnd);
    socket.on('end', this.#onEnd);
    socket.on('data', this.#onData);
    // It comes paused: a listener alone does not start it.
    socket.resume();
  }

  /** ChainConnection: the chain it shakes hands for is closed; and for the listener's own end. */
  close(): void {
    this.#reject(0, '');
  }

  #openSocket(): Socket {
    if (this.#socket === null) {
      this.#socket = this.#accepted.toSocket();
      this.#socket.on('error', this.#onError);
    }
    return this.#socket;
  }

  #peek(chunk: Buffer): void {
    this.#peeked.append(chunk);
    this.#runFilters();
  }

  #runFilters(): void {
    while (this.#nextFilter < this.#filters.length) {
      const filter = this.#filters[this.#nextFilter]!;
      const status = this.#isWaiting ? this.#offer(filter) : this.#begin(filter);
      if (status === ListenerFilterStatus.NeedMore) {
        if (this.#isWaiting && this.#peeked.data.length >= filter.maxReadBytes) this.#reject(0, '');
        if (this.#done || this.#isWaiting) return;
        this.#isWaiting = true;
        if (this.#peeked.data.length === 0) return;
        continue;
      }
      if (status === ListenerFilterStatus.Close) {
        this.#reject(0, '');
        return;
      }
      this.#nextFilter++;
      this.#isWaiting = false;
    }
    this.#choose();
  }

  #begin(filter: ListenerFilter): ListenerFilterStatus {
    const disabled = this.#disabled[this.#nextFilter]?.disabled ?? null;
    if (disabled !== null && matchesPredicate(disabled, this.#properties.localAddress)) {
      return ListenerFilterStatus.Continue;
    }
    return filter.onAccept?.(this.#properties) ?? ListenerFilterStatus.NeedMore;
  }

  #offer(filter: ListenerFilter): ListenerFilterStatus {
    return filter.onData(this.#peeked, this.#properties);
  }

  #onTimeout(): void {
    this.#listener.stats.preCxTimeout++;
    if (this.#listener.config.continueOnListenerFiltersTimeout) this.#choose();
    else this.#reject(0, '');
  }

  #onPeerGone(): void {
    // 'close' also follows when we have closed it.
    if (this.#done) return;
    if (this.#hadError) this.#listener.stats.listenerFilterError++;
    else this.#listener.stats.listenerFilterRemoteClose++;
    this.#reject(0, '');
  }

  /** Listener filters are done: hands the socket on, with all its bytes. */
  #choose(): void {
    this.#timer.stop();
    const socket = this.#socket;
    if (socket !== null) {
      socket.off('data', this.#onData);
      socket.off('close', this.#onEnd);
      socket.off('end', this.#onEnd);
      socket.pause();
    }
    this.#sawClientHello = this.#properties.transportProtocol === 'tls';
    if (this.#mayHandOff && this.#properties.localAddressRestored) {
      socket?.off('error', this.#onError);
      if (this.#listener.handOff(this.#accepted, this.#peeked, this.#properties)) {
        this.#leave();
        return;
      }
      socket?.on('error', this.#onError);
    }
    const { data } = this.#peeked;
    if (data.length > 0) this.#openSocket().unshift(data);
    const chain = this.#listener.matcher.match(this.#properties);
    if (chain === null) {
      this.#listener.stats.noFilterChainMatch++;
      this.#reject(ResponseFlag.NoRouteFound, 'filter_chain_not_found');
      return;
    }
    if (chain.tls === null) this.#serve(chain, this.#socket ?? this.#accepted, null);
    else this.#handshake(chain, chain.tls);
  }

  #handshake(chain: FilterChain, tls: NonNullable<FilterChain['tls']>): void {
    this.#chain = chain;
    chain.connections.add(this);
    const timeoutMs = chain.config.transportSocketConnectTimeoutMs;
    const timer = this.#listener.timers.createTimer((self: AcceptingConnection) => {
      self.#listener.stats.transportSocketConnectTimeout++;
      self.#reject(0, '', 'transport socket timeout was reached');
    }, this);
    if (timeoutMs > 0) timer.start(timeoutMs);
    const { serverName, applicationProtocols } = this.#properties;
    tls.accept(this.#openSocket(), serverName, this.#sawClientHello ? applicationProtocols : null, {
      onSecure: (tlsSocket, info) => {
        timer.stop();
        if (this.#done) {
          tlsSocket.destroy();
          return;
        }
        tlsSocket.pause();
        this.#serve(chain, tlsSocket, info);
      },
      onRefused: (reason) => {
        timer.stop();
        this.#reject(0, '', '', reason);
      },
    });
  }

  #serve(chain: FilterChain, socket: Socket | Transport, tls: TlsInfo | null): void {
    if (tls !== null && this.#properties.applicationProtocols.length === 0 && tls.alpn !== '') {
      this.#properties.applicationProtocols = [tls.alpn];
    }
    this.#listener.serve(chain, socket, this.#properties, tls);
    // Only now: a draining chain must not see itself empty in between.
    this.#leave();
  }

  #reject(
    responseFlags: number,
    responseCodeDetails: string,
    termination = '',
    transportFailureReason = '',
  ): void {
    if (this.#done) return;
    const filterChainName = this.#chain?.config.name ?? '';
    this.#timer.stop();
    this.#leave();
    this.#accepted.close();
    this.#listener.onRejected(this.#properties, {
      filterChainName,
      responseFlags,
      responseCodeDetails,
      connectionTerminationDetails: termination,
      transportFailureReason,
      startMs: this.#startMs,
    });
  }

  #leave(): void {
    if (this.#done) return;
    this.#done = true;
    this.#listener.stats.preCxActive--;
    this.#listener.accepting.delete(this);
    this.#chain?.onConnectionClosed(this);
    this.#chain = null;
    this.#listener.onAcceptingEnded();
  }
}
