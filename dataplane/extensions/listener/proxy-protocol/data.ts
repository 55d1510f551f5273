// Compiled envoy.filters.listener.proxy_protocol (extensions.filters.listener.proxy_protocol.v3.ProxyProtocol):
// config.ts makes it, filter.ts reads it.

/** Where the value of the first TLV of a type goes in the connection's dynamic metadata. */
export interface TlvRule {
  /** 0..255 */
  readonly tlvType: number;
  /** Default `envoy.filters.listener.proxy_protocol`. */
  readonly metadataNamespace: string;
  readonly key: string;
}

export interface ProxyProtocolData {
  readonly rules: readonly TlvRule[];
  readonly allowRequestsWithoutProxyProtocol: boolean;
  /** 'all', or the types that clusters may pass on. */
  readonly passThroughTlvs: 'all' | readonly number[];
  readonly allowsV1: boolean;
  readonly allowsV2: boolean;
  /** Stats hang below `proxy_proto.[<statPrefix>.]` */
  readonly statPrefix: string;
}
