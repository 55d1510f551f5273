// envoy.filters.http.router: main-thread half.

import { ok } from '../../../../common/result.ts';
import type { RouterProto } from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';
import type { RouterData } from './data.ts';

const DEFAULT_BASE_MS = 25;

/** Router -> RouterData. */
export const router: ExtensionConfigFactory<RouterProto> = {
  name: 'envoy.filters.http.router',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.router.v3.Router'],
  isTerminal: true,
  compile: (config: RouterProto, { runtime }) => {
    const baseMs = runtime.integer('upstream.base_retry_backoff_ms', DEFAULT_BASE_MS);
    const usePercent = runtime.integer('upstream.use_retry', 100);
    const data: RouterData = {
      dynamicStats: wrapperOr(config.dynamic_stats, true),
      suppressEnvoyHeaders: config.suppress_envoy_headers ?? false,
      respectExpectedRqTimeout: config.respect_expected_rq_timeout ?? false,
      retryRuntime:
        baseMs === DEFAULT_BASE_MS && usePercent === 100 ? null : { baseMs, usePercent },
    };
    return ok(data);
  },
};
