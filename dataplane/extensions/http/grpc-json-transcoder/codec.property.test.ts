// JsonWriter and JsonReader against protobufjs, which reads lab.proto itself and has its own ProtoJSON.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protojson from 'protobufjs/ext/protojson.js';
import { labData, labRoot } from '../../../../test/fakes/transcoding/lab.ts';
import { JsonReader } from './json-reader.ts';
import { floatText } from './json-text.ts';
import { JsonWriter } from './json-writer.ts';
import { Schema } from './schema.ts';

const data = labData();
const schema = new Schema(data.messages, data.enums, false);
const all = schema.byName('lab.All')!;
const reader = new JsonReader(schema, false, false);
const writer = new JsonWriter(schema, data.print);
const root = labRoot();
const allType = root.lookupType('lab.All');

const int32 = fc.integer();
const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
// JSON.stringify makes 0 of -0, and protobufjs writes floats with more digits than they have.
const double = fc.double().map((value) => (value === 0 ? 0 : value));
const float = fc.oneof(
  fc.integer({ min: -8000, max: 8000 }).map((value) => value / 8),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const text = fc.string({ unit: 'binary' });
const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const number = fc.constantFrom(-1, 0, 1, 2, 7);
const inner: fc.Arbitrary<object> = fc.letrec((tie) => ({
  inner: fc.record(
    { name: text, id: int64, inner: tie('inner'), tags: fc.array(text, { maxLength: 3 }) },
    { requiredKeys: [] },
  ),
})).inner as fc.Arbitrary<object>;
const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }).map(String);
const nanos = fc.nat({ max: 999_999_999 });
const value: fc.Arbitrary<object> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant({ nullValue: 0 }),
    fc.record({ numberValue: double.filter(Number.isFinite) }),
    fc.record({ stringValue: text }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ listValue: fc.record({ values: fc.array(tie('value'), { maxLength: 3 }) }) }),
    fc.record({
      structValue: fc.record({ fields: fc.dictionary(text, tie('value'), { maxKeys: 3 }) }),
    }),
  ),
})).value as fc.Arbitrary<object>;

/** Plain objects that protobufjs makes messages of. */
const messages = fc.record(
  {
    f_double: double,
    f_float: float,
    f_int32: int32,
    f_int64: int64,
    f_uint32: uint32,
    f_uint64: uint64,
    f_sint32: int32,
    f_sint64: int64,
    f_fixed32: uint32,
    f_fixed64: uint64,
    f_sfixed32: int32,
    f_sfixed64: int64,
    f_bool: fc.boolean(),
    f_string: text,
    f_bytes: bytes,
    f_enum: number,
    f_message: inner,
    r_int32: fc.array(int32, { maxLength: 4 }),
    r_string: fc.array(text, { maxLength: 4 }),
    r_message: fc.array(inner, { maxLength: 3 }),
    r_enum: fc.array(number, { maxLength: 4 }),
    r_int64: fc.array(int64, { maxLength: 4 }),
    m_string: fc.dictionary(text, text, { maxKeys: 3 }),
    m_message: fc.dictionary(int32.map(String), inner, { maxKeys: 3 }),
    c_string: text,
    o_int32: int32,
    o_string: text,
    renamed: text,
    w_timestamp: fc.record({ seconds, nanos }),
    w_duration: fc.record({ seconds: fc.nat({ max: 315_576_000_000 }).map(String), nanos }),
    w_mask: fc.record({ paths: fc.array(fc.constantFrom('a', 'a_b', 'c.d_e'), { maxLength: 3 }) }),
    w_struct: fc.record({ fields: fc.dictionary(text, value, { maxKeys: 3 }) }),
    w_value: value,
    w_list: fc.record({ values: fc.array(value, { maxLength: 3 }) }),
    w_bool: fc.record({ value: fc.boolean() }),
    w_int64: fc.record({ value: int64 }),
    w_string: fc.record({ value: text }),
    w_bytes: fc.record({ value: bytes }),
    w_double: fc.record({ value: double }),
    w_float: fc.record({ value: float }),
    w_uint32: fc.record({ value: uint32 }),
    w_empty: fc.constant({}),
  },
  { requiredKeys: [] },
);

