// envoy.filters.network.local_ratelimit: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { LocalRateLimitProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { runtimeFlag } from '../../../compile/matchers.ts';
import { compileTokenBucket } from '../../_shared/token-bucket/config.ts';
import type { LocalRateLimitData } from './data.ts';

/** LocalRateLimit -> LocalRateLimitData. */
export const localRateLimit: ExtensionConfigFactory<LocalRateLimitProto> = {
  name: 'envoy.filters.network.local_ratelimit',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit'],
  compile(config: LocalRateLimitProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const shareKey = config.share_key ?? '';
    const data: LocalRateLimitData = {
      statPrefix: config.stat_prefix ?? '',
      tokenBucket: compileTokenBucket(
        config.token_bucket ?? {},
        'token_bucket',
        shareKey === '' ? null : `envoy.filters.network.local_ratelimit ${shareKey}`,
        compilation,
      ),
      isEnabled: runtimeFlag(config.runtime_enabled, compilation),
    };
    return compilation.result(data);
  },
};
