// Listeners as main sees them: which ones there are, where they really listen, binding on all workers.
// Worker 0 binds first: it finds out the port of `port_value: 0` and whether the address can be bound at all.

import type { Logger } from '../../common/logger.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import { ListenerManagerStats } from './server-stats.ts';
import type { Supervisor } from './supervisor.ts';
import type { FromWorker } from './worker-channel.ts';

type Listening = Extract<FromWorker, { readonly type: 'listening' }>;

interface Entry {
  readonly config: ListenerConfig;
  readonly address: SocketAddress;
  readonly addedViaApi: boolean;
}

export class ListenerRegistry {
  readonly stats = new ListenerManagerStats();
  readonly #supervisor: Supervisor;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
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

  remove(name: string): void {
    this.#queue = this.#queue.then(() => {
      if (!this.#entries.delete(name)) return;
      this.stats.removed++;
      this.stats.active = this.#entries.size;
      this.#supervisor.broadcast({ type: 'listener-remove', name });
    });
  }

  async #apply(wanted: ListenerConfig, addedViaApi: boolean): Promise<void> {
    const former = this.#entries.get(wanted.name);
    if (former?.config.hash === wanted.hash) return;
    const config = keepPort(wanted, former);
    const first = await this.#listen(0, config);
    if (first.address === null) {
      this.stats.createFailure++;
      throw new Error(`listener '${config.name}': ${first.error}`);
    }
    const bound = { ...config, address: first.address };
    const rest = await Promise.all(
      Array.from({ length: this.#supervisor.count - 1 }, (_, i) => this.#listen(i + 1, bound)),
    );
    for (const { error } of rest) {
      if (error !== '')
        this.#logger.error({ listener: config.name, error }, 'a worker cannot listen');
    }
    this.stats.createSuccess++;
    if (former === undefined) this.stats.added++;
    else this.stats.modified++;
    this.#entries.set(config.name, { config: wanted, address: first.address, addedViaApi });
    this.stats.active = this.#entries.size;
    this.#logger.info(
      { listener: config.name, address: `${first.address.ip}:${first.address.port}` },
      former === undefined ? 'listener added' : 'listener updated',
    );
  }

  #listen(workerIndex: number, config: ListenerConfig): Promise<Listening> {
    return new Promise((resolve) => {
      // The supervisor settles a 'listener' request with the worker's 'listening' message.
      const request = this.#supervisor.request((message) => resolve(message as Listening));
      this.#supervisor.send(workerIndex, { type: 'listener', config, request });
    });
  }
}

/** An update of a listener on port 0 stays on the port that it got. */
function keepPort(wanted: ListenerConfig, former: Entry | undefined): ListenerConfig {
  if (wanted.address.port !== 0 || former === undefined) return wanted;
  if (former.config.address.port !== 0 || former.config.address.ip !== wanted.address.ip)
    return wanted;
  return { ...wanted, address: former.address };
}
