// envoy.filters.network.connection_limit: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { ConnectionLimitProto } from '../../../../proto/gen/types.ts';
import { durationMsOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { runtimeFlag } from '../../../compile/matchers.ts';
import type { ConnectionLimitData } from './data.ts';

const MAX_COUNT = 2 ** 31 - 1;
const WORD_BYTES = 4;

/** ConnectionLimit -> ConnectionLimitData. */
export const connectionLimit: ExtensionConfigFactory<ConnectionLimitProto> = {
  name: 'envoy.filters.network.connection_limit',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit'],
  compile(config: ConnectionLimitProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    if (config.max_connections === undefined) compilation.fail('max_connections', 'is required');
    const data: ConnectionLimitData = {
      statPrefix: config.stat_prefix ?? '',
      maxConnections: Math.min(Number(config.max_connections?.value ?? 0), MAX_COUNT),
      delayMs: durationMsOr(config.delay, 0),
      isEnabled: runtimeFlag(config.runtime_enabled, compilation),
      count: context.sharedMemory(WORD_BYTES),
    };
    return compilation.result(data);
  },
};
