// The bootstrap of a sidecar that joined instead of reading a file: the same shape that a file would have,
// as parsed JSON, so that it goes through the same decoding and shows up in /config_dump.

/** Name of the ADS cluster; its channel is opened with the join's credentials, not by the cluster's TLS. */
export const CONTROL_PLANE_CLUSTER = 'remora_controlplane';

export interface JoinBootstrapInput {
  readonly nodeId: string;
  readonly service: string;
  readonly namespace: string;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  /** host and port of the control plane. */
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  /** For what was good last; null = it is not kept. */
  readonly stateDirectory: string | null;
}

/** envoy.config.bootstrap.v3.Bootstrap in JSON: delta ADS for everything. */
export function joinBootstrap(input: JoinBootstrapInput): Readonly<Record<string, unknown>> {
  const { nodeId, service, namespace, version, labels, host, port, adminPort } = input;
  const { stateDirectory } = input;
  const adsSource = { ads: {}, resource_api_version: 'V3' };
  const controlPlaneApi = {
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: CONTROL_PLANE_CLUSTER } }],
  };
  return {
    node: {
      id: nodeId,
      cluster: `${service}.${namespace}`,
      metadata: { service, namespace, ...(version === '' ? {} : { version }) },
      locality: {
        region: labels['topology.kubernetes.io/region'] ?? '',
        zone: labels['topology.kubernetes.io/zone'] ?? '',
        sub_zone: labels['topology.istio.io/subzone'] ?? '',
      },
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    ...(stateDirectory === null
      ? {}
      : {
          bootstrap_extensions: [
            {
              name: 'remora.last_good',
              typed_config: {
                '@type': 'type.googleapis.com/remora.extensions.bootstrap.last_good.v1.LastGood',
                state_directory: stateDirectory,
              },
            },
          ],
        }),
    dynamic_resources: {
      ads_config: {
        ...controlPlaneApi,
        api_type: 'DELTA_GRPC',
        // Our control plane remembers who the stream is of.
        set_node_on_first_message_only: true,
      },
      cds_config: adsSource,
      lds_config: adsSource,
    },
    // The control plane says how often, and for which clusters.
    cluster_manager: { load_stats_config: { ...controlPlaneApi, api_type: 'GRPC' } },
    static_resources: {
      clusters: [
        {
          name: CONTROL_PLANE_CLUSTER,
          type: 'STRICT_DNS',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: CONTROL_PLANE_CLUSTER,
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: { address: { socket_address: { address: host, port_value: port } } },
                  },
                ],
              },
            ],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  };
}
