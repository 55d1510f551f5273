import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { decodeMessage } from './any.ts';
import { encodePlain, packAny } from './encode.ts';
import { messageFromJson, messageToJson } from './json.ts';
import { unpooled } from './json-scalar.ts';
import { enumType, type FieldDescriptor, genDir, messageType, type ScalarKind } from './root.ts';
import { validateMessage } from './validate.ts';

// Random plain messages are made from the descriptors themselves, so every kind of field is met.

const types = [
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.data.accesslog.v3.HTTPAccessLogEntry',
] as const;

const text = fc.string({ unit: 'binary', maxLength: 8 }).filter((value) => value.isWellFormed());

function integer(min: bigint, max: bigint): fc.Arbitrary<number | string> {
  const plain = (value: bigint): number | string =>
    Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return fc.bigInt({ min, max }).map(plain);
}

function scalar(kind: ScalarKind): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'string':
      return text;
    case 'bool':
      return fc.boolean();
    case 'bytes':
      return fc.uint8Array({ maxLength: 8 }).map(unpooled);
    case 'double':
      return fc.double({ noNaN: true });
    case 'float':
      return fc.float({ noNaN: true });
    case 'uint32':
    case 'fixed32':
      return integer(0n, 2n ** 32n - 1n);
    case 'uint64':
    case 'fixed64':
      return integer(0n, 2n ** 64n - 1n);
    case 'int64':
    case 'sint64':
    case 'sfixed64':
      return integer(-(2n ** 63n), 2n ** 63n - 1n);
    default:
      return integer(-(2n ** 31n), 2n ** 31n - 1n);
  }
}

const json: fc.Arbitrary<unknown> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => withoutPrototypes(value));

function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, withoutPrototypes(item)]);
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}

const duration = record({
  seconds: fc.nat({ max: 10_000_000 }),
  nanos: fc.nat({ max: 999_999_999 }),
});

function record(
  model: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(model, { noNullPrototype: true });
}

function single(field: FieldDescriptor, depth: number): fc.Arbitrary<unknown> {
  if (field.kind === 'enum') return fc.constantFrom(...enumType(field.typeName).nameOf.values());
  return field.kind === 'message' ? message(field.typeName, depth - 1) : scalar(field.kind);
}

function message(typeName: string, depth: number): fc.Arbitrary<unknown> {
  switch (typeName) {
    case 'google.protobuf.Duration':
    case 'google.protobuf.Timestamp':
      return duration;
    case 'google.protobuf.Value':
      return json;
    case 'google.protobuf.Struct':
      return json.map((value) => Object.assign(Object.create(null), { value }));
    case 'google.protobuf.ListValue':
      return fc.array(json, { maxLength: 3 });
    case 'google.protobuf.FieldMask':
      return fc.constant({ paths: ['node.id', 'dynamic_resources'] });
    case 'google.protobuf.Any':
      return message('envoy.config.core.v3.Address', 3).map((address) =>
        packAny<string>('envoy.config.core.v3.Address', address as Record<string, unknown>),
      );
  }
  const type = messageType(typeName);
  if (typeName.startsWith('google.protobuf.')) {
    return record(Object.fromEntries(type.fields.map((field) => [field.name, single(field, 0)])));
  }
  // A few fields at a time: a deep message with all of them would never end.
  const candidates = type.fields.filter((field) => depth > 0 || field.kind !== 'message');
  return fc
    .subarray(candidates, { maxLength: Math.min(candidates.length, 4) })
    .map((fields) => {
      const oneofs = new Set<string>();
      return fields.filter((field) => {
        if (field.oneof === null) return true;
        const isFirst = !oneofs.has(field.oneof);
        oneofs.add(field.oneof);
        return isFirst;
      });
    })
    .chain((fields) =>
      record(Object.fromEntries(fields.map((field) => [field.name, fieldValue(field, depth)]))),
    )
    .map((plain) => withoutDefaults(typeName, plain));
}

function fieldValue(field: FieldDescriptor, depth: number): fc.Arbitrary<unknown> {
  if (field.mapKey !== null) {
    const key = field.mapKey === 'string' ? text : scalar(field.mapKey).map(String);
    return fc
      .array(fc.tuple(key, single(field, depth)), { maxLength: 3 })
      .map((entries) => Object.assign(Object.create(null), Object.fromEntries(entries)));
  }
  return field.isRepeated ? fc.array(single(field, depth), { maxLength: 3 }) : single(field, depth);
}

