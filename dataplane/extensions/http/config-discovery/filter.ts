// Worker half of an HTTP filter with config_discovery: each stream gets a filter of the config that is in force when it begins, so
// that an update needs no new listener and no connection is lost.
//
//   came by ECDS? --> that one | default_config? --> that one | else 500, flag NFCF

import {
  DISCOVERED_HTTP_FILTER,
  type DiscoveredFilterData,
} from '../../../api/config/extension-config.ts';
import type { ExtensionData, HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';

/** So many replaced configs are kept for the streams that still use them; then the oldest gives back its stats. */
const MAX_REPLACED = 8;

class DiscoveredFilterConfig implements HttpFilterConfig {
  readonly #data: DiscoveredFilterData;
  readonly #context: HttpFilterContext;
  /** Null = neither came one nor is there a default. */
  #current: HttpFilterConfig | null;
  readonly #replaced: HttpFilterConfig[];
  readonly #onUpdate = (config: ExtensionData | null) => this.#use(config);

  constructor(data: DiscoveredFilterData, context: HttpFilterContext) {
    this.#data = data;
    this.#context = context;
    this.#current = null;
    this.#replaced = [];
    this.#use(context.worker.subscribeExtensionConfig(data.id, this.#onUpdate));
  }

  createFilter(): StreamFilter {
    return this.#current === null ? new MissingConfigFilter() : this.#current.createFilter();
  }

  dispose(): void {
    this.#context.worker.unsubscribeExtensionConfig(this.#data.id, this.#onUpdate);
    if (this.#current !== null) this.#replaced.push(this.#current);
    for (const config of this.#replaced) config.dispose?.();
    this.#replaced.length = 0;
    this.#current = null;
  }

  #use(config: ExtensionData | null): void {
    const { worker } = this.#context;
    const former = this.#current;
    const wanted = config ?? this.#data.default;
    // Before the former one gives back its stats: they go on where they were.
    this.#current = wanted === null ? null : worker.createHttpFilter(wanted, this.#context);
    if (former === null) return;
    this.#replaced.push(former);
    if (this.#replaced.length > MAX_REPLACED) this.#replaced.shift()?.dispose?.();
  }
}

/** Envoy: MissingConfigFilter; its details are empty, too. */
class MissingConfigFilter extends PassThroughDecoderFilter {
  override decodeHeaders(): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    callbacks.streamInfo.responseFlags |= ResponseFlag.NoFilterConfigFound;
    callbacks.sendLocalReply(500, '', null, '');
    return FilterHeadersStatus.StopIteration;
  }
}

/** The worker half; data is DiscoveredFilterData. */
export const configDiscovery: HttpFilterFactory = {
  name: DISCOVERED_HTTP_FILTER,
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // compile/config-discovery.ts made it.
    return new DiscoveredFilterConfig(data as DiscoveredFilterData, context);
  },
};