function encode(plain: object): Buffer {
  return Buffer.from(allType.encode(allType.fromObject(plain)).finish());
}

function toJson(message: Buffer): string {
  writer.out.reset();
  assert.equal(writer.write(all, message), true, writer.error);
  return writer.out.take().toString();
}

function toMessage(json: string): Buffer {
  const frame = reader.read(all, Buffer.from(json), [], null);
  assert.notEqual(frame, null, reader.error);
  return frame!.subarray(5);
}

const plainOf = (message: Buffer): object =>
  allType.toObject(allType.decode(message), { longs: String, bytes: String });

test('what protobufjs encodes comes back from JSON as the same message', () => {
  fc.assert(
    fc.property(messages, (plain) => {
      const message = encode(plain);
      const json = toJson(message);
      assert.deepEqual(plainOf(toMessage(json)), plainOf(message));
      // And what it says does not depend on white space or order of fields.
      const reversed = Object.fromEntries(
        Object.entries(JSON.parse(json) as Record<string, unknown>).reverse(),
      );
      const spaced = JSON.stringify(reversed, null, 2);
      assert.deepEqual(plainOf(toMessage(spaced)), plainOf(message));
    }),
    { numRuns: 200 },
  );
});

test('our JSON is the one that protobufjs writes, and it reads ours', () => {
  fc.assert(
    fc.property(messages, (plain) => {
      const message = encode(plain);
      const ours: unknown = JSON.parse(toJson(message));
      const theirs: unknown = protojson.toJson(allType, allType.decode(message));
      assert.deepEqual(ours, JSON.parse(JSON.stringify(theirs)));
      const back = protojson.fromJson(allType, ours);
      assert.deepEqual(plainOf(Buffer.from(allType.encode(back).finish())), plainOf(message));
    }),
    { numRuns: 200 },
  );
});

test('bytes that are no message are an error or a message, never a throw', () => {
  fc.assert(
    fc.property(messages, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))), (plain, changes) => {
      const message = encode(plain);
      for (const [at, byte] of changes) if (message.length > 0) message[at % message.length] = byte;
      writer.out.reset();
      if (writer.write(all, message)) JSON.parse(writer.out.take().toString());
      else assert.notEqual(writer.error, '');
    }),
    { numRuns: 500 },
  );
});

test('text that is no message is an error or a message, never a throw', () => {
  fc.assert(
    fc.property(messages, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))), (plain, changes) => {
      const json = Buffer.from(toJson(encode(plain)));
      for (const [at, byte] of changes) json[at % json.length] = byte;
      const frame = reader.read(all, json, [], null);
      if (frame === null) assert.notEqual(reader.error, '');
      else {
        allType.decode(frame.subarray(5));
        // What we take is JSON.
        JSON.parse(json.toString());
      }
    }),
    { numRuns: 500 },
  );
});

test('fields in any order, and singular ones given twice, make one message', () => {
  fc.assert(
    // But for what JSON cannot say: a key given twice, or a Value that is two things.
    fc.property(messages, messages, (first, both) => {
      const { w_value: _value, m_string: _strings, m_message: _messages, ...second } = both;
      const joined = Buffer.concat([encode(first), encode(second)]);
      assert.deepEqual(plainOf(toMessage(toJson(joined))), plainOf(joined));
    }),
    { numRuns: 200 },
  );
});

test('a float is as short as it can be and reads back as itself', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(Math.fround(Number(floatText(value))), value);
    }),
  );
  assert.equal(floatText(Math.fround(0.1)), '0.1');
  assert.equal(floatText(Math.fround(1 / 3)), '0.33333334');
});