// The plain form leaves out what protobuf cannot tell from absent.
function withoutDefaults(typeName: string, plain: Readonly<Record<string, unknown>>): unknown {
  const type = messageType(typeName);
  return Object.fromEntries(
    Object.entries(plain).filter(([name, value]) => {
      const field = type.byName.get(name);
      assert.ok(field !== undefined);
      if (field.mapKey !== null) return Object.keys(value as object).length > 0;
      if (field.isRepeated) return (value as unknown[]).length > 0;
      if (field.hasPresence) return true;
      if (field.kind === 'enum') return enumType(field.typeName).numberOf.get(String(value)) !== 0;
      if (value instanceof Uint8Array) return value.length > 0;
      return !Object.is(value, 0) && value !== '' && value !== false;
    }),
  );
}

/** protobufjs's own reflection over the same bundle: an independent reader of our bytes. */
const oracle = protobuf.Root.fromJSON(
  JSON.parse(readFileSync(new URL('envoy.json', genDir), 'utf8')) as protobuf.INamespace,
);

describe('the plain form', () => {
  for (const typeName of types) {
    it(`survives encoding and decoding: ${typeName}`, () => {
      fc.assert(
        fc.property(message(typeName, 4), (plain) => {
          const decoded = decodeMessage<string>(typeName, encodePlain(typeName, plain));
          assert.ok(decoded.ok);
          assert.deepEqual(decoded.value, { message: plain, warnings: [] });
        }),
        { numRuns: 60 },
      );
    });

    it(`survives JSON: ${typeName}`, () => {
      fc.assert(
        fc.property(message(typeName, 4), (plain) => {
          const document = messageToJson<string>(typeName, plain as Record<string, unknown>);
          const text = JSON.stringify(document);
          const read = messageFromJson<string>(typeName, JSON.parse(text), {
            unknownFields: 'error',
          });
          assert.ok(read.ok, JSON.stringify(read));
          assert.deepEqual(normalZero(read.value.message), normalZero(plain));
        }),
        { numRuns: 60 },
      );
    });

    it(`is read by protobufjs as it was meant: ${typeName}`, () => {
      const type = oracle.lookupType(typeName);
      fc.assert(
        fc.property(message(typeName, 4), (plain) => {
          const ours = encodePlain(typeName, plain);
          const theirs = type.encode(type.decode(ours)).finish();
          const again = decodeMessage<string>(typeName, theirs);
          assert.ok(again.ok);
          assert.deepEqual(again.value.message, plain);
        }),
        { numRuns: 30 },
      );
    });
  }

  it('is never thrown at by random JSON, and validation takes whatever was read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), nearlyJson(), (typeName, value) => {
        const read = messageFromJson<string>(typeName, value, { unknownFields: 'warn' });
        if (read.ok) validateMessage(typeName, read.value.message);
        else for (const { message: error } of read.errors) assert.ok(error.length > 0);
      }),
      { numRuns: 500 },
    );
  });

  it('is never thrown at by random bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.uint8Array({ maxLength: 60 }),
        (typeName, bytes) => {
          const read = decodeMessage<string>(typeName, bytes);
          if (read.ok) {
            encodePlain(typeName, read.value.message);
            validateMessage(typeName, read.value.message);
            messageToJson<string>(typeName, read.value.message);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is never thrown at by valid messages with one byte changed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types).chain((name) => fc.tuple(fc.constant(name), message(name, 3))),
        fc.nat(),
        fc.nat({ max: 255 }),
        ([typeName, plain], position, byte) => {
          const bytes = Uint8Array.from(encodePlain(typeName, plain));
          if (bytes.length > 0) bytes[position % bytes.length] = byte;
          const read = decodeMessage<string>(typeName, bytes);
          if (read.ok) {
            validateMessage(typeName, read.value.message);
            messageToJson<string>(typeName, read.value.message);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

// JSON has no -0 that survives stringify.
function normalZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(normalZero);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, normalZero(item)] as const)
    .filter(([, item]) => !Object.is(item, 0));
  return Object.fromEntries(entries);
}

/** JSON whose keys are mostly names that the API knows. */
function nearlyJson(): fc.Arbitrary<unknown> {
  const key = fc.oneof(
    fc.constantFrom(
      'name',
      'node',
      '@type',
      'type_url',
      'value',
      'clusters',
      'listeners',
      'metadata',
    ),
    fc.constantFrom(
      'static_resources',
      'staticResources',
      'filter_chains',
      'typed_config',
      '__proto__',
    ),
    text,
  );
  const value = fc.oneof(
    fc.constantFrom('type.googleapis.com/xds.type.v3.TypedStruct', '1s', 'x/google.protobuf.Value'),
    fc.jsonValue({ maxDepth: 1 }),
  );
  return fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'medium' },
      value,
      fc.dictionary(key, tie('node'), { maxKeys: 5 }),
      fc.array(tie('node'), { maxLength: 3 }),
    ),
  })).node;
}
