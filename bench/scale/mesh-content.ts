// What the sidecars of the scale bench are given: services with endpoints, one route table, two listeners, and a certificate each.
// The same JSON goes to the control planes that are compared.

import type { XdsKind } from '../../controlplane/cache/kinds.ts';
import { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { ResourceSet } from '../../controlplane/cache/snapshot.ts';
import { packAny } from '../../proto/any.ts';
import { httpListener } from '../../test/fakes/xds-resources.ts';

const ads = { ads: {}, resource_api_version: 'V3' } as const;
const TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const CERTIFICATE_BYTES = 1200;

export interface MeshContent {
  /** All but secrets: the same for every sidecar. */
  shared(): readonly (readonly [XdsKind, ResourceSet])[];
  secretsOf(sidecar: number): ResourceSet;
  /** Throws for an unknown command. */
  change(command: string): void;
}

export function meshContent(services: number, endpointsEach: number): MeshContent {
  let revision = 0;
  let generation = 0;
  const names = Array.from({ length: services }, (_, i) => `service-${i}`);
  const clusters = new ResourceSet(names.map(cluster));
  const endpoints = names.map((name, i) => endpointsOf(name, i, endpointsEach, 0));
  const listeners = new ResourceSet([
    httpListener('outbound', 15001, 'outbound'),
    httpListener('inbound', 15006, 'inbound'),
  ]);
  const inbound = routeTable('inbound', names.slice(0, 1), 0);
  let assignments = new ResourceSet(endpoints);
  let tables = new ResourceSet([routeTable('outbound', names, 0), inbound]);
  const roots = secret('roots', 'r'.repeat(CERTIFICATE_BYTES));
  return {
    shared: () => [
      ['cluster', clusters],
      ['endpoint', assignments],
      ['listener', listeners],
      ['route', tables],
    ],
    secretsOf: (sidecar) =>
      new ResourceSet([secret('default', certificateText(sidecar, generation)), roots]),
    change(command) {
      revision++;
      if (command === 'endpoint') {
        const at = revision % services;
        endpoints[at] = endpointsOf(names[at] ?? '', at, endpointsEach, revision);
        assignments = new ResourceSet(endpoints);
      } else if (command === 'route' || command === 'weight') {
        tables = new ResourceSet([routeTable('outbound', names, revision), inbound]);
      } else if (command === 'rotate') generation++;
      else throw new Error(`unknown command ${command}`);
    },
  };
}

function cluster(name: string): SnapshotResource {
  const sds = (secretName: string) => ({ name: secretName, sds_config: ads });
  return SnapshotResource.ofMessage('cluster', name, {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ads },
    connect_timeout: { seconds: 1, nanos: 0 },
    lb_policy: 'LEAST_REQUEST',
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: packAny(TLS, {
        common_tls_context: {
          tls_certificate_sds_secret_configs: [sds('default')],
          combined_validation_context: {
            default_validation_context: {},
            validation_context_sds_secret_config: sds('roots'),
          },
        },
        sni: `${name}.mesh`,
      }),
    },
  });
}

function endpointsOf(name: string, service: number, count: number, revision: number) {
  const lbEndpoints = Array.from({ length: count }, (_, i) => ({
    endpoint: {
      address: {
        socket_address: {
          address: `10.${service >> 8}.${service & 255}.${((i + revision) & 127) + 1}`,
          port_value: 8443,
        },
      },
    },
  }));
  return SnapshotResource.ofMessage('endpoint', name, {
    cluster_name: name,
    endpoints: [{ locality: { region: 'r', zone: 'a' }, lb_endpoints: lbEndpoints }],
  });
}

function routeTable(name: string, services: readonly string[], revision: number) {
  const virtualHosts = services.map((service, i) => ({
    name: service,
    domains: [service, `${service}.mesh`],
    routes: [
      {
        match: { prefix: '/' },
        route:
          i === 0
            ? { weighted_clusters: { clusters: weighted(services, revision) } }
            : { cluster: service },
      },
    ],
  }));
  return SnapshotResource.ofMessage('route', name, { name, virtual_hosts: virtualHosts });
}

function weighted(services: readonly string[], revision: number) {
  const [stable = '', canary = stable] = services;
  const share = revision % 100;
  return [
    { name: stable, weight: { value: 100 - share } },
    { name: canary, weight: { value: share } },
  ];
}

function secret(name: string, text: string): SnapshotResource {
  return SnapshotResource.ofMessage('secret', name, {
    name,
    tls_certificate: {
      certificate_chain: { inline_string: text },
      private_key: { inline_string: text.slice(0, 240) },
    },
  });
}

/** As long as a certificate of ours, and another for each sidecar and generation. */
function certificateText(sidecar: number, generation: number): string {
  return `${sidecar}/${generation} `.padEnd(CERTIFICATE_BYTES, 'x');
}
