// Compiled envoy.filters.http.grpc_http1_bridge (extensions.filters.http.grpc_http1_bridge.v3.Config):
// config.ts makes it, filter.ts reads it.

export interface GrpcHttp1BridgeData {
  /** Bodies of type application/x-protobuf become gRPC messages, and answers are unpacked. */
  readonly upgradeProtobufToGrpc: boolean;
  /** Of bridged requests the path loses its query. */
  readonly ignoreQueryParameters: boolean;
}
