// envoy.filters.listener.tls_inspector: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { TlsInspectorProto } from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import type { TlsInspectorData } from './data.ts';

/** Envoy: the default and the most of max_client_hello_size; it must be above 255. */
const MAX_CLIENT_HELLO_BYTES = 16 * 1024;
const MIN_CLIENT_HELLO_BYTES = 256;

/** TlsInspector -> TlsInspectorData. */
export const tlsInspector: ExtensionConfigFactory<TlsInspectorProto> = {
  name: 'envoy.filters.listener.tls_inspector',
  category: 'listener-filter',
  configTypes: ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'],
  compile(config: TlsInspectorProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const maxClientHelloBytes = wrapperOr(config.max_client_hello_size, MAX_CLIENT_HELLO_BYTES);
    // The overlay carries no constraints, so the one of Envoy's proto stands here.
    if (
      maxClientHelloBytes < MIN_CLIENT_HELLO_BYTES ||
      maxClientHelloBytes > MAX_CLIENT_HELLO_BYTES
    ) {
      compilation.fail('max_client_hello_size', 'value must be inside range (255, 16384]');
    }
    const data: TlsInspectorData = {
      maxClientHelloBytes,
      closeOnParsingErrors: config.close_connection_on_client_hello_parsing_errors ?? false,
    };
    return compilation.result(data);
  },
};
