// Compiled envoy.filters.listener.tls_inspector (extensions.filters.listener.tls_inspector.v3.TlsInspector):
// config.ts makes it, filter.ts reads it.

export interface TlsInspectorData {
  /** Upper bound of the ClientHello that is looked at; 256 to 16 384, the default. */
  readonly maxClientHelloBytes: number;
  /** Else such a connection goes on as plaintext. */
  readonly closeOnParsingErrors: boolean;
}
