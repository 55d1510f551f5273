// Compiled extensions.filters.common.set_filter_state.v3.FilterStateValue: config.ts makes it, values.ts sets it.

import type { AccessLogFormatData } from '../../../api/config/access-log.ts';

export interface FilterStateValueData {
  readonly key: string;
  /**
   * What becomes of the text: 'string' is for logs, 'hashable_string' for hash policies too, 'tcp_proxy_cluster' is what
   * tcp_proxy takes for its cluster.
   */
  readonly kind: 'string' | 'hashable_string' | 'tcp_proxy_cluster';
  readonly format: AccessLogFormatData;
  readonly skipIfEmpty: boolean;
}
