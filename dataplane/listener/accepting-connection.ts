// A just accepted socket until its filter chain serves it:
//
//   accepted --> listener filters peek --> filter chain match --> [TLS handshake] --> DownstreamConnection
//       '----------- timeout, close, no match, refused certificate: socket closed, counted -----------'
//
// Bytes are peeked by reading them and unshifting them again; the next reader gets all of them.

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
import type { FilterChain } from './filter-chain.ts';
import type { FilterChainMatcher } from './filter-chain-match.ts';
import type { ListenerStats } from './listener-stats.ts';

/** The listener, as far as an accepted socket needs it. */
export interface AcceptingListener {
  readonly config: ListenerConfig;
  readonly stats: ListenerStats;
  readonly timers: TimerService;
  readonly matcher: FilterChainMatcher<FilterChain>;
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** The chain is known and the transport is up. */
  serve(
    chain: FilterChain,
    socket: Socket,
    properties: ConnectionProperties,
    tls: TlsInfo | null,
  ): void;
  onHandshakeRefused(chain: FilterChain, properties: ConnectionProperties, reason: string): void;
}

/** Lives only for the first moments of a connection, so closures are fine here. */
export class AcceptingConnection {
  readonly #listener: AcceptingListener;
  readonly #socket: Socket;
  readonly #properties: ConnectionProperties;
  readonly #filters: readonly ListenerFilter[];
  readonly #timer: Timer;
  #nextFilter = 0;
  #peeked: Buffer = Buffer.alloc(0);
  #sawClientHello = false;
  #done = false;
  readonly #onData = (chunk: Buffer) => this.#peek(chunk);
  readonly #onClose = () => this.#ended('remote');

  constructor(listener: AcceptingListener, socket: Socket, properties: ConnectionProperties) {
    this.#listener = listener;
    this.#socket = socket;
    this.#properties = properties;
    this.#filters = listener.listenerFilters.map((config) => config.createFilter());
    this.#timer = listener.timers.createTimer(
      (self: AcceptingConnection) => self.#onTimeout(),
      this,
    );
  }

  start(): void {
    this.#listener.stats.preCxActive++;
    this.#socket.on('error', ignoreError);
    if (this.#filters.length === 0) {
      this.#choose();
      return;
    }
    const { listenerFiltersTimeoutMs } = this.#listener.config;
    if (listenerFiltersTimeoutMs > 0) this.#timer.start(listenerFiltersTimeoutMs);
    this.#socket.on('close', this.#onClose);
    this.#socket.on('data', this.#onData);
    // Accepted paused (pauseOnConnect): a listener alone does not start it.
    this.#socket.resume();
  }

  #peek(chunk: Buffer): void {
    this.#peeked = this.#peeked.length === 0 ? chunk : Buffer.concat([this.#peeked, chunk]);
    while (this.#nextFilter < this.#filters.length) {
      const status = this.#filters[this.#nextFilter]!.onData(this.#peeked, this.#properties);
      if (status === ListenerFilterStatus.NeedMore) return;
      if (status === ListenerFilterStatus.Close) {
        this.#listener.stats.listenerFilterError++;
        this.#ended('local');
        return;
      }
      this.#nextFilter++;
    }
    this.#sawClientHello = this.#properties.transportProtocol === 'tls';
    this.#choose();
  }

  #onTimeout(): void {
    this.#listener.stats.preCxTimeout++;
    if (this.#listener.config.continueOnListenerFiltersTimeout) this.#choose();
    else this.#ended('local');
  }

  /** Listener filters are done: hands the socket on, with all its bytes. */
  #choose(): void {
    if (this.#done) return;
    this.#timer.stop();
    this.#socket.off('data', this.#onData);
    this.#socket.off('close', this.#onClose);
    this.#socket.pause();
    if (this.#peeked.length > 0) this.#socket.unshift(this.#peeked);
    const chain = this.#listener.matcher.match(this.#properties);
    if (chain === null) {
      this.#listener.stats.noFilterChainMatch++;
      this.#ended('local');
      return;
    }
    if (chain.tls === null) this.#serve(chain, this.#socket, null);
    else this.#handshake(chain);
  }

  #handshake(chain: FilterChain): void {
    const timeoutMs = chain.config.transportSocketConnectTimeoutMs;
    const timer = this.#listener.timers.createTimer((self: AcceptingConnection) => {
      self.#listener.stats.transportSocketConnectTimeout++;
      self.#socket.destroy();
    }, this);
    if (timeoutMs > 0) timer.start(timeoutMs);
    const { serverName, applicationProtocols } = this.#properties;
    chain.tls?.accept(
      this.#socket,
      serverName,
      this.#sawClientHello ? applicationProtocols : null,
      {
        onSecure: (tlsSocket, info) => {
          timer.stop();
          tlsSocket.pause();
          this.#serve(chain, tlsSocket, info);
        },
        onRefused: (reason) => {
          timer.stop();
          this.#leave();
          this.#listener.onHandshakeRefused(chain, this.#properties, reason);
        },
      },
    );
  }

  #serve(chain: FilterChain, socket: Socket, tls: TlsInfo | null): void {
    this.#leave();
    if (tls !== null && this.#properties.applicationProtocols.length === 0 && tls.alpn !== '') {
      this.#properties.applicationProtocols = [tls.alpn];
    }
    this.#listener.serve(chain, socket, this.#properties, tls);
  }

  #ended(side: 'local' | 'remote'): void {
    if (this.#done) return;
    if (side === 'remote') this.#listener.stats.listenerFilterRemoteClose++;
    this.#timer.stop();
    this.#leave();
    this.#socket.destroy();
  }

  #leave(): void {
    if (this.#done) return;
    this.#done = true;
    this.#listener.stats.preCxActive--;
  }
}

function ignoreError(): void {
  // 'close' follows an error and is what counts; without a listener it would end the process.
}
