// envoy.filters.network.sni_cluster: main-thread half. The message has no fields.

import { ok } from '../../../../common/result.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const sniCluster: ExtensionConfigFactory = {
  name: 'envoy.filters.network.sni_cluster',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.sni_cluster.v3.SniCluster'],
  compile: () => ok(null),
};
