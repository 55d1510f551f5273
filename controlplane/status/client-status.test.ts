import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { ClientStatusRequestProto } from '../../proto/gen/types.ts';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';
import { clientStatus, clientStatusJson } from './client-status.ts';
import { NodeInspector } from './node-inspector.ts';

const inspectorOf = ({ cache, tracker }: AdsWorld) => new NodeInspector(cache, [tracker]);

function statusOf(world: AdsWorld, request: ClientStatusRequestProto = {}) {
  const status = clientStatus(inspectorOf(world), request);
  assert.ok(status.ok);
  return status.value.config ?? [];
}

const gist = (world: AdsWorld) =>
  (statusOf(world)[0]?.generic_xds_configs ?? []).map(
    ({ name, config_status, client_status }) => `${name} ${config_status} ${client_status}`,
  );

describe('client status (CSDS)', () => {
  it('says of each resource what the node made of it', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), edsCluster('b'));
    const node = world.delta();
    assert.deepEqual(statusOf(world), []);
    node.request('cluster');
    assert.deepEqual(gist(world), ['a STALE REQUESTED', 'b STALE REQUESTED']);
    node.ack(node.take()[0]!);
    assert.deepEqual(gist(world), ['a SYNCED ACKED', 'b SYNCED ACKED']);
    world.publish(edsCluster('a'), edsCluster('b', 2000));
    assert.deepEqual(gist(world), ['a SYNCED ACKED', 'b STALE ACKED']);
    node.nack(node.take()[0]!, 'b: no');
    assert.deepEqual(gist(world), ['a SYNCED ACKED', 'b ERROR NACKED']);
    const [config] = statusOf(world);
    assert.deepEqual(config?.node, { id: NODE_ID, user_agent_name: 'envoy' });
    const [a, b] = config.generic_xds_configs ?? [];
    assert.equal(a?.error_state, undefined);
    assert.equal(b?.error_state?.details, 'b: no');
    assert.equal(b.type_url, 'type.googleapis.com/envoy.config.cluster.v3.Cluster');
    assert.equal(b.version_info, world.cache.get(NODE_ID)?.set('cluster').get('b')?.version);
    assert.equal(b.xds_config?.type_url, b.type_url);
    node.request('endpoint', { subscribe: ['nowhere'] });
    assert.equal(gist(world).at(-1), 'nowhere NOT_SENT DOES_NOT_EXIST');
  });

  it('goes over the wire and back, with and without contents', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    const node = world.sotw();
    node.request('cluster');
    node.ack(node.take()[0]!);
    const status = clientStatus(inspectorOf(world), {});
    assert.ok(status.ok);
    const name = 'envoy.service.status.v3.ClientStatusResponse';
    const decoded = decodeMessage(name, encodeMessage(name, status.value));
    assert.ok(decoded.ok);
    const [generic] = decoded.value.message.config?.[0]?.generic_xds_configs ?? [];
    const cluster = generic?.xds_config?.message as { name?: string } | null | undefined;
    assert.equal(cluster?.name, 'a');
    const [bare] = statusOf(world, { exclude_resource_contents: true });
    assert.equal(bare?.generic_xds_configs?.[0]?.xds_config, undefined);
  });

  it('never holds a private key', () => {
    const world = new AdsWorld();
    const inline = (text: string) => ({ inline_string: text });
    world.publish(
      resourceOf('secret', 'default', {
        name: 'default',
        tls_certificate: { certificate_chain: inline('CHAIN'), private_key: inline('TOP-KEY') },
      }),
    );
    const node = world.delta();
    node.request('secret', { subscribe: ['default'] });
    const status = clientStatus(inspectorOf(world), {});
    assert.ok(status.ok);
    const name = 'envoy.service.status.v3.ClientStatusResponse';
    const bytes = Buffer.from(encodeMessage(name, status.value)).toString('latin1');
    assert.match(bytes, /CHAIN/);
    assert.doesNotMatch(bytes, /TOP-KEY/);
    const json = clientStatusJson(inspectorOf(world), {});
    assert.ok(json.ok);
    assert.doesNotMatch(JSON.stringify(json.value), /TOP-KEY/);
  });

  it('shows the nodes that one of the matchers names, and refuses matchers that it does not know', () => {
    const world = new AdsWorld();
    world.delta().request('cluster');
    const count = (node_id: object) => statusOf(world, { node_matchers: [{ node_id }] }).length;
    assert.equal(count({ exact: NODE_ID }), 1);
    assert.equal(count({ exact: NODE_ID.toUpperCase() }), 0);
    assert.equal(count({ exact: NODE_ID.toUpperCase(), ignore_case: true }), 1);
    assert.equal(count({ prefix: 'n' }), 1);
    assert.equal(count({ suffix: 'x' }), 0);
    assert.equal(count({ contains: '1' }), 1);
    const two = [{ node_id: { exact: 'nobody' } }, { node_id: { exact: NODE_ID } }];
    assert.equal(statusOf(world, { node_matchers: two }).length, 1);
    for (const matcher of [{ node_id: { safe_regex: { regex: '.' } } }, { node_metadatas: [{}] }]) {
      const refused = clientStatus(inspectorOf(world), { node_matchers: [matcher] });
      assert.ok(!refused.ok && refused.errors.kind === 'invalid');
      assert.match(refused.errors.message, /^node_matchers\[0\]\.node_/);
    }
  });

  it('takes Envoy’s JSON and names what is wrong with it', () => {
    const world = new AdsWorld();
    const wrong = clientStatusJson(inspectorOf(world), { node_matcher: [] });
    assert.ok(!wrong.ok);
    assert.match(wrong.errors.message, /node_matcher/);
  });

  it('is not made of more resources than its limit', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), edsCluster('b'), edsCluster('c'));
    world.delta().request('cluster');
    assert.ok(clientStatus(inspectorOf(world), {}, { resources: 3 }).ok);
    const refused = clientStatus(inspectorOf(world), {}, { resources: 2 });
    assert.ok(!refused.ok && refused.errors.kind === 'too-large');
  });
});
