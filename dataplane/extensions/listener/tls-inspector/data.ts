// Compiled envoy.filters.listener.tls_inspector (extensions.filters.listener.tls_inspector.v3.TlsInspector):
// config.ts makes it, filter.ts reads it.

export interface TlsInspectorData {
  /** Upper bound of the ClientHello that is looked at; Envoy: 16 KiB. */
  readonly maxClientHelloBytes: number;
}
