// The config of a filter with config_discovery as a worker has it now: what ECDS brought, else the default, else none.
// The wrappers in extensions/{http,network,listener}/config-discovery make a filter of it for each stream or connection, so that an update
// needs no new listener and no connection is lost.

import type { DiscoveredFilterData } from '../../api/config/extension-config.ts';
import type { ExtensionData, WorkerContext } from '../../api/factory.ts';

/** So many replaced configs are kept for those who still use them; then the oldest gives back its stats. */
const MAX_REPLACED = 8;

interface Disposable {
  dispose?(): void;
}

export class DiscoveredConfig<Config extends Disposable> {
  readonly #data: DiscoveredFilterData;
  readonly #worker: WorkerContext;
  readonly #create: (config: ExtensionData) => Config;
  #current: Config | null;
  readonly #replaced: Config[];
  readonly #onUpdate = (config: ExtensionData | null) => this.#use(config);

  constructor(
    data: DiscoveredFilterData,
    worker: WorkerContext,
    create: (config: ExtensionData) => Config,
  ) {
    this.#data = data;
    this.#worker = worker;
    this.#create = create;
    this.#current = null;
    this.#replaced = [];
    this.#use(worker.subscribeExtensionConfig(data.id, this.#onUpdate));
  }

  /** Null = neither came one nor is there a default. */
  get current(): Config | null {
    return this.#current;
  }

  dispose(): void {
    this.#worker.unsubscribeExtensionConfig(this.#data.id, this.#onUpdate);
    if (this.#current !== null) this.#replaced.push(this.#current);
    for (const config of this.#replaced) config.dispose?.();
    this.#replaced.length = 0;
    this.#current = null;
  }

  #use(config: ExtensionData | null): void {
    const former = this.#current;
    const wanted = config ?? this.#data.default;
    // Before the former one gives back its stats: they go on where they were.
    this.#current = wanted === null ? null : this.#create(wanted);
    if (former === null) return;
    this.#replaced.push(former);
    if (this.#replaced.length > MAX_REPLACED) this.#replaced.shift()?.dispose?.();
  }
}
