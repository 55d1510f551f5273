// envoy.filters.network.direct_response: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { ConfigProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { readDataSource } from '../../../compile/data-source.ts';
import type { DirectResponseData } from './data.ts';

/** Config -> DirectResponseData. */
export const directResponse: ExtensionConfigFactory<ConfigProto> = {
  name: 'envoy.filters.network.direct_response',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.direct_response.v3.Config'],
  isTerminal: true,
  compile({ response }: ConfigProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const bytes = response === undefined ? null : readDataSource(response, 'response', compilation);
    const data: DirectResponseData = { response: bytes ?? new Uint8Array(0) };
    return compilation.result(data);
  },
};
