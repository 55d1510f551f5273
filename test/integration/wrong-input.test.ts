// Wrong input at every door of a running mesh: it is refused with the place and the name of what is wrong,
// and traffic goes on as if nothing had come.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RestError } from '../../cli/rest-client.ts';
import { typeUrlOfKind } from '../../controlplane/cache/kinds.ts';
import { until } from '../fakes/ads-harness.ts';
import { bootstrapErrors } from '../fakes/config.ts';
import { TestCa } from '../fakes/pki.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../fakes/xds-resources.ts';
import { Load } from './load.ts';
import { freePort, type MeshSidecar, portOf, startApplication, TestMesh } from './mesh.ts';
import { RawAds } from './raw-ads.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: frontend}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}], versions: [{name: v1}, {name: v2}]}
`;

/** A route of orders to one backend; line 12 names it. */
const routeTo = (backend: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: orders
spec:
  parentRefs:
    - kind: Service
      group: ""
      name: orders
  rules:
    - backendRefs:
        - ${backend}
          port: 80
`;
const toV1 = routeTo('{group: remora.dev, kind: ServiceVersion, name: orders-v1}').replace(
  '}\n          port: 80',
  ', port: 80}',
);
const toV2 = toV1.replace('orders-v1', 'orders-v2');

/** What is wrong, its text, and what the refusal must say after the file's name. */
const wrongDocuments: readonly (readonly [string, string, RegExp])[] = [
  ['a file that is no YAML', toV2.replace('name: orders', 'name: "orders'), /:\d+:\d+.*\S/],
  [
    'an unknown kind',
    toV2.replace('kind: HTTPRoute', 'kind: HTTPRuote'),
    /:2:7 .*kind.*"HTTPRuote"/,
  ],
  [
    'a route to a service that does not exist',
    toV2.replace(/\{group.*\}/, '{name: ordres, port: 80}'),
    /:12:18 HTTPRoute default\/orders spec\.rules\[0\]\.backendRefs\[0\]\.name: Service "ordres" does not exist/,
  ],
  [
    'a route to a version that does not exist',
    toV2.replace('orders-v2', 'orders-v9'),
    /:12:\d+ HTTPRoute default\/orders spec\.rules\[0\]\.backendRefs\[0\]\.name: ServiceVersion "orders-v9" does not exist/,
  ],
  [
    'an unknown field',
    toV2.replace('  rules:', '  ruels: []\n  rules:'),
    /:10:3 HTTPRoute default\/orders spec\.ruels: /,
  ],
];

describe('wrong mesh documents', () => {
  let mesh: TestMesh;
  let frontend: MeshSidecar;
  let load: Load;

  before(async () => {
    mesh = await TestMesh.start(documents);
    await mesh.api.applyFiles([{ name: 'route.yaml', text: toV1 }]);
    await mesh.join('orders', 'v1', 'v1');
    await mesh.join('orders', 'v2', 'v2');
    frontend = await mesh.join('frontend', '', 'frontend');
    await mesh.synced(3);
    load = new Load({ port: frontend.outboundPort, host: 'orders', clients: 2 });
    await load.more(10);
  });
  after(async () => {
    await load?.stop();
    await mesh?.stop();
  });

  const info = async () => {
    const response = await fetch(`${mesh.restUrl}/v1/info`);
    // The API's own answer; a wrong shape fails the test below.
    return (await response.json()) as { revision: number; fileProblems: string[] };
  };

  /** What `refuse` brings about must not change the mesh. */
  const isUntouched = async (refuse: () => Promise<void>) => {
    const { revision } = await info();
    load.takeBodies();
    await refuse();
    await load.more(20);
    assert.equal((await info()).revision, revision);
    assert.ok(await mesh.api.allSynced(3));
    assert.deepEqual(load.takeBodies(), ['v1']);
    assert.deepEqual(load.failures, []);
  };

  for (const [what, text, wanted] of wrongDocuments) {
    test(`${what}, in the watched folder`, async (t) => {
      const file = join(mesh.directory, 'wrong.yaml');
      t.after(async () => {
        rmSync(file);
        await until('the problem is gone', async () => (await info()).fileProblems.length === 0);
      });
      await isUntouched(async () => {
        writeFileSync(file, text);
        await until('the file was read', async () => (await info()).fileProblems.length > 0);
        const { fileProblems } = await info();
        assert.match(fileProblems[0] ?? '', wanted);
        assert.ok(fileProblems[0]?.startsWith(`${file}:`), fileProblems[0]);
      });
    });

    test(`${what}, over REST`, async () => {
      await isUntouched(async () => {
        const files = [{ name: 'wrong.yaml', text }];
        await assert.rejects(mesh.api.applyFiles(files), (thrown) => {
          assert.ok(thrown instanceof RestError);
          assert.equal(thrown.httpStatus, 422);
          assert.match(thrown.message, new RegExp(`^wrong\\.yaml${wanted.source}`));
          return true;
        });
      });
    });
  }

  test('harms nothing that comes later: the corrected document is taken', async () => {
    await mesh.api.applyFiles([{ name: 'route.yaml', text: toV2 }]);
    await mesh.synced(3);
    await load.more(10);
    load.takeBodies();
    await load.more(20);
    assert.deepEqual(load.takeBodies(), ['v2']);
    assert.deepEqual(load.failures, []);
  });
});

