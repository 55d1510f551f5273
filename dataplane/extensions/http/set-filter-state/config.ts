// envoy.filters.http.set_filter_state: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FiltersHttpSetFilterStateConfigProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileFilterStateValues } from '../../_shared/filter-state/config.ts';

/** The list of on_request_headers. */
export const setFilterState: ExtensionConfigFactory<FiltersHttpSetFilterStateConfigProto> = {
  name: 'envoy.filters.http.set_filter_state',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.set_filter_state.v3.Config'],
  compile(
    config: FiltersHttpSetFilterStateConfigProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(
      compileFilterStateValues(config.on_request_headers, 'on_request_headers', compilation),
    );
  },
};
