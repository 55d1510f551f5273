import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import type { DecodedAny as ApiDecodedAny } from '../dataplane/api/factory.ts';
import { decodeMessage, encodeMessage, packAny } from './any.ts';

const router = 'envoy.extensions.filters.http.router.v3.Router';
const typedConfig = 'envoy.config.core.v3.TypedExtensionConfig';
const cluster = 'envoy.config.cluster.v3.Cluster';

function decoded(typeName: string, bytes: Uint8Array): unknown {
  const result = decodeMessage(typeName, bytes);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value.message;
}

describe('decodeMessage', () => {
  it('warns of unknown fields with their number and the path of their message', () => {
    const inner = protobuf.Writer.create()
      .uint32((99 << 3) | 0)
      .uint32(1)
      .finish();
    const bytes = protobuf.Writer.create()
      .uint32((1 << 3) | 2)
      .string('x')
      .uint32((13 << 3) | 2)
      .bytes(inner)
      .uint32((1000 << 3) | 3) // a group, skipped whole
      .uint32((1 << 3) | 0)
      .uint32(5)
      .uint32((1000 << 3) | 4)
      .finish();
    const result = decodeMessage(cluster, bytes);
    assert.ok(result.ok);
    assert.deepEqual(result.value.warnings, [
      { path: '', message: 'unknown field number 1000 of envoy.config.cluster.v3.Cluster' },
      {
        path: 'http_protocol_options',
        message: 'unknown field number 99 of envoy.config.core.v3.Http1ProtocolOptions',
      },
    ]);
    assert.equal(result.value.message.name, 'x');
  });

  it('bounds the warnings, whatever a peer sends', () => {
    const writer = protobuf.Writer.create();
    for (let index = 0; index < 10_000; index++) writer.uint32((999 << 3) | 0).uint32(index);
    const result = decodeMessage(cluster, writer.finish());
    assert.ok(result.ok);
    assert.equal(result.value.warnings.length, 100);
  });

  it('merges the parts of a singular message and takes the last scalar', () => {
    const first = encodeMessage(cluster, { name: 'a', connect_timeout: { seconds: 1, nanos: 0 } });
    const second = encodeMessage(cluster, { name: 'b', connect_timeout: { seconds: 0, nanos: 5 } });
    assert.deepEqual(decoded(cluster, Buffer.concat([first, second])), {
      name: 'b',
      connect_timeout: { seconds: 1, nanos: 5 },
    });
  });

  it('keeps only the last member of a oneof', () => {
    const source = 'envoy.config.core.v3.DataSource';
    const first = encodeMessage(source, { filename: 'a' });
    const second = encodeMessage(source, { inline_string: 'b' });
    assert.deepEqual(decoded(source, Buffer.concat([first, second])), { inline_string: 'b' });
    const pipe = encodeMessage('envoy.config.core.v3.Address', { pipe: { path: '/p' } });
    const socket = encodeMessage('envoy.config.core.v3.Address', {
      socket_address: { address: 'h', port_value: 0 },
    });
    assert.deepEqual(decoded('envoy.config.core.v3.Address', Buffer.concat([pipe, socket])), {
      socket_address: { address: 'h', port_value: 0 },
    });
  });

  it('says where the bytes are malformed, and never throws', () => {
    const bytes = encodeMessage(cluster, { load_assignment: { cluster_name: 'c' } });
    for (let end = 1; end < bytes.length; end++) {
      const result = decodeMessage(cluster, bytes.subarray(0, end));
      assert.equal(result.ok, false, `cut at ${end}`);
    }
    const bad = Uint8Array.from(bytes);
    bad[bad.length - 1] = 0xff; // the c of cluster_name
    assert.deepEqual(decodeMessage(cluster, bad), {
      ok: false,
      errors: [
        {
          path: 'load_assignment',
          message:
            'malformed envoy.config.endpoint.v3.ClusterLoadAssignment: a string is not valid UTF-8',
        },
      ],
    });
  });

  it('refuses nesting that would exhaust the stack', () => {
    let bytes: Uint8Array = new Uint8Array();
    for (let level = 0; level < 3000; level++) {
      bytes = protobuf.Writer.create()
        .uint32((8 << 3) | 2)
        .bytes(bytes)
        .finish(); // Principal.not_id
    }
    const result = decodeMessage('envoy.config.rbac.v3.Principal', bytes);
    assert.ok(!result.ok);
    assert.match(result.errors[0]?.message ?? '', /is nested more than 100 levels deep/);
  });

  it('decodes Anys where they are met, and leaves unknown types as bytes', () => {
    const unknown = { type_url: 'type.googleapis.com/acme.X', value: Buffer.from('bytes') };
    const bytes = encodeMessage('envoy.service.discovery.v3.DiscoveryResponse', {
      resources: [
        packAny(typedConfig, {
          name: 'r',
          typed_config: packAny(router, { suppress_envoy_headers: true }),
        }),
        { ...unknown, type_name: 'acme.X', message: null },
      ],
    });
    const result = decodeMessage('envoy.service.discovery.v3.DiscoveryResponse', bytes);
    assert.ok(result.ok);
    const [known, other] = result.value.message.resources ?? [];
    assert.deepEqual(known?.message, {
      name: 'r',
      typed_config: packAny(router, { suppress_envoy_headers: true }),
    });
    assert.deepEqual(other, { ...unknown, type_name: 'acme.X', message: null });
  });

  it('keeps Anys as bytes when asked to, so that one bad resource spoils no other', () => {
    const response = 'envoy.service.discovery.v3.DiscoveryResponse';
    const bad = { ...packAny(cluster, {}), value: Buffer.from([0xff]) };
    const good = packAny(cluster, { name: 'a' });
    const bytes = encodeMessage(response, { resources: [bad, good] });
    assert.equal(decodeMessage(response, bytes).ok, false);
    const result = decodeMessage(response, bytes, { anys: 'keep' });
    assert.ok(result.ok);
    assert.deepEqual(result.value.message.resources, [
      { ...bad, message: null },
      { ...good, message: null, value: Buffer.from(good.value) },
    ]);
  });

  it('makes Anys of the shape that dataplane/api promises', () => {
    const any: ApiDecodedAny = packAny(cluster, { name: 'a' });
    assert.equal(any.type_name, cluster);
  });

  it('unwraps a TypedStruct, warning of fields that the inner type lacks', () => {
    const struct = (value: Record<string, unknown>): Uint8Array =>
      encodeMessage(typedConfig, {
        typed_config: packAny<string>('xds.type.v3.TypedStruct', {
          type_url: `x/${router}`,
          value,
        }),
      });
    const result = decodeMessage(
      typedConfig,
      struct({ suppress_envoy_headers: true, new_field: 1 }),
    );
    assert.ok(result.ok);
    assert.equal(result.value.message.typed_config?.type_name, router);
    assert.deepEqual(result.value.message.typed_config?.message, { suppress_envoy_headers: true });
    assert.deepEqual(result.value.warnings, [
      { path: 'typed_config.value.new_field', message: `unknown field of ${router}` },
    ]);
    const wrong = decodeMessage(typedConfig, struct({ suppress_envoy_headers: 'yes' }));
    assert.deepEqual(wrong, {
      ok: false,
      errors: [
        {
          path: 'typed_config.value.suppress_envoy_headers',
          message: 'expected true or false, got the string "yes"',
        },
      ],
    });
  });

  it('keeps enum numbers that it has no name for', () => {
    const bytes = protobuf.Writer.create()
      .uint32((6 << 3) | 0)
      .int32(77)
      .finish(); // lb_policy
    assert.deepEqual(decoded(cluster, bytes), { lb_policy: 77 });
    assert.deepEqual(encodeMessage<string>(cluster, { lb_policy: 77 }), bytes);
  });

  it('gives bytes a memory of their own, so that structured clone copies no more', () => {
    const source = 'envoy.config.core.v3.DataSource';
    const result = decodeMessage(source, encodeMessage(source, { inline_bytes: Buffer.from('k') }));
    assert.ok(result.ok);
    assert.equal(result.value.message.inline_bytes?.buffer.byteLength, 1);
  });
});

