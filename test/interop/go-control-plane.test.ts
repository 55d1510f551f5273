// Our sidecar as a client of go-control-plane. The resources are those of that project's own integration test (its
// access logs over gRPC are taken out: we have none), in each of its modes, through three versions: all clusters and
// routes of a version are new ones. Then changes that must not cost a call, and a bad resource.

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
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
function get(port: number, scheme: 'http' | 'https'): Promise<string> {
  const options = { host: '127.0.0.1', port, agent: false, timeout: 3000 };
  return new Promise((resolve) => {
    const take = (response: http.IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve(response.statusCode === 200 ? body : `${response.statusCode} ${body}`),
      );
      response.on('error', (error) => resolve(error.message));
    };
    const request =
      scheme === 'http'
        ? http.get(options, take)
        : https.get({ ...options, rejectUnauthorized: false }, take);
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** A server of go-control-plane for one mode, and our sidecar as its client. */
class Scene {
  readonly mode: Mode;
  readonly controlPlane: JsonPeer<Done, Said>;
  #sidecar: Sidecar | null = null;
  #ports = { grpc: 0, rest: 0 };

  constructor(mode: Mode) {
    this.mode = mode;
    const program = findPeer('xds_peer') ?? 'xds_peer';
    this.controlPlane = new JsonPeer([program, 'control-plane', mode === 'ads' ? 'ads' : 'xds']);
  }

  async start(): Promise<void> {
    const said = await this.controlPlane.event('it listens', ({ grpc }) => grpc !== undefined);
    this.#ports = { grpc: said.grpc ?? 0, rest: said.rest ?? 0 };
  }

  /** `content`: `generate` or `resources` of test/peers/go/control_plane.go. */
  async publish(version: string, content: object): Promise<void> {
    const { error } = await this.controlPlane.send({ node: NODE, version, ...content });
    assert.equal(error, '');
  }

  async startSidecar(): Promise<Sidecar> {
    this.#sidecar = await startSidecar(bootstrap(this.mode, this.#ports));
    return this.#sidecar;
  }

  nacks(): readonly Said[] {
    return this.controlPlane.events.filter(({ event }) => event === 'nack');
  }

  async stop(): Promise<void> {
    await this.#sidecar?.stop();
    await this.controlPlane.stop();
  }
}

async function withScene(mode: Mode, run: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = new Scene(mode);
  try {
    await scene.start();
    await run(scene);
  } finally {
    await scene.stop();
  }
}

/** Names of the clusters that /clusters shows, but for the one of the control plane. */
async function clustersOf(sidecar: Sidecar): Promise<string[]> {
  const lines = (await sidecar.admin('/clusters')).split('\n');
  const names = new Set(lines.map((line) => line.split('::')[0] ?? ''));
  return [...names].filter((name) => name !== 'xds_cluster' && name !== '').sort();
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
    // Half of them with certificates by SDS.
    const tls = mode === 'delta-ads' || mode === 'xds';
    const count = total(listenersOf(mode));
    test(`its integration test in mode ${mode}${tls ? ', with TLS' : ''}`, () =>
      withScene(mode, async (scene) => {
        const basePort = await freePorts(count);
        const publish = (version: string, listeners: Listeners) =>
          scene.publish(version, {
            generate: { mode, basePort, upstreamPort, clusters: 3, runtimes: 1, tls, ...listeners },
          });
        const answers = () =>
          Promise.all(
            Array.from({ length: count }, (_, i) => get(basePort + i, tls ? 'https' : 'http')),
          );
        const serves = async (sidecar: Sidecar, version: string) => {
          const names = [0, 1, 2].map((i) => `cluster-${version}-${i}`);
          await until(`the clusters are those of ${version}`, async () => {
            const have = await clustersOf(sidecar);
            return have.join() === names.join();
          });
          let last: string[] = [];
          await until('every listener answers', async () => {
            last = await answers();
            return last.every((text) => text === 'hello');
          }).catch((thrown) => assert.fail(`${thrown}: ${last.join()}`));
        };
        await publish('v0', listenersOf(mode));
        const sidecar = await scene.startSidecar();
        await serves(sidecar, 'v0');
        assert.match(await sidecar.admin('/runtime'), /field-1/);
        await publish('v1', listenersOf(mode));
        await serves(sidecar, 'v1');
        // One is left: the other ports close.
        await publish('v2', { http: 1, scoped: 0, tcp: 0, vhds: 0 });
        await until('the others are gone', async () => {
          const [first, ...others] = await answers();
          return first === 'hello' && others.every((text) => text === 'ECONNREFUSED');
        });
        assert.deepEqual(scene.nacks(), []);
        assert.ok(scene.controlPlane.events.some(({ event }) => event === 'ack'));
      }));
  }

  for (const mode of ['ads', 'delta-ads', 'xds', 'delta'] as const) {
    test(`a change of clusters costs no call, and a bad cluster is named, in mode ${mode}`, () =>
      withScene(mode, async (scene) => {
        const port = await freePorts(1);
        const publish = (version: string, clusters: readonly string[], target: string, bad = '') =>
          scene.publish(version, resources(mode, { port, upstreamPort, clusters, target, bad }));
        await publish('1', ['a'], 'a');
        const sidecar = await scene.startSidecar();
        await until('it answers', async () => (await get(port, 'http')) === 'hello');
        const failed: string[] = [];
        let phase = '1';
        let isOver = false;
        const load = (async () => {
          while (!isOver) {
            const answer = await get(port, 'http');
            if (answer !== 'hello') failed.push(`${phase}: ${answer}`);
          }
        })();
        const clusters = (...names: readonly string[]) =>
          until(`the clusters are ${names.join()}`, async () => {
            return (await clustersOf(sidecar)).join() === names.join();
          });
        try {
          // Its incremental streams bring types in any order: make before break is up to who publishes.
          const step = async (version: string, names: string[], target: string, bad = '') => {
            phase = version;
            await publish(version, names, target, bad);
          };
          await step('2', ['a', 'b'], 'a');
          await clusters('a', 'b');
          await step('3', ['a', 'b'], 'b');
          await sidecar.untilStat('cluster.b.upstream_rq_total', (value) => value > 0);
          await step('4', ['b'], 'b');
          await clusters('b');
          await step('5', ['b', 'c'], 'b', 'bad');
          await clusters('b', 'c');
          const nack = await scene.controlPlane.event('a NACK', ({ event }) => event === 'nack');
          assert.match(nack.error ?? '', /bad.*connect_timeout/s);
          await step('6', ['b', 'c'], 'c');
          await sidecar.untilStat('cluster.c.upstream_rq_total', (value) => value > 0);
        } finally {
          isOver = true;
        }
        await load;
        assert.deepEqual(failed, []);
      }));
  }
});

