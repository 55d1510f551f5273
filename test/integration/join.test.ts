// A sidecar's way into the mesh over real sockets: token -> trust anchor -> registration -> ADS, and what
// happens to those who should not get in.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Client, credentials, type Metadata } from '@grpc/grpc-js';
import { RestClient } from '../../cli/rest-client.ts';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { silentLogger } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import { type ControlPlane, runControlPlane } from '../../controlplane/main.ts';
import { JoinClient, type JoinedMesh, type JoinOptions } from '../../dataplane/join/join-client.ts';
import { type MembershipStore, membershipFiles } from '../../dataplane/join/membership-file.ts';
import { encodeMessage } from '../../proto/any.ts';
import {
  adsPath,
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
} from '../../proto/discovery.ts';
import { TestCa } from '../fakes/pki.ts';
import { until } from '../fakes/until.ts';
import { freePort } from './mesh.ts';

const mesh = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}], versions: [{name: v1}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: inventory}
spec: {ports: [{port: 80}]}
`;

const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

describe('joining the mesh', () => {
  let directory: string;
  let controlPlane: ControlPlane;
  let api: RestClient;
  let ordersToken: string;
  const clients: JoinClient[] = [];

  const start = (xdsPort = 0) =>
    runControlPlane({
      config: join(directory, 'mesh.yaml'),
      stateDir: join(directory, 'state'),
      xds: { address: '127.0.0.1', port: xdsPort },
      plaintextXdsPort: 0,
      rest: { address: '127.0.0.1', port: 0 },
      apiToken: null,
      graceMs: 30_000,
      logLevel: 'off',
    });

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'remora-join-'));
    writeFileSync(join(directory, 'mesh.yaml'), mesh);
    controlPlane = await start();
    api = new RestClient(`http://127.0.0.1:${controlPlane.restPort}`, null);
    ordersToken = await api.createToken('orders');
  });
  after(async () => {
    await controlPlane.close();
    rmSync(directory, { recursive: true });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.leave()));
  });

  function client(overrides: Partial<JoinOptions> = {}): JoinClient {
    const made = new JoinClient({
      controlPlane: `127.0.0.1:${controlPlane.xdsPort}`,
      service: 'orders',
      namespace: 'default',
      version: 'v1',
      appPort: 9000,
      inboundPort: 15006,
      outboundPort: 15001,
      advertiseAddress: null,
      labels: {},
      readToken: () => ordersToken,
      memberships: null,
      clock: systemClock,
      random: systemRandom,
      timers: new TimerWheel(),
      logger: silentLogger(),
      ...overrides,
    });
    clients.push(made);
    return made;
  }

  /** The first answer to a subscription to all secrets, or the stream's error. */
  function secretsOf(session: JoinedMesh, nodeId: string, metadata: Metadata) {
    const channel = new Client(session.target, session.credentials, session.channelOptions);
    const stream = channel.makeBidiStreamRequest(
      adsPath.delta,
      (request: Buffer) => request,
      (bytes: Buffer) => decodeDeltaDiscoveryResponse(bytes),
      metadata,
    );
    stream.write(
      encodeDeltaDiscoveryRequest({
        node: encodeMessage('envoy.config.core.v3.Node', { id: nodeId }),
        typeUrl: SECRET_TYPE,
        responseNonce: '',
        errorDetail: null,
        subscribe: ['default', 'ROOTCA'],
        unsubscribe: [],
        initialResourceVersions: new Map(),
      }),
    );
    return new Promise<ReturnType<typeof decodeDeltaDiscoveryResponse>>((resolve, reject) => {
      stream.on('data', resolve);
      stream.on('error', reject);
    }).finally(() => {
      stream.cancel();
      channel.close();
    });
  }

  it('registers, gets its own identity over SDS, and is gone when it leaves', async () => {
    const sidecar = client();
    const session = await sidecar.join();
    assert.match(session.nodeId, /^default\/orders\.[0-9a-f]{10}$/);
    assert.equal(session.trustDomain, 'a.test');

    const response = await secretsOf(session, session.nodeId, session.callMetadata());
    const secrets = new Map(
      response.resources.map(({ name, resource }) => [
        name,
        Buffer.from(resource?.value ?? []).toString(),
      ]),
    );
    const pemOf = (name: string) =>
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(
        secrets.get(name) ?? '',
      )?.[0] ?? '';
    const leaf = new X509Certificate(pemOf('default'));
    assert.equal(leaf.subjectAltName, 'URI:spiffe://a.test/ns/default/sa/orders');
    assert.equal(leaf.verify(new X509Certificate(pemOf('ROOTCA')).publicKey), true);

    const [workload] = await api.list('workload', null);
    assert.deepEqual(workload?.spec, {
      service: 'orders',
      version: 'v1',
      address: '127.0.0.1',
      inboundPort: 15006,
      outboundPort: 15001,
      appPort: 9000,
    });
    await sidecar.leave();
    assert.deepEqual(await api.list('workload', null), []);
  });

  it('gives a node nothing of another service, whatever it calls itself', async () => {
    const orders = await client().join();
    const inventoryToken = await api.createToken('inventory');
    const inventory = await client({
      service: 'inventory',
      version: '',
      inboundPort: 15016,
      readToken: () => inventoryToken,
    }).join();
    await assert.rejects(
      secretsOf(orders, inventory.nodeId, orders.callMetadata()),
      /PERMISSION_DENIED.*not a registered instance of orders\.default/,
    );
    const noToken = orders.callMetadata();
    noToken.remove('authorization');
    await assert.rejects(secretsOf(orders, orders.nodeId, noToken), /no token/);
  });

  it('shows no secret in a config dump', async () => {
    const { nodeId } = await client().join();
    const dump = await untilDumped(nodeId);
    assert.match(dump, /BEGIN CERTIFICATE/);
    assert.doesNotMatch(dump, /PRIVATE KEY/);
  });

  /** The node's dump is there once its certificate was issued. */
  async function untilDumped(nodeId: string): Promise<string> {
    for (;;) {
      try {
        return JSON.stringify(await api.configDump(nodeId));
      } catch {
        await new Promise((resolve) => setImmediate(resolve)); // not ready yet
      }
    }
  }

  const refusals: readonly (readonly [string, Partial<JoinOptions>, RegExp])[] = [
    [
      'a version that the service does not list',
      { version: 'v9' },
      /has no version "v9"; it lists v1/,
    ],
    ['no version where there are some', { version: '' }, /must say which/],
    ['an address that is none', { advertiseAddress: 'host' }, /must be an IP address, not "host"/],
    ['a port that is none', { appPort: 0 }, /spec\.appPort: must be >= 1/],
    [
      'a token of another service',
      { service: 'inventory', version: '' },
      /token is for orders\.default, not for inventory/,
    ],
    ['something that is no token', { readToken: () => 'secret' }, /not a Remora join token/],
  ];
  for (const [what, overrides, wanted] of refusals) {
    it(`refuses ${what} for good, saying why`, async () => {
      await assert.rejects(client(overrides).join(), wanted);
    });
  }

  it('refuses a tampered token', async () => {
    const [prefix, claims, mac] = ordersToken.split('.');
    const forged = JSON.parse(Buffer.from(claims ?? '', 'base64url').toString());
    forged.service = 'inventory';
    const text = `${prefix}.${Buffer.from(JSON.stringify(forged)).toString('base64url')}.${mac}`;
    await assert.rejects(
      client({ service: 'inventory', version: '', readToken: () => text }).join(),
      /not issued by this control plane/,
    );
  });

  it('does not send its token to a control plane of another mesh', async () => {
    const otherDirectory = mkdtempSync(join(tmpdir(), 'remora-join-'));
    writeFileSync(join(otherDirectory, 'mesh.yaml'), mesh);
    const other = await runControlPlane({
      config: join(otherDirectory, 'mesh.yaml'),
      stateDir: null,
      xds: { address: '127.0.0.1', port: 0 },
      plaintextXdsPort: null,
      rest: { address: '127.0.0.1', port: 0 },
      apiToken: null,
      graceMs: 30_000,
      logLevel: 'off',
    });
    try {
      await assert.rejects(
        client({ controlPlane: `127.0.0.1:${other.xdsPort}` }).join(),
        /is of another mesh than the token/,
      );
    } finally {
      await other.close();
      rmSync(otherDirectory, { recursive: true });
    }
  });

  it('keeps every registration over a restart of the control plane', async () => {
    const { nodeId, callMetadata, ...session } = await client().join();
    const { xdsPort } = controlPlane;
    await controlPlane.close();
    controlPlane = await start(xdsPort);
    api = new RestClient(`http://127.0.0.1:${controlPlane.restPort}`, null);
    const [workload] = await api.list('workload', null);
    assert.equal(`default/${workload?.metadata.name}`, nodeId);
    // The same token and node id are good without joining again.
    const response = await secretsOf({ ...session, nodeId, callMetadata }, nodeId, callMetadata());
    assert.equal(response.resources.length, 2);
  });

  it('goes on as what it was when it starts while the control plane is away, and joins again', async () => {
    const memberships = membershipFiles(join(directory, 'sidecar'), silentLogger());
    const first = client({ memberships });
    const before = await first.join();
    assert.equal(before.isResumed, false);
    await first.leave();
    const { xdsPort } = controlPlane;
    await controlPlane.close();
    const away = `127.0.0.1:${xdsPort}`;
    const resumed = await client({ memberships, controlPlane: away }).join();
    assert.equal(resumed.isResumed, true);
    assert.equal(resumed.nodeId, before.nodeId);
    assert.equal(resumed.trustDomain, 'a.test');
    controlPlane = await start(xdsPort);
    api = new RestClient(`http://127.0.0.1:${controlPlane.restPort}`, null);
    // It had left, so its keepalive is refused and it registers anew, by itself.
    await until(
      'it is registered again',
      async () => (await api.list('workload', null)).length > 0,
    );
    const response = await secretsOf(resumed, resumed.nodeId, resumed.callMetadata());
    assert.equal(response.resources.length, 2);
  });

  it('believes no root on disk that its token does not name', async () => {
    const store = membershipFiles(join(directory, 'sidecar'), silentLogger());
    let asked = 0;
    const memberships: MembershipStore = {
      ...store,
      load: async () => {
        asked++;
        const root = (await TestCa.create()).certificatePem;
        return { nodeId: 'default/orders.x', trustDomain: 'b.test', root, keepaliveMs: 1000 };
      },
    };
    const lost = client({ memberships, controlPlane: `127.0.0.1:${await freePort()}` });
    let outcome = 'none';
    const joining = lost.join().then(
      () => {
        outcome = 'joined';
      },
      () => {
        outcome = 'refused';
      },
    );
    await until('it has tried', () => asked === 1);
    await lost.leave();
    await joining;
    assert.equal(outcome, 'refused', 'because it left while it was still waiting');
  });

  it('serves the plaintext port on loopback only, to nodes that say who they are', async () => {
    const target = `127.0.0.1:${controlPlane.plaintextXdsPort}`;
    const joined = await client().join();
    const { callMetadata, nodeId } = joined;
    const insecure = credentials.createInsecure();
    const session = { ...joined, target, credentials: insecure, channelOptions: {} };
    const response = await secretsOf(session, nodeId, callMetadata());
    assert.equal(response.resources.length, 2);
    await assert.rejects(
      secretsOf(session, 'default/nobody', callMetadata()),
      /no Workload for node\.id "default\/nobody"/,
    );
  });
});

describe('starting the control plane', () => {
  const options = {
    stateDir: null,
    xds: { address: '127.0.0.1', port: 0 },
    plaintextXdsPort: null,
    rest: { address: '127.0.0.1', port: 0 },
    apiToken: null,
    graceMs: 30_000,
    logLevel: 'off',
  } as const;

  it('fails on wrong documents with every problem and its place', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'remora-cp-'));
    try {
      const file = join(directory, 'mesh.yaml');
      writeFileSync(file, mesh.replaceAll('port: 80', 'port: 0'));
      await assert.rejects(runControlPlane({ ...options, config: directory }), (error: Error) => {
        assert.deepEqual(
          error.message.split('\n').map((line) => line.slice(file.length, file.length + 6)),
          [':10:23', ':15:23'].map((place) => place.slice(0, 6)),
        );
        return true;
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses a REST API that others can reach without a token', async () => {
    await assert.rejects(
      runControlPlane({ ...options, config: '.', rest: { address: '0.0.0.0', port: 0 } }),
      /needs --api-token-file/,
    );
  });
});
