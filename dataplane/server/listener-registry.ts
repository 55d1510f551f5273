// Listeners as main sees them: which ones there are, where they really listen, binding on all workers.
// Worker 0 binds first: it finds out the port of `port_value: 0` and whether the address can be bound at all.

import type { Logger } from '../../common/logger.ts';
import type { ListenAddress, ListenerConfig } from '../api/config/listener.ts';
import { formatAddress, type SocketAddress } from '../api/connection.ts';
import { connectionCountMemory } from '../listener/connection-limit.ts';
import { ListenerManagerStats } from './server-stats.ts';
import type { Supervisor } from './supervisor.ts';
import type { FromWorker } from './worker-channel.ts';

type Listening = Extract<FromWorker, { readonly type: 'listening' }>;

interface Entry {
  readonly config: ListenerConfig;
  /** Main address first. */
  readonly addresses: readonly SocketAddress[];
  readonly addedViaApi: boolean;
  /** Of open connections, over workers and updates. */
  readonly connectionCount: SharedArrayBuffer;
}

export class ListenerRegistry {
  readonly stats = new ListenerManagerStats();
  readonly #supervisor: Supervisor;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  /** Those that no longer accept. */
  readonly #stopped = new Set<string>();
  /** Changes are applied one after the other: an update must not overtake the add before it. */
  #queue: Promise<void> = Promise.resolve();

  constructor(supervisor: Supervisor, logger: Logger) {
    this.#supervisor = supervisor;
    this.#logger = logger;
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Rejects when the address cannot be bound; the former listener of that name then goes on. */
  addOrUpdate(config: ListenerConfig, addedViaApi: boolean): Promise<void> {
    const done = this.#queue.then(() => this.#apply(config, addedViaApi));
    this.#queue = done.catch(() => {});
    return done;
  }

  /** The workers stop accepting for good: all listeners, or the inbound ones. */
  countStopped(inboundOnly: boolean): void {
    for (const { config } of this.#entries.values()) {
      if (inboundOnly && config.trafficDirection !== 'INBOUND') continue;
      if (this.#stopped.has(config.name)) continue;
      this.#stopped.add(config.name);
      this.stats.stopped++;
    }
  }

  remove(name: string): void {
    this.#queue = this.#queue.then(() => {
      if (!this.#entries.delete(name)) return;
      this.#stopped.delete(name);
      this.stats.removed++;
      this.stats.active = this.#entries.size;
      this.#supervisor.broadcast({ type: 'listener-remove', name });
    });
  }

  async #apply(wanted: ListenerConfig, addedViaApi: boolean): Promise<void> {
    const former = this.#entries.get(wanted.name);
    if (former?.config.hash === wanted.hash) return;
    this.#checkDuplicate(wanted);
    const config = keepPorts(wanted, former);
    const connectionCount = former?.connectionCount ?? connectionCountMemory();
    this.stats.warming++;
    const addresses = await this.#listenEverywhere(config, connectionCount).finally(() => {
      this.stats.warming--;
    });
    // Envoy counts each worker.
    this.stats.createSuccess += this.#supervisor.count;
    if (former === undefined) this.stats.added++;
    else {
      this.stats.modified++;
      if (differsInChainsOnly(former.config, wanted)) this.stats.inPlaceUpdated++;
    }
    this.#entries.set(config.name, { config: wanted, addresses, addedViaApi, connectionCount });
    this.stats.active = this.#entries.size;
    this.#logger.info(
      { listener: config.name, addresses: addresses.map(formatAddress) },
      former === undefined ? 'listener added' : 'listener updated',
    );
  }

  async #listenEverywhere(
    config: ListenerConfig,
    connectionCount: SharedArrayBuffer,
  ): Promise<readonly SocketAddress[]> {
    const first = await this.#listen(0, config, connectionCount);
    if (first.error !== '') {
      this.stats.createFailure++;
      throw new Error(`listener '${config.name}': ${first.error}`);
    }
    const bound = withPorts(config, first.addresses);
    const rest = await Promise.all(
      Array.from({ length: this.#supervisor.count - 1 }, (_, i) =>
        this.#listen(i + 1, bound, connectionCount),
      ),
    );
    for (const { error } of rest) {
      if (error !== '')
        this.#logger.error({ listener: config.name, error }, 'a worker cannot listen');
    }
    return first.addresses;
  }

  /** The kernel would let both have it (SO_REUSEPORT) and share out the connections. */
  #checkDuplicate(wanted: ListenerConfig): void {
    for (const { config, addresses } of this.#entries.values()) {
      if (config.name === wanted.name) continue;
      const taken = new Set(addresses.map(formatAddress));
      for (const address of addressesOf(wanted).map(formatAddress)) {
        if (!taken.has(address)) continue;
        this.stats.createFailure++;
        const text = `'${wanted.name}' has duplicate address '${address}' as existing listener`;
        throw new Error(`error adding listener: ${text}`);
      }
    }
  }

  #listen(
    workerIndex: number,
    config: ListenerConfig,
    connectionCount: SharedArrayBuffer,
  ): Promise<Listening> {
    return new Promise((resolve) => {
      // The supervisor settles a 'listener' request with the worker's 'listening' message.
      const request = this.#supervisor.request((message) => resolve(message as Listening));
      this.#supervisor.send(workerIndex, { type: 'listener', config, request, connectionCount });
    });
  }
}

function addressesOf({ address, additionalAddresses }: ListenerConfig): readonly ListenAddress[] {
  return [address, ...additionalAddresses];
}

/** Envoy calls this an in-place update. */
function differsInChainsOnly(a: ListenerConfig, b: ListenerConfig): boolean {
  const rest = (config: ListenerConfig): string =>
    JSON.stringify({ ...config, filterChains: null, defaultFilterChain: null, hash: '' });
  return rest(a) === rest(b);
}

/** An update of a listener on port 0 stays on the port that it got. */
function keepPorts(wanted: ListenerConfig, former: Entry | undefined): ListenerConfig {
  if (former === undefined) return wanted;
  const formerWanted = addressesOf(former.config);
  const kept = addressesOf(wanted).map(({ ip, port }, i): SocketAddress => {
    const before = formerWanted[i];
    const isSame = port === 0 && before?.port === 0 && before.ip === ip;
    return isSame ? (former.addresses[i] ?? { ip, port }) : { ip, port };
  });
  return withPorts(wanted, kept);
}

function withPorts(config: ListenerConfig, bound: readonly SocketAddress[]): ListenerConfig {
  const [address, ...additionalAddresses] = addressesOf(config).map((wanted, i) => ({
    ...wanted,
    port: bound[i]?.port ?? wanted.port,
  }));
  return { ...config, address: address ?? config.address, additionalAddresses };
}
