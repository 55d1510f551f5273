// XD-15, XD-16 and XD-19: who a client of the control plane's TLS port is, over real sockets. Its token or its certificate
// says so; what it says of itself must fit. For discovery, for load reports and for client status.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { readJoinToken } from '../../dataplane/join/token.ts';
import { checkControlPlaneIdentity, fetchTrustAnchor } from '../../dataplane/join/trust-anchor.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import {
  adsPath,
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
} from '../../proto/discovery.ts';
import type { DataSourceProto } from '../../proto/gen/types.ts';
import { TestCa } from '../fakes/pki.ts';
import { until } from '../fakes/until.ts';
import { TestMesh } from './mesh.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const SECRET_URL = `type.googleapis.com/${SECRET}`;
const LRS = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
const CSDS = '/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus';

const service = (name: string, namespace: string) =>
  `apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {ports: [{port: 80}]}\n---\n`;
const workload = (name: string, namespace: string, of: string) =>
  `apiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {service: ${of}, address: "127.0.0.1", inboundPort: 1, appPort: 2}\n---\n`;
const documents =
  service('orders', 'default') +
  service('orders', 'other') +
  service('cart', 'default') +
  workload('o1', 'default', 'orders') +
  workload('o1', 'other', 'orders') +
  workload('c1', 'default', 'cart');

interface Identity {
  readonly token?: string;
  readonly certificate?: { readonly certificatePem: string; readonly privateKeyPem: string };
}

const nodeBytes = (id: string) => encodeMessage('envoy.config.core.v3.Node', { id });

/** A first request, or a later one that says another node. */
function subscription(nodeId: string, names: readonly string[], responseNonce = ''): Buffer {
  return encodeDeltaDiscoveryRequest({
    node: nodeBytes(nodeId),
    typeUrl: SECRET_URL,
    responseNonce,
    errorDetail: null,
    subscribe: [...names],
    unsubscribe: [],
    initialResourceVersions: new Map(),
  });
}

