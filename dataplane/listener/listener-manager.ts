// All listeners of one worker. Main sends a listener only when everything it needs is there (routes,
// secrets), so a listener that arrives here may serve at once.

import type { Logger } from '../../common/logger.ts';
import type { Timer } from '../../common/timer.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import { ActiveListener, type ListenerFactories } from './active-listener.ts';

/** See the head comment. `drainTimeMs` = Envoy's --drain-time-s, for replaced and removed listeners. */
export class ListenerManager {
  readonly #factories: ListenerFactories;
  readonly #drainTimeMs: number;
  readonly #logger: Logger;
  readonly #listeners = new Map<string, ActiveListener>();
  /** Removed or moved, with connections that finish. */
  readonly #draining = new Set<ActiveListener>();

  constructor(factories: ListenerFactories, drainTimeMs: number) {
    this.#factories = factories;
    this.#drainTimeMs = drainTimeMs;
    this.#logger = factories.context.logger;
  }

  /**
   * Adds a listener, updates it in place when only its content changed, or binds the new address first and
   * then drains the old one. Resolves with the bound address; rejects when it cannot be bound, and then
   * the former listener of that name goes on as it was.
   */
  async addOrUpdate(config: ListenerConfig): Promise<SocketAddress> {
    const former = this.#listeners.get(config.name);
    if (former !== undefined && sameAddress(former.config, config)) {
      if (former.config.hash === config.hash) return former.address;
      former.update(config);
      this.#afterDrainTime(former, (listener) => listener.closeDrainingChains());
      return former.address;
    }
    const listener = new ActiveListener(config, this.#factories);
    let address: SocketAddress;
    try {
      address = await listener.listen();
    } catch (thrown) {
      listener.dispose();
      throw thrown;
    }
    this.#listeners.set(config.name, listener);
    if (former !== undefined) this.#retire(former);
    return address;
  }

  /** Stops accepting and drains. Unknown names are ignored (removed twice). */
  remove(name: string): void {
    const listener = this.#listeners.get(name);
    if (listener === undefined) return;
    this.#listeners.delete(name);
    this.#retire(listener);
  }

  /**
   * Ends keep-alive everywhere (or inbound only); with `closeListeners` also stops accepting. `onDrained`
   * is called once no connection of them is left.
   */
  startDrain(inboundOnly: boolean, closeListeners: boolean, onDrained: () => void): void {
    const chosen = [...this.#listeners.values(), ...this.#draining].filter(
      ({ config }) => !inboundOnly || config.trafficDirection === 'INBOUND',
    );
    let left = chosen.length;
    if (left === 0) onDrained();
    for (const listener of chosen) {
      if (closeListeners) listener.stopListening();
      listener.startDrain(() => {
        if (--left === 0) onDrained();
      });
    }
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
    const timer = this.#afterDrainTime(listener, (late) => late.closeConnections());
    listener.startDrain(() => {
      timer.stop();
      this.#draining.delete(listener);
      listener.dispose();
      this.#logger.info({ listener: listener.config.name }, 'listener drained');
    });
  }

  #afterDrainTime(listener: ActiveListener, act: (listener: ActiveListener) => void): Timer {
    const timer = this.#factories.context.timers.createTimer(act, listener);
    timer.start(this.#drainTimeMs);
    return timer;
  }
}

function sameAddress(a: ListenerConfig, b: ListenerConfig): boolean {
  return a.address.ip === b.address.ip && a.address.port === b.address.port;
}
