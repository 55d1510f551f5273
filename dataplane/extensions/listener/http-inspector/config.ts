// envoy.filters.listener.http_inspector: main-thread half. The message has no fields.

import { ok } from '../../../../common/result.ts';
import type { HttpInspectorProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const httpInspector: ExtensionConfigFactory<HttpInspectorProto> = {
  name: 'envoy.filters.listener.http_inspector',
  category: 'listener-filter',
  configTypes: ['envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'],
  compile: () => ok(null),
};
