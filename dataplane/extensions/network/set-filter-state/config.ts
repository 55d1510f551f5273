// envoy.filters.network.set_filter_state: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FiltersNetworkSetFilterStateConfigProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileFilterStateValues } from '../../_shared/filter-state/config.ts';

/** The list of on_new_connection. */
export const setConnectionFilterState: ExtensionConfigFactory<FiltersNetworkSetFilterStateConfigProto> =
  {
    name: 'envoy.filters.network.set_filter_state',
    category: 'network-filter',
    configTypes: ['envoy.extensions.filters.network.set_filter_state.v3.Config'],
    compile(
      config: FiltersNetworkSetFilterStateConfigProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      const compilation = new Compilation(context);
      return compilation.result(
        compileFilterStateValues(config.on_new_connection, 'on_new_connection', compilation),
      );
    },
  };
