// The same files, the same REST server and the same gRPC server drive a real Envoy and our sidecar: both serve the same,
// and count the same under the same names.

import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { XdsKind } from '../../controlplane/cache/kinds.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { messageFromJson } from '../../proto/json.ts';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, startProxy } from './proxies.ts';

const type = (name: string) => ({ '@type': `type.googleapis.com/${name}` });
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ENDPOINTS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

type Json = Readonly<Record<string, unknown>>;

const hosts = (name: string, port: number): Json => ({
  cluster_name: name,
  endpoints: [
    {
      lb_endpoints: [
        { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
      ],
    },
  ],
});
const edsCluster = (name: string, source: Json): Json => ({
  name,
  type: 'EDS',
  connect_timeout: '1s',
  eds_cluster_config: { eds_config: source },
});
const routes = (name: string): Json => ({
  name,
  virtual_hosts: [
    {
      name: 'v',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, route: { cluster: 'svc' } }],
    },
  ],
});
const listener = (port: number, source: Json): Json => ({
  name: 'web',
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
  filter_chains: [
    {
      filters: [
        {
          name: 'hcm',
          typed_config: {
            ...type(HCM),
            stat_prefix: 'in',
            rds: { route_config_name: 'main', config_source: source },
            http_filters: [{ name: 'router', typed_config: type(ROUTER) }],
          },
        },
      ],
    },
  ],
});
const response = (version: string, of: string, ...resources: Json[]): string =>
  JSON.stringify({
    version_info: version,
    resources: resources.map((one) => ({ ...type(of), ...one })),
  });

const h2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      ...type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
const staticCluster = (name: string, port: number, more: Json = {}): Json => ({
  name,
  type: 'STATIC',
  connect_timeout: '0.3s',
  load_assignment: hosts(name, port),
  ...more,
});

