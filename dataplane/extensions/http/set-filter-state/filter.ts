// envoy.filters.http.set_filter_state, worker half: texts made of the request's head go into its filter state.

import type { HttpFilterFactory } from '../../../api/factory.ts';
import type { RequestHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { FilterStateValueData } from '../../_shared/filter-state/data.ts';
import { FilterStateValues } from '../../_shared/filter-state/values.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';

class SetFilterStateConfig implements HttpFilterConfig {
  readonly values: FilterStateValues;

  constructor(data: readonly FilterStateValueData[]) {
    this.values = new FilterStateValues(data);
  }

  createFilter(): StreamFilter {
    return new SetFilterStateFilter(this.values);
  }
}

class SetFilterStateFilter extends PassThroughDecoderFilter {
  readonly #values: FilterStateValues;

  constructor(values: FilterStateValues) {
    super();
    this.#values = values;
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.#values.set({
      requestHeaders: headers,
      responseHeaders: null,
      responseTrailers: null,
      streamInfo: this.decoderCallbacks!.streamInfo,
      localReplyBody: '',
    });
    return FilterHeadersStatus.Continue;
  }
}

export const setFilterState: HttpFilterFactory = {
  name: 'envoy.filters.http.set_filter_state',
  // Made by config.ts.
  create: (data) => new SetFilterStateConfig(data as readonly FilterStateValueData[]),
};