describe('who a client of the xDS port is', () => {
  let mesh: TestMesh;
  let rootPem: string;
  let ordersToken: string;
  let ordersCertificate: NonNullable<Identity['certificate']>;
  const clients: Client[] = [];

  before(async () => {
    mesh = await TestMesh.start(documents);
    ordersToken = await mesh.api.createToken('orders');
    const token = readJoinToken(ordersToken);
    assert.ok(token.ok);
    rootPem = await fetchTrustAnchor('127.0.0.1', mesh.xdsPort, token.value.caFingerprint);
    ordersCertificate = await certificateOf('default/o1', { token: ordersToken });
  });
  after(async () => {
    for (const client of clients) client.close();
    await mesh.stop();
  });

  /** A bidirectional call; resolves with its messages as they come and its end. */
  function open(path: string, { token, certificate }: Identity) {
    const channel = credentials.createSsl(
      Buffer.from(rootPem),
      certificate === undefined ? null : Buffer.from(certificate.privateKeyPem),
      certificate === undefined ? null : Buffer.from(certificate.certificatePem),
      { checkServerIdentity: checkControlPlaneIdentity },
    );
    // A pool of its own: channels that share a connection would share the certificate.
    const client = new Client(`127.0.0.1:${mesh.xdsPort}`, channel, {
      'grpc.use_local_subchannel_pool': 1,
    });
    clients.push(client);
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    const bytes = (message: Buffer): Buffer => message;
    const call = client.makeBidiStreamRequest(path, bytes, bytes, metadata);
    const messages: Buffer[] = [];
    let end: { code: number; details: string } | null = null;
    call.on('data', (message: Buffer) => messages.push(message));
    call.on('error', () => {}); // its status says the same
    call.on('status', ({ code, details }) => {
      end = { code, details };
    });
    return { call, messages, end: () => end as { code: number; details: string } | null };
  }

  /** `OK` when it was answered, else how the stream ended. */
  async function outcome(path: string, identity: Identity, request: Buffer): Promise<string> {
    const { call, messages, end } = open(path, identity);
    call.write(request);
    await until('an answer comes', () => messages.length > 0 || end() !== null);
    const ended = end();
    call.cancel();
    return ended === null ? 'OK' : `${status[ended.code]} ${ended.details}`;
  }
  const discover = (identity: Identity, nodeId: string) =>
    outcome(adsPath.delta, identity, subscription(nodeId, ['default']));
  const reportLoad = (identity: Identity, id: string) =>
    outcome(
      LRS,
      identity,
      Buffer.from(encodeMessage('envoy.service.load_stats.v3.LoadStatsRequest', { node: { id } })),
    );

  /** What the control plane gives that node over SDS. */
  async function certificateOf(nodeId: string, identity: Identity) {
    const { call, messages } = open(adsPath.delta, identity);
    call.write(subscription(nodeId, ['default']));
    await until('the certificate comes', () => messages.length > 0);
    call.cancel();
    const [resource] = decodeDeltaDiscoveryResponse(messages[0] ?? Buffer.alloc(0)).resources;
    const decoded = decodeMessage(SECRET, resource?.resource?.value ?? Buffer.alloc(0));
    assert.ok(decoded.ok);
    const own = decoded.value.message.tls_certificate;
    const text = (source: DataSourceProto | undefined) =>
      source?.inline_string ?? source?.inline_bytes?.toString() ?? '';
    return { certificatePem: text(own?.certificate_chain), privateKeyPem: text(own?.private_key) };
  }

  it('XD-16: a node of its token’s or its certificate’s service', async () => {
    for (const identity of [
      { token: ordersToken },
      { certificate: ordersCertificate },
      { token: ordersToken, certificate: ordersCertificate },
    ]) {
      assert.equal(await discover(identity, 'default/o1'), 'OK');
      assert.equal(await reportLoad(identity, 'default/o1'), 'OK');
    }
  });

  it('XD-16: not a node of another service or namespace, by discovery or load reports', async () => {
    for (const identity of [{ token: ordersToken }, { certificate: ordersCertificate }]) {
      for (const id of ['default/c1', 'other/o1', 'default/nobody']) {
        const denial = `PERMISSION_DENIED node "${id}" is not a registered instance of orders.default`;
        assert.equal(await discover(identity, id), denial);
        assert.equal(await reportLoad(identity, id), denial);
      }
    }
  });

  it('XD-16: nobody without either, with an expired token, or with somebody else’s certificate', async () => {
    assert.match(await discover({}, 'default/o1'), /^UNAUTHENTICATED no token/);
    const token = await mesh.api.createToken('orders', 'default', 1);
    const expired = async () => discover({ token }, 'default/o1');
    await until('the token expires', async () =>
      /^UNAUTHENTICATED the token exp/.test(await expired()),
    );
    const foreign = await (await TestCa.create()).issue({
      uri: ['spiffe://remora.local/ns/default/sa/orders'],
    });
    // Counts as none.
    assert.match(await discover({ certificate: foreign }, 'default/o1'), /^UNAUTHENTICATED no tok/);
    const cart = await mesh.api.createToken('cart');
    assert.match(
      await discover({ certificate: ordersCertificate, token: cart }, 'default/c1'),
      /^PERMISSION_DENIED the certificate is of orders\.default, the token of cart\.default/,
    );
  });

  it('XD-15: the node of its first request, whatever later ones say', async () => {
    const { call, messages, end } = open(adsPath.delta, { token: ordersToken });
    call.write(subscription('default/o1', ['ROOTCA']));
    await until('the first answer comes', () => messages.length === 1);
    const { nonce } = decodeDeltaDiscoveryResponse(messages[0] ?? Buffer.alloc(0));
    call.write(subscription('default/c1', ['default'], nonce));
    await until('the second answer comes', () => messages.length === 2);
    const answer = decodeDeltaDiscoveryResponse(messages[1] ?? Buffer.alloc(0));
    assert.match(
      Buffer.from(answer.resources[0]?.resource?.value ?? []).toString('latin1'),
      /BEGIN CERTIFICATE/,
    );
    assert.equal(end(), null);
    const { items } = await mesh.api.proxyStatus();
    const connected = items.filter(({ stream }) => stream !== null).map(({ node }) => node);
    assert.deepEqual(connected, ['default/o1']);
    const { items: served } = await mesh.api.proxyConfig('default/o1', 'secret');
    assert.match(JSON.stringify(served), /ns\/default\/sa\/orders/);
    call.cancel();
  });

  it('XD-16: no more a node that documents have made another service’s', async () => {
    const moving = (of: string) => ({
      apiVersion: 'remora.dev/v1',
      kind: 'Workload',
      metadata: { name: 'moving' },
      spec: { service: of, address: '127.0.0.1', inboundPort: 1, appPort: 2 },
    });
    await mesh.api.apply(moving('orders'));
    const { call, messages, end } = open(adsPath.delta, { token: ordersToken });
    call.write(subscription('default/moving', ['default']));
    await until('its certificate comes', () => messages.length === 1);
    await mesh.api.apply(moving('cart'));
    await until('the stream ends', () => end() !== null);
    assert.equal(end()?.code, status.PERMISSION_DENIED);
    assert.equal(messages.length, 1, 'nothing of the other service');
    assert.match(
      await discover({ token: ordersToken }, 'default/moving'),
      /^PERMISSION_DENIED node/,
    );
    call.cancel();
  });

  it('XD-19: without a token for operators, client status answers who is on this machine', async () => {
    // Here everybody is; with an API token see ctl-xds.test.ts.
    assert.equal(await outcome(CSDS, { token: ordersToken }, Buffer.alloc(0)), 'OK');
  });
});
