// envoy.filters.listener.original_dst: main-thread half. The message has no fields.

import { ok } from '../../../../common/result.ts';
import type { OriginalDstProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

/** Only behind proxy_protocol: config/listener checks that. */
export const originalDst: ExtensionConfigFactory<OriginalDstProto> = {
  name: 'envoy.filters.listener.original_dst',
  category: 'listener-filter',
  configTypes: ['envoy.extensions.filters.listener.original_dst.v3.OriginalDst'],
  compile: () => ok(null),
};
