import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { enumType, lookupType, messageType } from '../../proto/root.ts';
import { supportGroups, supportOf } from './support/all.ts';
import { checkSupport } from './support-check.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

describe('the table of supported fields', () => {
  const messages = supportGroups.flatMap((group) => Object.entries(group.messages));

  it('names only messages and fields that exist', () => {
    for (const [typeName, support] of messages) {
      const type = lookupType(typeName);
      assert.ok(type, typeName);
      for (const field of Object.keys(support)) {
        assert.ok(type.byName.get(field)?.name === field, `${typeName}.${field}`);
      }
    }
  });

  it('says what is supported inside of every supported message', () => {
    for (const [typeName, support] of messages) {
      for (const field of Object.keys(support)) {
        const descriptor = messageType(typeName).byName.get(field);
        if (descriptor?.kind !== 'message') continue;
        if (descriptor.typeName.startsWith('google.protobuf.')) continue;
        assert.ok(supportOf(descriptor.typeName), `${descriptor.typeName} of ${typeName}.${field}`);
      }
    }
  });

  it('lists each message once', () => {
    const names = messages.map(([name]) => name);
    assert.equal(new Set(names).size, names.length);
  });

  it('restricts enums to values that they have', () => {
    for (const [typeName, support] of messages) {
      for (const [field, how] of Object.entries(support)) {
        const descriptor = messageType(typeName).byName.get(field);
        if (how === 'yes' || !('only' in how) || descriptor?.kind !== 'enum') continue;
        const known = enumType(descriptor.typeName).numberOf;
        for (const value of how.only) assert.ok(known.has(String(value)), `${field}: ${value}`);
      }
    }
  });
});

describe('checkSupport', () => {
  it('names every field that is set and not supported, also inside lists', () => {
    const errors = checkSupport('envoy.config.bootstrap.v3.Bootstrap', {
      flags_path: '/x',
      static_resources: { clusters: [{ name: 'a' }, { name: 'b', track_cluster_stats: {} }] },
    });
    assert.deepEqual(errors, [
      { path: 'flags_path', message: 'not supported yet' },
      { path: 'static_resources.clusters[1].track_cluster_stats', message: 'not supported yet' },
    ]);
  });

  it('names a value that is not supported', () => {
    assert.deepEqual(checkSupport(CLUSTER, { wait_for_warm_on_init: { value: false } }), [
      { path: 'wait_for_warm_on_init', message: 'not supported yet (false)' },
    ]);
  });

  it('accepts a wrapper that holds the one value we have', () => {
    assert.deepEqual(checkSupport(CLUSTER, { wait_for_warm_on_init: { value: true } }), []);
  });

  it('looks into Anys, with the path of a TypedStruct below its value', () => {
    const message = { common_tls_context: { custom_handshaker: {} } };
    const any = (typeUrl: string) => ({
      type_url: `type.googleapis.com/${typeUrl}`,
      type_name: 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      message,
      value: Buffer.alloc(0),
    });
    const paths = (typeUrl: string) =>
      checkSupport(CLUSTER, { transport_socket: { name: 't', typed_config: any(typeUrl) } }).map(
        ({ path }) => path,
      );
    assert.deepEqual(paths('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'), [
      'transport_socket.typed_config.common_tls_context.custom_handshaker',
    ]);
    assert.deepEqual(paths('xds.type.v3.TypedStruct'), [
      'transport_socket.typed_config.value.common_tls_context.custom_handshaker',
    ]);
  });
});
