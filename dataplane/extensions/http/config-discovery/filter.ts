// Worker half of an HTTP filter with config_discovery: each stream gets a filter of the config that is in force when it
// begins, or is answered with 500 and flag NFCF while there is none.

import {
  DISCOVERED_HTTP_FILTER,
  type DiscoveredFilterData,
} from '../../../api/config/extension-config.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { DiscoveredConfig } from '../../_shared/discovered-config.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';

class DiscoveredFilterConfig implements HttpFilterConfig {
  readonly #config: DiscoveredConfig<HttpFilterConfig>;

  constructor(data: DiscoveredFilterData, context: HttpFilterContext) {
    const { worker } = context;
    this.#config = new DiscoveredConfig(data, worker, (config) =>
      worker.createHttpFilter(config, context),
    );
  }

  createFilter(): StreamFilter {
    const { current } = this.#config;
    return current === null ? new MissingConfigFilter() : current.createFilter();
  }

  dispose(): void {
    this.#config.dispose();
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