describe('a bootstrap', () => {
  test('with a certificate that is not of its key is refused with path and line', async () => {
    const ca = await TestCa.create();
    const [mine, another] = [await ca.issue({ dns: ['a'] }), await ca.issue({ dns: ['b'] })];
    const errors = bootstrapErrors(
      `static_resources:
  clusters:
    - name: backend
      connect_timeout: 1s
      type: STATIC
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            tls_certificates:
              - certificate_chain: { filename: cert.pem }
                private_key: { filename: key.pem }
`,
      { 'cert.pem': mine.certificatePem, 'key.pem': another.privateKeyPem },
    );
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(
      errors[0] ?? '',
      /^bootstrap\.yaml:13:\d+ static_resources\.clusters\[0\]\.transport_socket\.typed_config\.common_tls_context\.tls_certificates\[0\]\.private_key: private key 'key\.pem' does not match the certificate 'cert\.pem'$/,
    );
  });
});

const CLUSTER_TYPE = typeUrlOfKind('cluster');

for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
  describe(`a control plane that sends nonsense over ${protocol}`, () => {
    let application: http.Server;
    let ads: RawAds;
    let sidecar: Sidecar;
    let load: Load;

    before(async () => {
      application = await startApplication('blue');
      const port = await freePort();
      ads = await RawAds.start(protocol, [
        edsCluster('blue'),
        assignment('blue', portOf(application)),
        routes('main', { '/': 'blue' }),
        httpListener('web', port, 'main'),
      ]);
      sidecar = await startSidecar(adsBootstrap(protocol, ads.port));
      load = new Load({ port, clients: 2 });
      await load.more(10);
    });
    after(async () => {
      await load?.stop();
      await sidecar?.stop();
      ads?.close();
      application?.closeAllConnections();
      application?.close();
    });

    const stat = async (name: string) => {
      const lines = (await sidecar.admin('/stats')).split('\n');
      const line = lines.find((entry) => entry.startsWith(`${name}: `));
      assert.ok(line !== undefined, `no stat ${name}`);
      return Number(line.slice(name.length + 2));
    };

    /** `send` moves the counter by one and hurts no request. */
    const isCounted = async (counter: string, send: () => void | Promise<void>) => {
      const before = await stat(counter);
      await send();
      await sidecar.untilStat(counter, (value) => value === before + 1);
      await load.more(20);
      assert.equal(await stat(counter), before + 1, 'once');
      assert.deepEqual(load.takeBodies(), ['blue']);
      assert.deepEqual(load.failures, []);
    };

    test('a resource with a wrong value', async () => {
      await isCounted('cluster_manager.cds.update_rejected', async () => {
        const wrong = { name: 'blue', connect_timeout: { seconds: -1, nanos: 0 } };
        ads.send(CLUSTER_TYPE, [resourceOf('cluster', 'blue', wrong)]);
        assert.match(await ads.nack(), /^cluster "blue": connect_timeout: must be > 0/);
      });
      assert.match(await sidecar.admin('/config_dump'), /connect_timeout: must be > 0/);
    });

    test('a resource that asks for something that is not supported', async () => {
      await isCounted('cluster_manager.cds.update_rejected', async () => {
        const transport_socket_matches = [{ name: 'any' }];
        const wrong = resourceOf('cluster', 'odd', { name: 'odd', transport_socket_matches });
        ads.send(CLUSTER_TYPE, [edsCluster('blue'), wrong]);
        assert.match(await ads.nack(), /^cluster "odd": transport_socket_matches: not supported/);
      });
    });

    test('a field that nobody knows is counted, and the rest of the resource is taken', async () => {
      await isCounted('server.dynamic_unknown_fields', () => {
        const blue = edsCluster('blue');
        // Field 2047 as a varint 1.
        const bytes = Buffer.concat([blue.bytes, Buffer.from([0xf8, 0x7f, 0x01])]);
        ads.send(CLUSTER_TYPE, [{ ...blue, typeUrl: CLUSTER_TYPE, bytes }]);
      });
    });

    test('a resource of garbage', async () => {
      await isCounted('cluster.blue.update_rejected', async () => {
        const typeUrl = typeUrlOfKind('endpoint');
        const wrong = { name: 'blue', typeUrl, bytes: Buffer.from([0xff]) };
        ads.send(typeUrl, [wrong]);
        assert.match(await ads.nack(), /^endpoint/);
      });
    });

    test('a resource of another type than the response says', async () => {
      await isCounted('cluster_manager.cds.update_rejected', async () => {
        const typeUrl = typeUrlOfKind('endpoint');
        ads.send(CLUSTER_TYPE, [{ name: 'blue', typeUrl, bytes: edsCluster('blue').bytes }]);
        assert.match(await ads.nack(), /^cluster.*has type URL ".*ClusterLoadAssignment"/);
      });
    });

    test('a response of a type that nobody knows', async () => {
      await isCounted('control_plane.unknown_types', async () => {
        ads.send('type.googleapis.com/no.such.Type', []);
        assert.match(await ads.nack(), /^unknown type URL "type\.googleapis\.com\/no\.such\.Type"/);
      });
    });

    test('bytes that are no response: the stream is opened anew', async () => {
      const { streams } = ads;
      await isCounted('control_plane.malformed_responses', () => {
        ads.sendBytes(Buffer.from('\xff\xff not a protobuf message \xff', 'latin1'));
      });
      await until('it comes back', () => ads.streams === streams + 1);
      await sidecar.untilStat('control_plane.connected_state', (value) => value === 1);
      await load.more(20);
      assert.deepEqual(load.takeBodies(), ['blue']);
      assert.deepEqual(load.failures, []);
    });
  });
}

function adsBootstrap(protocol: string, port: number): string {
  const source = '{ ads: {}, resource_api_version: V3 }';
  return `
node: { id: n1, cluster: test }
dynamic_resources:
  ads_config:
    api_type: ${protocol}
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ads } }]
  cds_config: ${source}
  lds_config: ${source}
static_resources:
  clusters:
    - name: ads
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment:
        cluster_name: ads
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } }
`;
}
