// Compiled envoy.filters.network.local_ratelimit: config.ts makes it, filter.ts reads it.

import type { RuntimeFlag } from '../../../api/runtime.ts';
import type { TokenBucketData } from '../../_shared/token-bucket/data.ts';

export interface LocalRateLimitData {
  /** Stats hang below `local_rate_limit.<statPrefix>`. */
  readonly statPrefix: string;
  /** One token per connection. */
  readonly tokenBucket: TokenBucketData;
  /** runtime_enabled. */
  readonly isEnabled: RuntimeFlag;
}
