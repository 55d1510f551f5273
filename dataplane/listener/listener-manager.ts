// All listeners of one worker. Main sends a listener only when everything it needs is there (routes,
// secrets), so a listener that arrives here may serve at once.

import type { Logger } from '../../common/logger.ts';
import type { Timer } from '../../common/timer.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import type { DrainSequence, DrainStrategy } from '../api/drain.ts';
import { ActiveListener, type ListenerFactories, type ListenerOwner } from './active-listener.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { DrainingStats, listenerManagerScope } from './listener-stats.ts';

export interface ListenerManagerOptions {
  /** Envoy's --drain-time-s, for replaced and removed listeners, ms. */
  readonly drainTimeMs: number;
  readonly drainStrategy: DrainStrategy;
  /** Ceiling of open connections of the process; null = none. */
  readonly globalLimit: ConnectionLimit | null;
}

/** Which listeners drain, and how. */
export interface DrainOrder {
  readonly inboundOnly: boolean;
  /** Also stop accepting. */
  readonly closeListeners: boolean;
  readonly drain: DrainSequence;
}

/** See the head comment. */
export class ListenerManager implements ListenerOwner {
  readonly drainTimeMs: number;
  readonly drainingStats = new DrainingStats();
  readonly globalLimit: ConnectionLimit | null;
  readonly #factories: ListenerFactories;
  readonly #logger: Logger;
  readonly #drainStrategy: DrainStrategy;
  readonly #listeners = new Map<string, ActiveListener>();
  /** Removed or moved, with connections that finish. */
  readonly #draining = new Set<ActiveListener>();

  constructor(factories: ListenerFactories, options: ListenerManagerOptions) {
    this.#factories = factories;
    this.drainTimeMs = options.drainTimeMs;
    this.globalLimit = options.globalLimit;
    this.#drainStrategy = options.drainStrategy;
    this.#logger = factories.context.logger;
    factories.context.stats.add(listenerManagerScope, this.drainingStats);
  }

  /**
   * Adds a listener, updates it in place when its sockets stay as they are, or makes a new one that takes over
   * the sockets it can use and binds the others, and then drains the old one. Resolves with the bound
   * addresses; rejects when one cannot be bound, and then the former listener of that name goes on as it
   * was. `count`: memory of its connection count.
   */
  async addOrUpdate(
    config: ListenerConfig,
    count: SharedArrayBuffer | null,
  ): Promise<readonly SocketAddress[]> {
    const limit =
      count === null || config.connectionLimit === null
        ? null
        : new ConnectionLimit(count, config.connectionLimit);
    const former = this.#listeners.get(config.name);
    if (former !== undefined && socketKey(former.config) === socketKey(config)) {
      if (former.config.hash !== config.hash) former.update(config, limit);
      return former.addresses;
    }
    const listener = new ActiveListener(config, limit, this.#factories, this);
    let addresses: readonly SocketAddress[];
    try {
      addresses = await listener.listen(former ?? null);
    } catch (thrown) {
      listener.dispose();
      throw thrown;
    }
    this.#listeners.set(config.name, listener);
    if (former !== undefined) this.#retire(former);
    return addresses;
  }

  /** Stops accepting and drains. Unknown names are ignored (removed twice). */
  remove(name: string): void {
    const listener = this.#listeners.get(name);
    if (listener === undefined) return;
    this.#listeners.delete(name);
    this.#retire(listener);
  }

  listenerFor({ ip, port }: SocketAddress): ActiveListener | null {
    let wildcard: ActiveListener | null = null;
    for (const listener of this.#listeners.values()) {
      for (const address of listener.addresses) {
        if (address.port !== port) continue;
        if (address.ip === ip) return listener;
        if (isWildcardFor(address.ip, ip)) wildcard ??= listener;
      }
    }
    return wildcard;
  }

  /** Ends keep-alive; `onDrained` is called once no connection of the chosen listeners is left. */
  startDrain({ inboundOnly, closeListeners, drain }: DrainOrder, onDrained: () => void): void {
    const chosen = this.#chosen(inboundOnly);
    let left = chosen.length;
    if (left === 0) onDrained();
    for (const listener of chosen) {
      if (closeListeners) listener.stopListening();
      listener.startDrain(drain, () => {
        if (--left === 0) onDrained();
      });
    }
  }

  /** Stops accepting and leaves what is connected alone. */
  stopListening(inboundOnly: boolean): void {
    for (const listener of this.#chosen(inboundOnly)) listener.stopListening();
  }

  #chosen(inboundOnly: boolean): ActiveListener[] {
    return [...this.#listeners.values(), ...this.#draining].filter(
      ({ config }) => !inboundOnly || config.trafficDirection === 'INBOUND',
    );
  }

  connectionCount(): number {
    let count = 0;
    for (const listener of [...this.#listeners.values(), ...this.#draining]) {
      count += listener.connectionCount;
    }
    return count;
  }

  /** The end: closes sockets and every connection that is left. */
  closeAll(): void {
    for (const listener of [...this.#listeners.values(), ...this.#draining]) {
      listener.stopListening();
      listener.closeConnections();
    }
  }

  #retire(listener: ActiveListener): void {
    listener.stopListening();
    this.#draining.add(listener);
    this.drainingStats.listeners++;
    const timer = this.#afterDrainTime(listener);
    const drain = {
      strategy: this.#drainStrategy,
      startMs: listener.nowMs(),
      windowMs: this.drainTimeMs,
    };
    listener.startDrain(drain, () => {
      timer.stop();
      this.#draining.delete(listener);
      this.drainingStats.listeners--;
      listener.dispose();
      this.#logger.info({ listener: listener.config.name }, 'listener drained');
    });
  }

  #afterDrainTime(listener: ActiveListener): Timer {
    const { timers } = this.#factories.context;
    const timer = timers.createTimer((late: ActiveListener) => late.closeConnections(), listener);
    timer.start(this.drainTimeMs);
    return timer;
  }
}

/** What cannot change on a socket that stands; stats hang below the prefix. */
function socketKey(config: ListenerConfig): string {
  const { address, additionalAddresses, bindToPort, enableReusePort } = config;
  const { tcpBacklogSize, statPrefix } = config;
  const parts = [address, additionalAddresses, bindToPort, enableReusePort, tcpBacklogSize];
  return JSON.stringify([...parts, statPrefix]);
}

/** 0.0.0.0 takes IPv4, :: takes both families as far as they come to it. */
function isWildcardFor(listening: string, wanted: string): boolean {
  return listening === '0.0.0.0' ? !wanted.includes(':') : listening === '::';
}
