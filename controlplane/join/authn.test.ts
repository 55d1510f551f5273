import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { pemBlocks } from '../../common/der.ts';
import { silentLogger } from '../../common/logger.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { MemoryState } from '../ca/state-dir.ts';
import { readDocuments } from '../model/documents.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { MeshDocuments } from '../store/mesh-documents.ts';
import { Admission } from './admission.ts';
import { NodeAuthenticator, type PeerCredentials } from './authn.ts';
import { GrpcClients } from './grpc-clients.ts';
import { Registry } from './registry.ts';
import { TokenIssuer } from './tokens.ts';

const service = (name: string, namespace: string) =>
  `apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {ports: [{port: 80}]}\n---\n`;
const workload = (name: string, namespace: string, of: string) =>
  `apiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {service: ${of}, address: "::1", inboundPort: 15006, appPort: 9000}\n---\n`;
const mesh =
  service('orders', 'default') +
  service('orders', 'other') +
  service('cart', 'default') +
  workload('o1', 'default', 'orders') +
  workload('o1', 'other', 'orders') +
  workload('c1', 'default', 'cart');

describe('who an xDS stream is', () => {
  let ca: TestCa;
  let timers: FakeTimers;
  let tokens: TokenIssuer;
  let authenticator: NodeAuthenticator;

  before(async () => {
    ca = await TestCa.create();
  });
  beforeEach(() => {
    timers = new FakeTimers();
    // Certificates of tests are valid around the real now.
    timers.clock.jumpWall(Date.now() - timers.clock.wallMs());
    const { clock } = timers;
    const documents = new MeshDocuments(new MemoryStore());
    const taken = documents.replaceFiles(readDocuments(mesh, 'f').objects, []);
    assert.ok(taken.ok);
    const state = new MemoryState();
    tokens = TokenIssuer.open(state);
    const leases = { graceMs: 1, restoredGraceMs: 1, onChange: () => {} };
    const registry = new Registry({ clock, timers, logger: silentLogger(), state, ...leases });
    authenticator = new NodeAuthenticator({
      tokens,
      admission: new Admission(documents.store, registry),
      grpcClients: new GrpcClients({ onNew: () => {}, onGone: () => {} }),
      rootsPem: ca.certificatePem,
      trustDomain: () => 'a.test',
      clock,
    });
  });

  function tokenOf(name: string, namespace = 'default', ttlS = 3600): string {
    const issuedAt = Math.floor(timers.clock.wallMs() / 1000);
    const claims = { service: name, namespace, ca: 'x', issuedAt, expiresAt: issuedAt + ttlS };
    return `Bearer ${tokens.issue(claims)}`;
  }

  async function certificateOf(uri: string, by = ca): Promise<Uint8Array> {
    const { certificatePem } = await by.issue({ uri: [uri] });
    const [der] = pemBlocks(certificatePem, 'CERTIFICATE');
    assert.ok(der !== undefined);
    return der;
  }
  const orders = 'spiffe://a.test/ns/default/sa/orders';

  function outcome(peer: Partial<PeerCredentials>, id: string): string {
    const node = {
      id,
      userAgent: 'envoy',
      metadata: {},
      locality: { region: '', zone: '', subZone: '' },
    };
    const result = authenticator.authenticate(
      { authorization: undefined, certificate: null, ...peer },
      node,
    );
    if (result.ok) return result.value.nodeId;
    return `${status[result.errors.code]} ${result.errors.details}`;
  }

  it('is the node of its token’s service', () => {
    assert.equal(outcome({ authorization: tokenOf('orders') }, 'default/o1'), 'default/o1');
  });

  it('is nobody without token and certificate', () => {
    assert.match(outcome({}, 'default/o1'), /^UNAUTHENTICATED no token/);
    assert.match(outcome({ authorization: 'Bearer x' }, 'default/o1'), /^UNAUTHENTICATED/);
  });

  it('is not another service’s node, nor one of that name in another namespace, nor a made-up one', () => {
    for (const id of ['default/c1', 'other/o1', 'default/nobody', 'default/o1/x', '']) {
      assert.equal(
        outcome({ authorization: tokenOf('orders') }, id),
        `PERMISSION_DENIED node "${id}" is not a registered instance of orders.default`,
      );
    }
  });

  it('is nobody once its token has expired', () => {
    const authorization = tokenOf('orders', 'default', 60);
    timers.advance(59_000);
    assert.equal(outcome({ authorization }, 'default/o1'), 'default/o1');
    timers.advance(1000);
    assert.match(outcome({ authorization }, 'default/o1'), /^UNAUTHENTICATED the token expired/);
  });

  it('is the node of its certificate’s service, without a token', async () => {
    const certificate = await certificateOf(orders);
    assert.equal(outcome({ certificate }, 'default/o1'), 'default/o1');
    assert.match(outcome({ certificate }, 'other/o1'), /^PERMISSION_DENIED node "other\/o1"/);
    assert.match(outcome({ certificate }, 'default/c1'), /^PERMISSION_DENIED/);
  });

  it('is nobody with a certificate of another CA, an expired one, or one of another trust domain', async () => {
    const foreign = await certificateOf(orders, await TestCa.create());
    assert.match(outcome({ certificate: foreign }, 'default/o1'), /^UNAUTHENTICATED.*not issued/);
    // A good token does not make up for it.
    const authorization = tokenOf('orders');
    assert.match(
      outcome({ certificate: foreign, authorization }, 'default/o1'),
      /^UNAUTHENTICATED/,
    );
    for (const uri of [
      'spiffe://evil.test/ns/default/sa/orders',
      'spiffe://a.test.evil/ns/default/sa/orders',
      'spiffe://a.test/x/ns/default/sa/orders',
      'spiffe://a.test/ns/remora-system/sa/controlplane/x',
    ]) {
      const certificate = await certificateOf(uri);
      assert.match(outcome({ certificate }, 'default/o1'), /^PERMISSION_DENIED.*no service/, uri);
    }
    const certificate = await certificateOf(orders);
    timers.clock.jumpWall(3650 * 86_400_000);
    assert.match(outcome({ certificate }, 'default/o1'), /^UNAUTHENTICATED.*expired/);
  });

  it('is nobody when certificate and token are of different services', async () => {
    const certificate = await certificateOf(orders);
    assert.equal(
      outcome({ certificate, authorization: tokenOf('orders') }, 'default/o1'),
      'default/o1',
    );
    assert.equal(
      outcome({ certificate, authorization: tokenOf('cart') }, 'default/c1'),
      'PERMISSION_DENIED the certificate is of orders.default, the token of cart.default',
    );
  });

  it('is not identified by an id on the plaintext port that no Workload has', () => {
    const identify = (id: string, userAgent = 'envoy') => {
      const result = authenticator.identifyPlaintext({ id, userAgent });
      return result.ok ? result.value : status[result.errors.code];
    };
    assert.equal(identify('default/o1'), 'default/o1');
    assert.equal(identify('default/nobody'), 'NOT_FOUND');
  });

  it('that polls stays in the mesh as long as it does', () => {
    const locality = { region: '', zone: '', subZone: '' };
    const remora = { service: 'orders', inbound_port: 1, outbound_port: 2, app_port: 3 };
    const node = { id: 'default/o9', userAgent: 'envoy', locality, metadata: { remora } };
    const isThere = () => authenticator.identifyPlaintext(node).ok;
    assert.ok(authenticator.authenticatePoll(node).ok);
    for (let i = 0; i < 3; i++) {
      // The lease of these tests is 1 ms, looked at every second.
      timers.advance(999.5);
      assert.ok(authenticator.authenticatePoll(node).ok);
      timers.advance(0.5);
      assert.ok(isThere());
    }
    timers.advance(1000);
    assert.ok(!isThere());
  });

  describe('of a proxyless gRPC program on the plaintext port', () => {
    function plaintext(id: string, remora: object, userAgent = 'gRPC Go/1.76.0'): string {
      const result = authenticator.authenticatePlaintext({
        id,
        userAgent,
        locality: { region: 'eu', zone: '', subZone: '' },
        metadata: { remora },
      });
      if (result.ok) return `${result.value.nodeId}: ${result.value.snapshotKey}`;
      return `${status[result.errors.code]} ${result.errors.details}`;
    }
    const server = { service: 'orders', address: '10.0.0.1', inbound_port: 50051 };
    const certified = { ...server, certificate_provider: 'default' };

    it('needs no Workload to call, and shares what its namespace and place have', () => {
      const own = plaintext('default/web-1', {});
      assert.equal(own, 'default/web-1: grpc default/* eu// any');
      assert.equal(plaintext('default/web-2', {}).replace('web-2', 'web-1'), own);
      assert.match(plaintext('default/web-1', {}, 'gRPC Node Pure JS/1.14.1'), / node$/);
      assert.match(plaintext('web-1', {}), /^NOT_FOUND/);
    });

    it('has its own when it is a Workload, by its own word no sidecar’s', () => {
      assert.equal(plaintext('default/o1', {}), 'default/o1: grpc default/o1 any');
      assert.equal(plaintext('default/o1', {}, 'envoy'), 'default/o1: default/o1');
    });

    it('cannot poll, since nobody would hear when it is gone', () => {
      const locality = { region: '', zone: '', subZone: '' };
      const poll = (userAgent: string) => {
        const node = { id: 'default/o1', userAgent, locality, metadata: {} };
        const result = authenticator.authenticatePoll(node);
        return result.ok ? result.value.nodeId : status[result.errors.code];
      };
      assert.equal(poll('gRPC Go/1.76.0'), 'UNIMPLEMENTED');
      assert.equal(poll('envoy'), 'default/o1');
    });

    it('registers as a server only with certificates', () => {
      assert.match(plaintext('default/o2', server), /^INVALID_ARGUMENT .*has no certificates/);
      assert.equal(plaintext('default/o2', certified), 'default/o2: grpc default/o2 any mtls');
      const unknown = plaintext('default/o3', { ...certified, service: 'nobody' });
      assert.match(unknown, /^NOT_FOUND Service "nobody"/);
    });
  });
});