interface Peer {
  readonly kind: 'envoy' | 'remora';
  /** Of the listener. */
  readonly port: number;
  /** Of its own. */
  readonly directory: string;
  admin(path: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts both; `make` gives each its bootstrap. */
async function startBoth(
  make: (kind: Peer['kind'], port: number, directory: string) => Json,
): Promise<Peer[]> {
  const binary = findPeer('envoy') ?? assert.fail('checked by skip');
  const start = async (kind: Peer['kind']): Promise<Peer> => {
    const directory = mkdtempSync(join(tmpdir(), `xds-sources-${kind}-`));
    const port = await freePort();
    const bootstrap = { node: { id: kind, cluster: 'test' }, ...make(kind, port, directory) };
    const common = { kind, port, directory };
    if (kind === 'remora') {
      const sidecar = await startSidecar(toYamlSections(bootstrap));
      return { ...common, admin: sidecar.admin, stop: sidecar.stop };
    }
    const envoy = await startProxy('envoy', binary, ({ admin }) =>
      JSON.stringify({
        ...bootstrap,
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
      }),
    );
    return { ...common, admin: envoy.admin, stop: envoy.stop };
  };
  return [await start('envoy'), await start('remora')];
}

/** Top-level keys as YAML, each value as JSON: startSidecar adds an admin section before. */
function toYamlSections(bootstrap: Json): string {
  return Object.entries(bootstrap)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

async function stopBoth(peers: readonly Peer[]): Promise<void> {
  for (const { stop, directory } of peers) {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The counters of all four subscriptions, and their version. */
async function counts(peer: Peer): Promise<Record<string, string>> {
  const wanted =
    /^(cluster_manager\.cds|listener_manager\.lds|cluster\.svc|http\.in\.rds\.main)\.(update_(attempt|success|failure|rejected)|version_text): (.*)$/;
  const found: Record<string, string> = {};
  for (const line of (await peer.admin('/stats')).split('\n')) {
    const match = wanted.exec(line);
    if (match !== null) found[`${match[1]}.${match[2]}`] = match[4] ?? '';
  }
  return found;
}

async function stat(peer: Peer, name: string): Promise<string> {
  const lines = (await peer.admin('/stats')).split('\n');
  return lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
}

async function get(peer: Peer): Promise<string> {
  return fetch(`http://127.0.0.1:${peer.port}/`)
    .then((answer) => answer.text())
    .catch(() => '');
}

async function bothServe(peers: readonly Peer[], text: string): Promise<void> {
  for (const peer of peers) {
    await until(`${peer.kind} serves ${text}`, async () => (await get(peer)) === text);
  }
}

/** Polls until Envoy's counters are what `holds` says, then ours must be the same. */
async function sameCounts(
  [envoy, remora]: readonly Peer[],
  what: string,
  holds: (of: Record<string, string>) => boolean,
): Promise<void> {
  assert.ok(envoy !== undefined && remora !== undefined);
  await until(`${what} in Envoy`, async () => holds(await counts(envoy)));
  await until(`${what} in the sidecar`, async () => holds(await counts(remora)));
  assert.deepEqual(await counts(remora), await counts(envoy), what);
}

async function startBackend(text: string): Promise<Server> {
  const server = createServer((_request, answer) => answer.end(text));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('sources beside Envoy', { skip: skipWithout('envoy') }, () => {
  let one: Server;
  let two: Server;

  before(async () => {
    one = await startBackend('one');
    two = await startBackend('two');
  });

  after(() => {
    one.close();
    two.close();
  });

  describe('files', () => {
    let peers: Peer[] = [];
    const move = (name: string, text: string): void => {
      for (const { directory } of peers) {
        writeFileSync(join(directory, `${name}.new`), text);
        renameSync(join(directory, `${name}.new`), join(directory, name));
      }
    };
    const path = (directory: string, name: string): Json => ({
      path_config_source: { path: join(directory, name) },
      resource_api_version: 'V3',
    });
    const clusters = (directory: string, version: string, ...more: Json[]): string =>
      response(version, CLUSTER, edsCluster('svc', path(directory, 'eds.yaml')), ...more);

    before(async () => {
      peers = await startBoth((_kind, port, directory) => {
        const files = {
          'cds.yaml': clusters(directory, 'c1'),
          'eds.yaml': response('e1', ENDPOINTS, hosts('svc', portOf(one))),
          'lds.yaml': response('l1', LISTENER, listener(port, path(directory, 'rds.json'))),
          'rds.json': response('r1', ROUTES, routes('main')),
        };
        for (const [name, text] of Object.entries(files)) {
          writeFileSync(join(directory, name), text);
        }
        return {
          dynamic_resources: {
            cds_config: path(directory, 'cds.yaml'),
            lds_config: path(directory, 'lds.yaml'),
          },
        };
      });
    });

    after(() => stopBoth(peers));

    test('are read at the start', async () => {
      await bothServe(peers, 'one');
      await sameCounts(peers, 'first', (of) => of['http.in.rds.main.version_text'] === '"r1"');
    });

    test('are read again when moved, not when written', async () => {
      for (const { directory } of peers) {
        writeFileSync(join(directory, 'cds.yaml'), response('in place', CLUSTER));
      }
      move('eds.yaml', response('e2', ENDPOINTS, hosts('svc', portOf(two))));
      await bothServe(peers, 'two');
      await sameCounts(peers, 'second', (of) => of['cluster.svc.version_text'] === '"e2"');
    });

    test('that are none, or not what was asked for, count as failed or rejected and change nothing', async () => {
      move('rds.json', 'not: json');
      await sameCounts(peers, 'failed', (of) => of['http.in.rds.main.update_failure'] === '1');
      move('rds.json', response('r2', ROUTES, routes('other')));
      await sameCounts(peers, 'rejected', (of) => of['http.in.rds.main.update_rejected'] === '1');
      await bothServe(peers, 'two');
    });

    test('with one bad cluster bring the others', async () => {
      for (const { directory } of peers) {
        const bad = { name: 'bad', type: 'EDS' };
        const text = clusters(directory, 'c2', staticCluster('extra', 1), bad);
        writeFileSync(join(directory, 'cds.new'), text);
        renameSync(join(directory, 'cds.new'), join(directory, 'cds.yaml'));
      }
      await sameCounts(peers, 'partly', (of) => of['cluster_manager.cds.update_rejected'] === '1');
      for (const peer of peers) {
        const names = await peer.admin('/clusters');
        assert.match(names, /^extra::/m, peer.kind);
        assert.doesNotMatch(names, /^bad::/m, peer.kind);
      }
    });
  });

  test('a REST server is polled by both alike', async (context) => {
    const asked: { path: string; body: Record<string, unknown>; host: string }[] = [];
    let version = '1';
    let ports: Readonly<Record<string, number>> = {};
    const rest = createServer((request, answer) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      request.on('end', () => {
        const body = JSON.parse(text);
        asked.push({ path: request.url ?? '', body, host: request.headers.host ?? '' });
        if (body.version_info === version) {
          answer.writeHead(304).end();
          return;
        }
        const backend = portOf(version === '1' ? one : two);
        const byPath: Record<string, string> = {
          '/v3/discovery:clusters': response(version, CLUSTER, edsCluster('svc', source)),
          '/v3/discovery:endpoints': response(version, ENDPOINTS, hosts('svc', backend)),
          '/v3/discovery:listeners': response(
            version,
            LISTENER,
            listener(ports[body.node.id] ?? 0, source),
          ),
          '/v3/discovery:routes': response(version, ROUTES, routes('main')),
        };
        answer.end(byPath[request.url ?? ''] ?? '{}');
      });
    });
    await new Promise<void>((resolve) => rest.listen(0, '127.0.0.1', resolve));
    context.after(() => rest.close());
    const source: Json = {
      api_config_source: {
        api_type: 'REST',
        transport_api_version: 'V3',
        cluster_names: ['rest'],
        refresh_delay: '0.1s',
      },
      resource_api_version: 'V3',
    };
    const peers = await startBoth((kind, port) => {
      ports = { ...ports, [kind]: port };
      return {
        dynamic_resources: { cds_config: source, lds_config: source },
        static_resources: { clusters: [staticCluster('rest', portOf(rest))] },
      };
    });
    context.after(() => stopBoth(peers));
    await bothServe(peers, 'one');
    version = '2';
    await bothServe(peers, 'two');
    for (const peer of peers) {
      await until(`${peer.kind} has all`, async () => {
        const of = await counts(peer);
        return Object.keys(of).filter((name) => of[name] === '"2"').length === 4;
      });
      const of = await counts(peer);
      assert.equal(
        of['cluster_manager.cds.update_success'],
        '2',
        `${peer.kind}: 304 is no success`,
      );
      assert.equal(of['cluster_manager.cds.update_failure'], '0', peer.kind);
    }
    for (const kind of ['envoy', 'remora']) {
      const own = asked.filter(({ body }) => (body['node'] as { id: string }).id === kind);
      const first = own.find(({ path }) => path.endsWith(':endpoints'));
      assert.deepEqual(
        [first?.host, first?.body['resource_names'], first?.body['type_url']],
        ['rest', ['svc'], `type.googleapis.com/${ENDPOINTS}`],
        kind,
      );
    }
  });

  for (const apiType of ['GRPC', 'DELTA_GRPC']) {
    test(`${apiType} streams of their own`, async (context) => {
      const harness: AdsHarness = await startAds();
      context.after(() => harness.close());
      const service = (cluster_name: string) => ({ envoy_grpc: { cluster_name } });
      const own: Json = {
        api_config_source: {
          api_type: apiType,
          transport_api_version: 'V3',
          grpc_services: [service('xds')],
        },
        resource_api_version: 'V3',
      };
      const publish = (kind: string, port: number, backend: Server): void => {
        harness.publish(
          kind,
          fromJson('cluster', CLUSTER, 'svc', edsCluster('svc', own)),
          fromJson('endpoint', ENDPOINTS, 'svc', hosts('svc', portOf(backend))),
          fromJson('route', ROUTES, 'main', routes('main')),
          fromJson('listener', LISTENER, 'web', listener(port, own)),
        );
      };
      const peers = await startBoth((kind, port) => {
        publish(kind, port, one);
        return {
          dynamic_resources: { cds_config: own, lds_config: own },
          static_resources: {
            clusters: [staticCluster('xds', harness.port, h2)],
          },
        };
      });
      context.after(() => stopBoth(peers));
      await bothServe(peers, 'one');
      for (const peer of peers) {
        for (const at of ['cluster_manager.cds', 'listener_manager.lds', 'cluster.svc']) {
          assert.equal(await stat(peer, `${at}.control_plane.connected_state`), '1', peer.kind);
          const identifier = await stat(peer, `${at}.control_plane.identifier`);
          assert.match(identifier, /test-control-plane/, `${peer.kind} ${at}`);
        }
        publish(peer.kind, peer.port, two);
      }
      await bothServe(peers, 'two');
      harness.close();
      for (const peer of peers) {
        await until(`${peer.kind} noticed`, async () => {
          const state = await stat(peer, 'cluster_manager.cds.control_plane.connected_state');
          return state === '0' && (await stat(peer, 'cluster_manager.cds.update_failure')) !== '0';
        });
      }
      await bothServe(peers, 'two');
    });
  }
});

function fromJson(kind: XdsKind, typeName: string, name: string, json: Json): SnapshotResource {
  const read = messageFromJson(typeName, json, { unknownFields: 'error' });
  assert.ok(read.ok);
  return resourceOf(kind, name, read.value.message as object);
}