interface Wanted {
  readonly port: number;
  readonly upstreamPort: number;
  readonly clusters: readonly string[];
  /** Where the only route leads. */
  readonly target: string;
  /** Name of a cluster that no client can take; '' = none. */
  readonly bad: string;
}

/** Of one listener with RDS. */
function resources(mode: Mode, { port, upstreamPort, clusters, target, bad }: Wanted): object {
  const config: object = parse(source(mode));
  const address = (of: number) => ({ socket_address: { address: '127.0.0.1', port_value: of } });
  const typed = (name: string, fields: object) => ({
    '@type': `type.googleapis.com/${name}`,
    ...fields,
  });
  const cluster = (name: string, timeout: string) =>
    typed('envoy.config.cluster.v3.Cluster', {
      ...{ name, type: 'EDS', connect_timeout: timeout },
      eds_cluster_config: { eds_config: config },
    });
  const filters = 'envoy.extensions.filters';
  const manager = typed(`${filters}.network.http_connection_manager.v3.HttpConnectionManager`, {
    stat_prefix: 'http',
    rds: { route_config_name: 'table', config_source: config },
    http_filters: [{ name: 'router', typed_config: typed(`${filters}.http.router.v3.Router`, {}) }],
  });
  const all = [...clusters, ...(bad === '' ? [] : [bad])];
  return {
    resources: {
      'type.googleapis.com/envoy.config.cluster.v3.Cluster': all.map((name) =>
        cluster(name, name === bad ? '-1s' : '1s'),
      ),
      // Not of the bad one: as ADS go-control-plane is silent until all names that it has are asked for (its #426).
      'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment': clusters.map((name) =>
        typed('envoy.config.endpoint.v3.ClusterLoadAssignment', {
          cluster_name: name,
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
        }),
      ),
      'type.googleapis.com/envoy.config.listener.v3.Listener': [
        typed('envoy.config.listener.v3.Listener', {
          name: 'in',
          address: address(port),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        }),
      ],
      'type.googleapis.com/envoy.service.runtime.v3.Runtime': [
        typed('envoy.service.runtime.v3.Runtime', { name: 'runtime-0', layer: {} }),
      ],
      'type.googleapis.com/envoy.config.route.v3.RouteConfiguration': [
        typed('envoy.config.route.v3.RouteConfiguration', {
          name: 'table',
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              routes: [{ match: { prefix: '/' }, route: { cluster: target } }],
            },
          ],
        }),
      ],
    },
  };
}
