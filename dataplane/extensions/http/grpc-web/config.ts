// envoy.filters.http.grpc_web: main-thread half. The message has no fields.

import { ok } from '../../../../common/result.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const grpcWeb: ExtensionConfigFactory = {
  name: 'envoy.filters.http.grpc_web',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.grpc_web.v3.GrpcWeb'],
  compile: () => ok(null),
};
