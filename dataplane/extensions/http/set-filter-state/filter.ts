// envoy.filters.http.set_filter_state, worker half: texts made of the request's head go into its filter state.

import type { HttpFilterFactory } from '../../../api/factory.ts';
import type { RequestHeaders } from '../../../api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamDecoderFilter,
  type StreamDecoderFilterCallbacks,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { FilterStateValueData } from '../../_shared/filter-state/data.ts';
import { FilterStateValues } from '../../_shared/filter-state/values.ts';

class SetFilterStateConfig implements HttpFilterConfig {
  readonly values: FilterStateValues;

  constructor(data: readonly FilterStateValueData[]) {
    this.values = new FilterStateValues(data);
  }

  createFilter(): StreamFilter {
    return { decoder: new SetFilterStateFilter(this.values), encoder: null };
  }
}

class SetFilterStateFilter implements StreamDecoderFilter {
  readonly #values: FilterStateValues;
  #callbacks!: StreamDecoderFilterCallbacks;

  constructor(values: FilterStateValues) {
    this.#values = values;
  }

  setDecoderFilterCallbacks(callbacks: StreamDecoderFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.#values.set({
      requestHeaders: headers,
      responseHeaders: null,
      responseTrailers: null,
      streamInfo: this.#callbacks.streamInfo,
      localReplyBody: '',
    });
    return FilterHeadersStatus.Continue;
  }

  decodeData(): FilterDataStatus {
    return FilterDataStatus.Continue;
  }

  decodeTrailers(): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }

  onDestroy(): void {
    // nothing to let go of
  }
}

export const setFilterState: HttpFilterFactory = {
  name: 'envoy.filters.http.set_filter_state',
  // Made by config.ts.
  create: (data) => new SetFilterStateConfig(data as readonly FilterStateValueData[]),
};
