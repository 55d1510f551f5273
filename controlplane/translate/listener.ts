// LDS: the two listeners of a sidecar. Inbound takes mTLS (STRICT) or also plaintext (PERMISSIVE) and
// forwards to the application; outbound takes the application's plain HTTP and routes by Host.

import { packAny } from '../../proto/any.ts';
import type { FilterChainProto, ListenerProto } from '../../proto/gen/types.ts';
import type { PlainDuration } from '../../proto/plain.ts';
import type { ProxyNode } from '../graph/graph.ts';
import type { MeshSettings } from '../model/defaults.ts';
import {
  connectionManager,
  fromApplication,
  fromPeers,
  STREAM_IDLE_MS,
} from './connection-manager.ts';
import { inboundFilters, outboundFilters } from './filters/filter-order.ts';
import { INBOUND_LISTENER, inboundCluster, OUTBOUND_LISTENER, OUTBOUND_ROUTES } from './names.ts';
import { downstreamTls } from './tls.ts';
import { adsSource, BUFFER_LIMIT_BYTES, duration, socketAddress, wrapped } from './well-known.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;

export function translateInboundListener(proxy: ProxyNode, settings: MeshSettings): ListenerProto {
  return {
    name: INBOUND_LISTENER,
    address: socketAddress('0.0.0.0', proxy.inboundPort),
    traffic_direction: 'INBOUND',
    per_connection_buffer_limit_bytes: wrapped(BUFFER_LIMIT_BYTES),
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: packAny(
          'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
          {},
        ),
      },
    ],
    filter_chains: [
      mtlsChain(proxy, settings),
      ...(settings.mtlsMode === 'PERMISSIVE' ? [plaintextChain(proxy, settings)] : []),
    ],
  };
}

function mtlsChain(proxy: ProxyNode, settings: MeshSettings): FilterChainProto {
  return {
    name: 'mtls',
    filter_chain_match: { transport_protocol: 'tls' },
    filters: [inboundManager(proxy, settings, true)],
    transport_socket: downstreamTls(settings.trustDomain),
    transport_socket_connect_timeout: duration(HANDSHAKE_TIMEOUT_MS),
  };
}

function plaintextChain(proxy: ProxyNode, settings: MeshSettings): FilterChainProto {
  return {
    name: 'plaintext',
    filter_chain_match: { transport_protocol: 'raw_buffer' },
    filters: [inboundManager(proxy, settings, false)],
  };
}

function inboundManager(proxy: ProxyNode, settings: MeshSettings, mtls: boolean) {
  const { service, appPort } = proxy;
  return connectionManager(
    {
      stat_prefix: INBOUND_LISTENER,
      ...fromPeers(service),
      // The application learns who called from x-forwarded-client-cert; what the caller wrote there is dropped.
      forward_client_cert_details: mtls ? 'SANITIZE_SET' : 'SANITIZE',
      ...(mtls ? { set_current_client_cert_details: { uri: true } } : {}),
      route_config: {
        name: INBOUND_LISTENER,
        virtual_hosts: [
          {
            name: service.id,
            domains: ['*'],
            routes: [
              {
                name: 'app',
                match: { prefix: '/' },
                // The caller's sidecar keeps the time and decides about retries.
                route: {
                  cluster: inboundCluster(service.id, appPort),
                  timeout: duration(0),
                  ...idleTimeout(service.policy.idleTimeoutMs),
                },
              },
            ],
          },
        ],
        validate_clusters: wrapped(false),
      },
      http_filters: inboundFilters(service, settings.trustDomain),
    },
    settings.accessLogPath,
  );
}

/** Not before the caller's sidecar does: it keeps the time. */
function idleTimeout(idleTimeoutMs: number | null): { idle_timeout?: PlainDuration } {
  if (idleTimeoutMs === null || (idleTimeoutMs > 0 && idleTimeoutMs <= STREAM_IDLE_MS)) return {};
  return { idle_timeout: duration(idleTimeoutMs) };
}

export function translateOutboundListener(proxy: ProxyNode, settings: MeshSettings): ListenerProto {
  return {
    name: OUTBOUND_LISTENER,
    address: socketAddress('127.0.0.1', proxy.outboundPort),
    traffic_direction: 'OUTBOUND',
    per_connection_buffer_limit_bytes: wrapped(BUFFER_LIMIT_BYTES),
    filter_chains: [
      {
        name: 'http',
        filters: [
          connectionManager(
            {
              stat_prefix: OUTBOUND_LISTENER,
              ...fromApplication,
              rds: { config_source: adsSource, route_config_name: OUTBOUND_ROUTES },
              http_filters: outboundFilters(),
            },
            settings.accessLogPath,
          ),
        ],
      },
    ],
  };
}
