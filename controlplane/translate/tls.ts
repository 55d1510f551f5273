// The two sides of mTLS between sidecars. Certificates and roots come by SDS; the peer is checked by
// SPIFFE id: callers ask for exactly the service's, servers take any of the trust domain (who of them
// may do what is filters/rbac).

import { packAny } from '../../proto/any.ts';
import type {
  CommonTlsContextProto,
  StringMatcherProto,
  TransportSocketProto,
} from '../../proto/gen/types.ts';
import type { ServiceNode } from '../graph/graph.ts';
import { trustDomainPrefix } from '../graph/ids.ts';
import { IDENTITY_SECRET, ROOTS_SECRET, serverName } from './names.ts';
import { adsSource, wrapped } from './well-known.ts';

const TLS_SOCKET = 'envoy.transport_sockets.tls';

export function upstreamTls(service: ServiceNode): TransportSocketProto {
  return {
    name: TLS_SOCKET,
    typed_config: packAny('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: commonContext({ exact: service.spiffeId }, [
        service.protocol === 'HTTP' ? 'http/1.1' : 'h2',
      ]),
      sni: serverName(service.id),
    }),
  };
}

export function downstreamTls(trustDomain: string): TransportSocketProto {
  return {
    name: TLS_SOCKET,
    typed_config: packAny('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      // Both, whatever the service speaks: while its protocol changes, callers still come with the old one.
      common_tls_context: commonContext({ prefix: trustDomainPrefix(trustDomain) }, [
        'h2',
        'http/1.1',
      ]),
      require_client_certificate: wrapped(true),
    }),
  };
}

function commonContext(
  peer: StringMatcherProto,
  alpnProtocols: readonly string[],
): CommonTlsContextProto {
  return {
    // Both ends are ours: nothing older than 1.3 has to be let in.
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
    },
    tls_certificate_sds_secret_configs: [{ name: IDENTITY_SECRET, sds_config: adsSource }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: peer }],
      },
      validation_context_sds_secret_config: { name: ROOTS_SECRET, sds_config: adsSource },
    },
    alpn_protocols: alpnProtocols,
  };
}
