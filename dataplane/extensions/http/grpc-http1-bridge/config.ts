// envoy.filters.http.grpc_http1_bridge: main-thread half.

import { ok } from '../../../../common/result.ts';
import type { FiltersHttpGrpcHttp1BridgeConfigProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';
import type { GrpcHttp1BridgeData } from './data.ts';

/** Config -> GrpcHttp1BridgeData. */
export const grpcHttp1Bridge: ExtensionConfigFactory<FiltersHttpGrpcHttp1BridgeConfigProto> = {
  name: 'envoy.filters.http.grpc_http1_bridge',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.grpc_http1_bridge.v3.Config'],
  compile(config: FiltersHttpGrpcHttp1BridgeConfigProto) {
    const data: GrpcHttp1BridgeData = {
      upgradeProtobufToGrpc: config.upgrade_protobuf_to_grpc ?? false,
      ignoreQueryParameters: config.ignore_query_parameters ?? false,
    };
    return ok(data);
  },
};
