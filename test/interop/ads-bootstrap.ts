// A bootstrap with an ADS cluster, one HTTP listener `l` and whatever else a test wants, for Envoy and for our sidecar.

import type { ProxyPorts } from './proxies.ts';

export interface AdsBootstrapOptions {
  readonly adsPort: number;
  readonly ports: ProxyPorts;
  /** Of the connection manager, in YAML. */
  readonly httpFilters: string;
  readonly routes: string;
  /** Of the listener, and network filters before the connection manager; with a comma behind each. */
  readonly listenerFilters?: string;
  readonly networkFilters?: string;
  /** More members of the bootstrap. */
  readonly extra?: string;
}

export const ROUTER =
  '{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}';

/** JSON is YAML: one line each. */
export function adsBootstrap(options: AdsBootstrapOptions): string {
  const {
    adsPort,
    ports,
    httpFilters,
    listenerFilters = '',
    networkFilters = '',
    extra = '',
  } = options;
  const routes = options.routes.replaceAll(/\s*\n\s*/g, ' ');
  return `
node: {id: ads-node, cluster: c}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${ports.admin}}}}
dynamic_resources:
  ads_config: {api_type: DELTA_GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: ads}}]}
${extra}
static_resources:
  listeners:
    - name: l
      address: {socket_address: {address: 127.0.0.1, port_value: ${ports.listen}}}
      listener_filters: [${listenerFilters}]
      filter_chains:
        - filters:
${networkFilters}
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                access_log: [{name: log, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: "LOG %RESPONSE_CODE% %RESPONSE_FLAGS% <%RESPONSE_CODE_DETAILS%>\\n"}}}}]
                route_config: {name: r, virtual_hosts: [{name: a, domains: ["*"], routes: ${routes}}]}
                http_filters: [${httpFilters}, ${ROUTER}]
  clusters:
    - name: ads
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {}}
      load_assignment:
        cluster_name: ads
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${adsPort}}}}}]}]
`;
}
