// LDS for proxyless gRPC. For callers an API listener (gRFC A27) under each name by which a service may be dialled:
// `xds:///orders`, `xds:///orders.shop:80`. For a server (A36) one per address that it may listen on.

import { packAny } from '../../../proto/any.ts';
import type {
  HttpConnectionManagerProto,
  ListenerProto,
  TransportSocketProto,
} from '../../../proto/gen/types.ts';
import type { ProxyNode, ServiceNode } from '../../graph/graph.ts';
import type { MeshSettings } from '../../model/defaults.ts';
import { inboundFilters, outboundFilters } from '../filters/filter-order.ts';
import { domainsOf } from '../names.ts';
import { adsSource, socketAddress, wrapped } from '../well-known.ts';
import { CERTIFICATE_PROVIDER, type GrpcProfile } from './profile.ts';
import { grpcRouteName } from './route.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** Those of one service; all lead to its one route table. `removals`: see removals.ts. */
export function grpcClientListeners(
  service: ServiceNode,
  namespace: string,
  removals: number,
): ListenerProto[] {
  const manager = packAny(MANAGER, {
    stat_prefix: removals === 0 ? 'grpc' : `grpc_${removals}`,
    rds: { config_source: adsSource, route_config_name: grpcRouteName(service) },
    http_filters: outboundFilters(),
  } satisfies HttpConnectionManagerProto);
  return domainsOf(service, namespace).map((name) => ({
    name,
    api_listener: { api_listener: manager },
  }));
}

/** The template of the bootstrap that `ctl grpc-bootstrap` prints, filled with `address:port`. */
export function grpcServerListenerName(address: string, port: number): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `grpc/server?xds.resource.listening_address=${host}:${port}`;
}

/** "All of this machine" in both families, and loopback. */
const OWN_ADDRESSES = ['0.0.0.0', '::', '127.0.0.1', '::1'];

/**
 * What the Workload's server asks for, whichever of its addresses it listens on. None where it could only take
 * plaintext and the mesh takes mTLS alone: the server then does not serve.
 */
export function grpcServerListeners(
  proxy: ProxyNode,
  address: string,
  settings: MeshSettings,
  { hasCertificates }: Pick<GrpcProfile, 'hasCertificates'>,
): ListenerProto[] {
  if (!hasCertificates && settings.mtlsMode === 'STRICT') return [];
  const manager = packAny(MANAGER, {
    stat_prefix: 'grpc',
    route_config: {
      name: 'server',
      virtual_hosts: [
        {
          name: proxy.service.id,
          domains: ['*'],
          routes: [{ name: 'app', match: { prefix: '/' }, non_forwarding_action: {} }],
        },
      ],
    },
    http_filters: inboundFilters(proxy.service, settings.trustDomain),
  } satisfies HttpConnectionManagerProto);
  const chain = {
    name: hasCertificates ? 'mtls' : 'plaintext',
    filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
    ...(hasCertificates ? { transport_socket: downstreamTls } : {}),
  };
  return [...new Set([...OWN_ADDRESSES, address])].map((host) => ({
    name: grpcServerListenerName(host, proxy.inboundPort),
    address: socketAddress(host, proxy.inboundPort),
    traffic_direction: 'INBOUND',
    filter_chains: [chain],
  }));
}

/** Every identity of the mesh's CA is let in, as by sidecars: gRPC servers match no SANs here; RBAC tells who may call. */
const downstreamTls: TransportSocketProto = {
  name: 'envoy.transport_sockets.tls',
  typed_config: packAny('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: {
      tls_certificate_provider_instance: { instance_name: CERTIFICATE_PROVIDER },
      validation_context: {
        ca_certificate_provider_instance: { instance_name: CERTIFICATE_PROVIDER },
      },
    },
    require_client_certificate: wrapped(true),
  }),
};
