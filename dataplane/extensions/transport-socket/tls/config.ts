// envoy.transport_sockets.tls, both directions: main-thread halves. The data goes into FilterChainConfig.tls
// and ClusterConfig.tls; tls/ makes secure contexts of it.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  DownstreamTlsContextProto,
  UpstreamTlsContextProto,
} from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileDownstreamTls, compileUpstreamTls } from '../../../compile/tls.ts';

const name = 'envoy.transport_sockets.tls';

/** DownstreamTlsContext -> DownstreamTlsConfig. */
export const downstreamTlsSocket: ExtensionConfigFactory<DownstreamTlsContextProto> = {
  name,
  category: 'downstream-transport-socket',
  configTypes: ['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'],
  compile(
    config: DownstreamTlsContextProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(compileDownstreamTls(config, compilation));
  },
};

/** UpstreamTlsContext -> UpstreamTlsConfig. */
export const upstreamTlsSocket: ExtensionConfigFactory<UpstreamTlsContextProto> = {
  name,
  category: 'upstream-transport-socket',
  configTypes: ['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'],
  compile(config: UpstreamTlsContextProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(compileUpstreamTls(config, compilation));
  },
};
