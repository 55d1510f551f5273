// Resources with one error each (test/fakes/planted-errors.ts), pushed by our ADS server to a real Envoy and to our sidecar: what
// Envoy refuses we refuse, our NACK names the resource and the field, and after the good one comes back nothing is left.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { TypeStatus } from '../../controlplane/ads/ack-tracker.ts';
import { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { typeUrlOf } from '../../dataplane/api/resource-compiler.ts';
import { messageFromJson } from '../../proto/json.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import {
  fullPath,
  goodResources,
  type PlantedError,
  type PlantedKind,
  plant,
  plantedErrors,
} from '../fakes/planted-errors.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const NODE = 'planted';
const TYPE = 'type.googleapis.com/';
/** Of parents: their children are what is planted. */
const parents: Readonly<Record<'cluster' | 'listener', string>> = {
  cluster: `
name: parent
type: EDS
eds_cluster_config: {service_name: planted, eds_config: {ads: {}, resource_api_version: V3}}
transport_socket:
  name: tls
  typed_config:
    "@type": ${TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    common_tls_context: {validation_context_sds_secret_config: {name: planted, sds_config: {ads: {}, resource_api_version: V3}}}
`,
  listener: `
name: parent
address: {socket_address: {address: 127.0.0.1, port_value: 0}}
filter_chains:
  - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": ${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: parent
          rds: {route_config_name: planted, config_source: {ads: {}, resource_api_version: V3}}
          http_filters:
            - {name: router, typed_config: {"@type": ${TYPE}envoy.extensions.filters.http.router.v3.Router}}
`,
};
function bootstrapText(adsPort: number, adminPort: number): string {
  const ads = { ads: {}, resource_api_version: 'V3' };
  const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  return JSON.stringify({
    node: { id: NODE, cluster: 'test' },
    admin: { address: at(adminPort) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'ads',
          connect_timeout: '1s',
          typed_extension_protocol_options: { [options]: { '@type': TYPE + options, ...http2 } },
          load_assignment: {
            cluster_name: 'ads',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(adsPort) } }] }],
          },
        },
      ],
    },
  });
}

const kinds = ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const;

function messageOf(kind: PlantedKind, json: unknown) {
  return messageFromJson(typeNameOf(typeUrlOf[kind]), json, { unknownFields: 'error' });
}

/** The wire does not care what is right: anything that can be encoded is sent. */
function resource(kind: PlantedKind, name: string, json: unknown): SnapshotResource {
  const message = messageOf(kind, json);
  assert.ok(message.ok, JSON.stringify(message));
  return SnapshotResource.ofMessage(kind, name, message.value.message);
}

/** Some are wrong already as documents, and never get onto a wire. */
const onTheWire = plantedErrors.filter((error) => messageOf(error.kind, plant(error)).ok);

const good: Readonly<Record<PlantedKind, SnapshotResource>> = {
  cluster: resource('cluster', 'planted', goodResources.cluster()),
  endpoint: resource('endpoint', 'planted', goodResources.endpoint()),
  listener: resource('listener', 'planted', goodResources.listener()),
  route: resource('route', 'planted', goodResources.route()),
  secret: resource('secret', 'planted', goodResources.secret()),
};
const parentResources = [
  resource('cluster', 'parent', parse(parents.cluster)),
  resource('listener', 'parent', parse(parents.listener)),
];

class Client {
  readonly harness: AdsHarness;
  readonly proxy: RunningProxy;

  private constructor(harness: AdsHarness, proxy: RunningProxy) {
    this.harness = harness;
    this.proxy = proxy;
  }

  static async start(kind: 'envoy' | 'remora'): Promise<Client> {
    const harness = await startAds();
    harness.publish(NODE, ...parentResources, ...Object.values(good));
    const binary = findPeer('envoy') ?? assert.fail('checked by skip');
    const bootstrap = ({ admin }: { admin: number }) => bootstrapText(harness.port, admin);
    const client = new Client(harness, await startProxy(kind, binary, bootstrap));
    for (const of of kinds) await client.#answered(of);
    return client;
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    this.harness.close();
  }

  /** What it says of the error: null = nothing, it took it. Then all is good again. */
  async offer(error: PlantedError): Promise<string | null> {
    const { kind } = error;
    const planted = resource(kind, 'planted', plant(error));
    const others = kinds.filter((of) => of !== kind).map((of) => good[of]);
    this.harness.publish(NODE, ...parentResources, ...others, planted);
    const { nack } = await this.#answered(kind);
    this.harness.publish(NODE, ...parentResources, ...Object.values(good));
    await until('the good one is taken again', () => this.#status(kind)?.status === 'SYNCED');
    return nack?.reason ?? null;
  }

  #status(kind: PlantedKind): TypeStatus | undefined {
    return this.harness.ads.tracker.node(NODE)?.types.find((type) => type.kind === kind);
  }

  async #answered(kind: PlantedKind): Promise<TypeStatus> {
    let status: TypeStatus | undefined;
    await until(`an answer to ${kind}`, () => {
      status = this.#status(kind);
      return status?.status === 'SYNCED' || status?.status === 'NACKED';
    });
    return status ?? assert.fail('checked above');
  }
}

describe('planted errors', { skip: skipWithout('envoy') }, () => {
  let envoy: Client;
  let remora: Client;

  before(async () => {
    envoy = await Client.start('envoy');
    remora = await Client.start('remora');
  });

  after(async () => {
    await envoy?.stop();
    await remora?.stop();
  });

  for (const error of onTheWire) {
    const { kind, path, value } = error;
    test(`${kind} ${path}: ${JSON.stringify(value) ?? 'missing'}`.slice(0, 120), async () => {
      const ours = await remora.offer(error);
      const theirs = await envoy.offer(error);
      // What Envoy takes we may refuse: V2 of resource_api_version, say.
      assert.ok(ours !== null, `we took it; Envoy: ${theirs}`);
      const name = path.endsWith('name') && value === '' ? '' : '"planted"';
      assert.ok(ours.includes(name), `${ours} names the resource`);
      assert.ok(ours.includes(fullPath(error.says ?? path)), `${ours} names the field`);
    });
  }
});
