import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import { edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';
import { NodeInspector } from './node-inspector.ts';
import { proxyConfig, proxyConfigDiff } from './proxy-config.ts';

const inspectorOf = ({ cache, tracker }: AdsWorld) => new NodeInspector(cache, [tracker]);

function configOf(world: AdsWorld, kind: string | null = null) {
  const config = proxyConfig(inspectorOf(world), NODE_ID, kind);
  assert.ok(config !== null);
  return config.items;
}

function diffOf(world: AdsWorld): string[] {
  const diff = proxyConfigDiff(inspectorOf(world), NODE_ID);
  assert.ok(diff !== null);
  return diff.items.map(({ type, name, change, fields }) =>
    [type, name, change, ...fields.map(({ path }) => path)].join(' '),
  );
}

describe('what a node is served', () => {
  it('is nothing for a node that nobody knows, and not sent to one that never came', () => {
    const world = new AdsWorld();
    assert.equal(proxyConfig(inspectorOf(world), NODE_ID, null), null);
    assert.equal(proxyConfigDiff(inspectorOf(world), NODE_ID), null);
    world.publish(edsCluster('a'));
    assert.deepEqual(
      configOf(world).map(({ type, name, state }) => [type, name, state]),
      [['CDS', 'a', 'NOT_SENT']],
    );
    assert.deepEqual(diffOf(world), ['CDS a added']);
  });

  it('is told apart from what it has accepted, resource by resource', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), edsCluster('b'), edsCluster('c'));
    const node = world.delta();
    node.request('cluster');
    node.ack(node.take()[0]!);
    assert.deepEqual(diffOf(world), []);
    world.publish(edsCluster('a'), edsCluster('b', 2000), edsCluster('d'));
    const states = () => configOf(world).map(({ name, state }) => `${name} ${state}`);
    assert.deepEqual(states(), ['a SYNCED', 'b STALE', 'c STALE', 'd STALE']);
    assert.deepEqual(diffOf(world), [
      'CDS b changed connect_timeout',
      'CDS c removed',
      'CDS d added',
    ]);
    node.nack(node.take()[0]!, 'no');
    assert.deepEqual(states(), ['a SYNCED', 'b ERROR', 'c ERROR', 'd ERROR']);
  });

  it('shows what it asked for in vain', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    world.delta().request('endpoint', { subscribe: ['nowhere'] });
    assert.deepEqual(
      configOf(world, 'endpoint').map(({ name, state, resource }) => [name, state, resource]),
      [['nowhere', 'NOT_SENT', null]],
    );
    // It never asked for clusters, so it does not lack any.
    assert.deepEqual(diffOf(world), ['EDS nowhere asked']);
  });

  it('shows of secrets names, validity and fingerprint, and nothing else', async () => {
    const world = new AdsWorld();
    const ca = await TestCa.create();
    const uri = 'spiffe://a.test/ns/default/sa/orders';
    const { certificatePem, privateKeyPem } = await ca.issue({ uri: [uri] });
    const inline = (text: string) => ({ inline_string: text });
    world.publish(
      resourceOf('secret', 'default', {
        name: 'default',
        tls_certificate: {
          certificate_chain: inline(certificatePem),
          private_key: inline(privateKeyPem),
        },
      }),
      resourceOf('secret', 'ROOTCA', {
        name: 'ROOTCA',
        validation_context: { trusted_ca: inline(ca.certificatePem) },
      }),
    );
    const items = configOf(world, 'secret');
    const text = JSON.stringify(items);
    assert.doesNotMatch(text, /BEGIN|PRIVATE/);
    assert.match(text, new RegExp(`"subject_alt_names":\\["URI:${uri}"\\]`));
    assert.match(text, /"fingerprint_sha256":"([0-9A-F]{2}:){31}[0-9A-F]{2}"/);
    assert.match(text, /"valid_until":"20/);
    assert.deepEqual(
      items.map(({ resource }) => (resource as { holds: string }).holds),
      ['validation_context', 'tls_certificate'],
    );
  });
});
