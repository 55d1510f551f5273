// envoy.filters.http.header_mutation, worker half: changes request and response headers. A good first filter
// to read: both directions, per-route configs, no buffering.

import { type CompileFormat, Mutations } from '../../../access-log/ordered-mutations.ts';
import type { LogContext } from '../../../api/access-log.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { StreamInfo } from '../../../api/stream-info.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type {
  HeaderMutationFilterData,
  HeaderMutationRouteData,
  HeaderMutationsInOrder,
} from './data.ts';

/** Both directions of one config level. */
class MutationSet {
  readonly request: Mutations;
  readonly response: Mutations;

  constructor(data: HeaderMutationsInOrder, compileFormat: CompileFormat) {
    this.request = new Mutations(data.request, compileFormat);
    this.response = new Mutations(data.response, compileFormat);
  }
}

class HeaderMutationConfig implements HttpFilterConfig {
  readonly mutations: MutationSet;
  readonly mostSpecificWins: boolean;

  constructor(data: HeaderMutationFilterData, compileFormat: CompileFormat) {
    this.mutations = new MutationSet(data.mutations, compileFormat);
    this.mostSpecificWins = data.mostSpecificHeaderMutationsWins;
  }

  createFilter(): StreamFilter {
    return new HeaderMutationFilter(this);
  }
}

/** Is its own LogContext: what the formats see. */
class HeaderMutationFilter extends PassThroughFilter implements LogContext {
  requestHeaders: RequestHeaders | null;
  responseHeaders: ResponseHeaders | null;
  readonly responseTrailers: Trailers | null;
  readonly localReplyBody: string;
  readonly #config: HeaderMutationConfig;
  #routeSets: readonly unknown[] | null;

  constructor(config: HeaderMutationConfig) {
    super();
    this.requestHeaders = null;
    this.responseHeaders = null;
    this.responseTrailers = null;
    this.localReplyBody = '';
    this.#config = config;
    this.#routeSets = null;
  }

  get streamInfo(): StreamInfo {
    return this.decoderCallbacks!.streamInfo;
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.requestHeaders = headers;
    this.#config.mutations.request.apply(headers.fields, this);
    const sets = this.#routeConfigs();
    for (let i = 0; i < sets.length; i++) {
      const set = sets[this.#place(i, sets.length)];
      if (set instanceof MutationSet) set.request.apply(headers.fields, this);
    }
    return FilterHeadersStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    this.responseHeaders = headers;
    this.#config.mutations.response.apply(headers.fields, this);
    const sets = this.#routeConfigs();
    for (let i = 0; i < sets.length; i++) {
      const set = sets[this.#place(i, sets.length)];
      if (set instanceof MutationSet) set.response.apply(headers.fields, this);
    }
    return FilterHeadersStatus.Continue;
  }

  /** Chosen once: what this filter does to the request must not change what it does to the response. */
  #routeConfigs(): readonly unknown[] {
    this.#routeSets ??= this.decoderCallbacks!.allRouteSpecificConfigs();
    return this.#routeSets;
  }

  /** The last one applied wins. The contract gives the most specific first. */
  #place(i: number, count: number): number {
    return this.#config.mostSpecificWins ? count - 1 - i : i;
  }
}

/**
 * The worker half; data is HeaderMutationFilterData, per route HeaderMutationRouteData. `compileFormat` is
 * access-log's: given in, so that the filter can be tested with formats of its own.
 */
export function headerMutationFactory(compileFormat: CompileFormat): HttpFilterFactory {
  return {
    name: 'envoy.filters.http.header_mutation',
    create(data: unknown, _context: HttpFilterContext): HttpFilterConfig {
      // The contract between the halves: config.ts made it.
      return new HeaderMutationConfig(data as HeaderMutationFilterData, compileFormat);
    },
    createRouteConfig(data: unknown): unknown {
      return new MutationSet((data as HeaderMutationRouteData).mutations, compileFormat);
    },
  };
}
