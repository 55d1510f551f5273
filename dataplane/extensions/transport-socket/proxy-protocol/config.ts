// envoy.transport_sockets.upstream_proxy_protocol: main-thread half. Wraps another upstream transport socket
// and begins each connection with a PROXY header.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { ProxyProtocolUpstreamTransportProto } from '../../../../proto/gen/types.ts';
import type { UpstreamProxySocketData } from '../../../api/config/cluster.ts';
import type { UpstreamTlsConfig } from '../../../api/config/tls.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, namedAny } from '../../../compile/compilation.ts';
import { compileProxyProtocol } from '../../../compile/proxy-tlvs.ts';

const name = 'envoy.transport_sockets.upstream_proxy_protocol';

/** ProxyProtocolUpstreamTransport -> UpstreamProxySocketData. */
export const upstreamProxyProtocolSocket: ExtensionConfigFactory<ProxyProtocolUpstreamTransportProto> =
  {
    name,
    category: 'upstream-transport-socket',
    configTypes: [
      'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
    ],
    compile(
      config: ProxyProtocolUpstreamTransportProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      const compilation = new Compilation(context);
      const { transport_socket: inner } = config;
      const socket =
        inner === undefined
          ? null
          : compilation.extension('upstream-transport-socket', namedAny(inner), 'transport_socket');
      if (socket?.extension === name) {
        compilation.fail('transport_socket', 'must not be another upstream_proxy_protocol');
      }
      const data: UpstreamProxySocketData = {
        kind: 'proxy-protocol',
        proxyProtocol: compileProxyProtocol(config.config ?? {}, 'config', compilation),
        tlvAsPoolKey: config.tlv_as_pool_key ?? false,
        // The other halves of this category make UpstreamTlsConfig, or null for raw_buffer.
        tls: (socket?.data ?? null) as UpstreamTlsConfig | null,
      };
      return compilation.result(data);
    },
  };