describe('encodeMessage', () => {
  it('gives the same bytes for the same content, however it was put together', () => {
    const metadata = 'envoy.config.core.v3.Metadata';
    const a = encodeMessage(metadata, { filter_metadata: { x: { p: 1, q: 2 }, a: {} } });
    const b = encodeMessage(metadata, { filter_metadata: { a: {}, x: { q: 2, p: 1 } } });
    assert.deepEqual(a, b);
  });

  it('takes an Any as {"@type"}, nested too', () => {
    const tagged = encodeMessage<string>(typedConfig, {
      typed_config: {
        '@type': `type.googleapis.com/${typedConfig}`,
        typed_config: { '@type': `type.googleapis.com/${router}`, suppress_envoy_headers: true },
      },
    });
    const packed = encodeMessage(typedConfig, {
      typed_config: packAny(typedConfig, {
        typed_config: packAny(router, { suppress_envoy_headers: true }),
      }),
    });
    assert.deepEqual(tagged, packed);
  });

  it('throws on a misspelt field, with the way to it', () => {
    assert.throws(
      () => encodeMessage<string>(cluster, { load_assignment: { clustername: 'x' } }),
      (thrown: Error) =>
        thrown.message === `${cluster}.load_assignment` &&
        thrown.cause instanceof TypeError &&
        thrown.cause.message.endsWith('has no field clustername'),
    );
  });
});
