// envoy.filters.network.echo: main-thread half. The message has no fields.

import { ok } from '../../../../common/result.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const echo: ExtensionConfigFactory = {
  name: 'envoy.filters.network.echo',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.echo.v3.Echo'],
  isTerminal: true,
  compile: () => ok(null),
};
