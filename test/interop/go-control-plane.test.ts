// Our sidecar as a client of go-control-plane. The resources are those of that project's own integration test (its
// access logs over gRPC are taken out: we have none), in each of its modes, through three versions: all clusters and
// routes of a version are new ones. Then one change that must not cost a call, and a bad resource.

import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { until } from '../fakes/until.ts';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { JsonPeer } from './xds-clients/json-peer.ts';

const NODE = 'test-id';
const skip = skipWithout('xds_peer');

interface Done {
  readonly error: string;
}

interface Said {
  readonly grpc?: number;
  readonly rest?: number;
  readonly event?: 'ack' | 'nack';
  readonly type?: string;
  readonly error?: string;
}

/** How many of each kind of listener; their ports follow one another in this order. */
interface Listeners {
  readonly http: number;
  readonly scoped: number;
  readonly tcp: number;
  readonly vhds: number;
}

const modes = ['ads', 'delta-ads', 'xds', 'delta', 'rest'] as const;
type Mode = (typeof modes)[number];

/** VHDS is incremental alone; go-control-plane serves it in these modes. */
const listenersOf = (mode: Mode): Listeners => ({
  http: 2,
  scoped: 1,
  tcp: 1,
  vhds: mode === 'delta' ? 1 : 0,
});

function total({ http: plain, scoped, tcp, vhds }: Listeners): number {
  return plain + scoped + tcp + vhds;
}

/** What asks for a kind of resource in this mode. */
function source(mode: Mode): string {
  switch (mode) {
    case 'ads':
    case 'delta-ads':
      return '{ ads: {}, resource_api_version: V3 }';
    case 'rest':
      return '{ resource_api_version: V3, api_config_source: { api_type: REST, transport_api_version: V3, refresh_delay: 0.2s, cluster_names: [xds_cluster] } }';
    case 'xds':
    case 'delta': {
      const type = mode === 'xds' ? 'GRPC' : 'DELTA_GRPC';
      return `{ resource_api_version: V3, api_config_source: { api_type: ${type}, transport_api_version: V3, set_node_on_first_message_only: true, grpc_services: [{ envoy_grpc: { cluster_name: xds_cluster } }] } }`;
    }
  }
}

function bootstrap(mode: Mode, ports: { readonly grpc: number; readonly rest: number }): string {
  const isAds = mode === 'ads' || mode === 'delta-ads';
  return `
node: { id: ${NODE}, cluster: test-cluster }
dynamic_resources:
  ${
    isAds
      ? `ads_config: { api_type: ${mode === 'ads' ? 'GRPC' : 'DELTA_GRPC'}, transport_api_version: V3, set_node_on_first_message_only: true, grpc_services: [{ envoy_grpc: { cluster_name: xds_cluster } }] }`
      : ''
  }
  cds_config: ${source(mode)}
  lds_config: ${source(mode)}
layered_runtime:
  layers: [{ name: runtime-0, rtds_layer: { name: runtime-0, rtds_config: ${source(mode)} } }]
static_resources:
  clusters:
    - name: xds_cluster
      type: STATIC
      connect_timeout: 1s
      ${mode === 'rest' ? '' : 'http2_protocol_options: {}'}
      load_assignment:
        cluster_name: xds_cluster
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${mode === 'rest' ? ports.rest : ports.grpc} } } } }] }]
`;
}

/** A base from which `count` ports in a row are free now. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const servers: net.Server[] = [];
    const base = await listen(0, servers);
    let isFree = true;
    for (let i = 1; i < count && isFree; i++) isFree = (await listen(base + i, servers)) > 0;
    for (const server of servers) server.close();
    if (isFree) return base;
  }
}

function listen(port: number, servers: net.Server[]): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(0));
    server.listen(port, '127.0.0.1', () => {
      servers.push(server);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** The body, or the status when it is not 200, or the error; over a connection of its own. */
function get(port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get(
      { host: '127.0.0.1', port, agent: false, timeout: 3000 },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () =>
          resolve(response.statusCode === 200 ? body : `${response.statusCode}`),
        );
        response.on('error', (error) => resolve(error.message));
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

async function startControlPlane(mode: Mode): Promise<JsonPeer<Done, Said>> {
  const program = findPeer('xds_peer') ?? 'xds_peer';
  const peer = new JsonPeer<Done, Said>([program, 'control-plane', mode === 'ads' ? 'ads' : 'xds']);
  await peer.event('it listens', ({ grpc }) => grpc !== undefined);
  return peer;
}

describe('go-control-plane serves our sidecar', { skip, timeout: 120_000 }, () => {
  const upstream = http.createServer((_request, response) => response.end('hello'));
  let upstreamPort = 0;

  before(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    upstreamPort = (upstream.address() as AddressInfo).port;
  });
  after(() => upstream.close());

  for (const mode of modes) {
    test(`its integration test in mode ${mode}`, async () => {
      const controlPlane = await startControlPlane(mode);
      const [said = {}] = controlPlane.events;
      const listeners = listenersOf(mode);
      const basePort = await freePorts(total(listeners));
      const publish = async (version: string, wanted: Listeners) => {
        const { error } = await controlPlane.send({
          ...{ node: NODE, version },
          generate: { mode, basePort, upstreamPort, clusters: 3, runtimes: 1, ...wanted },
        });
        assert.equal(error, '');
      };
      const answers = (count: number) =>
        Promise.all(Array.from({ length: count }, (_, i) => get(basePort + i)));
      const serves = async (version: string) => {
        await until(`version ${version} is in use`, async () => {
          const clusters = await (sidecar?.admin('/clusters') ?? '');
          return (
            clusters.includes(`cluster-${version}-2::`) &&
            !/cluster-v(?!X)/.test(clusters.replaceAll(`cluster-${version}-`, ''))
          );
        });
        let last: string[] = [];
        await until('every listener answers', async () => {
          last = await answers(total(listeners));
          return last.every((text) => text === 'hello');
        }).catch((thrown) => assert.fail(`${thrown}: ${last.join()}`));
      };
      let sidecar: Sidecar | null = null;
      try {
        await publish('v0', listeners);
        sidecar = await startSidecar(
          bootstrap(mode, { grpc: said.grpc ?? 0, rest: said.rest ?? 0 }),
        );
        await serves('v0');
        assert.match(await sidecar.admin('/runtime'), /field-1/);
        await publish('v1', listeners);
        await serves('v1');
        // One is left: the other ports close.
        await publish('v2', { http: 1, scoped: 0, tcp: 0, vhds: 0 });
        await until('the others are gone', async () => {
          const [first, ...others] = await answers(total(listeners));
          return first === 'hello' && others.every((text) => text === 'ECONNREFUSED');
        });
        const nacks = controlPlane.events.filter(({ event }) => event === 'nack');
        assert.deepEqual(nacks, []);
        assert.ok(controlPlane.events.some(({ event }) => event === 'ack'));
      } finally {
        await sidecar?.stop();
        await controlPlane.stop();
      }
    });
  }
});
