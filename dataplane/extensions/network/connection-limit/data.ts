// Compiled envoy.filters.network.connection_limit: config.ts makes it, filter.ts reads it.

import type { RuntimeFlag } from '../../../api/runtime.ts';

export interface ConnectionLimitData {
  /** Stats hang below `connection_limit.<statPrefix>`. */
  readonly statPrefix: string;
  /** 1 to 2^31-1; what is above could never be reached. */
  readonly maxConnections: number;
  /** A refused connection is closed after that long; 0 = at once. */
  readonly delayMs: number;
  /** runtime_enabled. */
  readonly isEnabled: RuntimeFlag;
  /** One 32-bit word: the connections of all workers that count against the limit. */
  readonly count: SharedArrayBuffer;
}
