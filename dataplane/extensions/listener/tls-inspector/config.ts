// envoy.filters.listener.tls_inspector: main-thread half.

import { ok } from '../../../../common/result.ts';
import type { TlsInspectorProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';
import type { TlsInspectorData } from './data.ts';

/** Envoy: TLS_MAX_CLIENT_HELLO. */
const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

/** TlsInspector -> TlsInspectorData. */
export const tlsInspector: ExtensionConfigFactory<TlsInspectorProto> = {
  name: 'envoy.filters.listener.tls_inspector',
  category: 'listener-filter',
  configTypes: ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'],
  compile: () => {
    const data: TlsInspectorData = { maxClientHelloBytes: MAX_CLIENT_HELLO_BYTES };
    return ok(data);
  },
};
