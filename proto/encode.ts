// Plain form -> binary. Deterministic: fields in order of their numbers, map keys sorted, defaults left
// out, so equal messages give equal bytes and content hashes are stable. For messages that we made or
// decoded ourselves: a wrong key or type is a bug and throws.

import protobuf from 'protobufjs/minimal.js';
import type { MessageTypes } from './gen/types.ts';
import { type DecodedAny, isRecord, type PlainMessage } from './plain.ts';
import {
  enumType,
  type FieldDescriptor,
  lookupType,
  messageType,
  type ScalarKind,
} from './root.ts';
import { isNoRecord } from './special-types.ts';
import { typeNameOf, typeUrl } from './type-urls.ts';

type Writer = protobuf.Writer;

/** The plain type of a message name: exact for those in gen/types.ts. */
export type MessageOf<Name extends string> = Name extends keyof MessageTypes
  ? MessageTypes[Name]
  : PlainMessage;

/**
 * Encodes a plain message. An Any inside may be a DecodedAny (its `value` wins), `{type_url, value}` or
 * `{'@type': 'type.googleapis.com/...', ...fields}` in plain form. Throws on unknown keys and types.
 */
export function encodeMessage<Name extends string>(
  typeName: Name,
  plain: MessageOf<Name>,
): Uint8Array {
  return encodePlain(typeName, plain);
}

/** encodeMessage for a caller that does not know the type; other rooms want encodeMessage. */
export function encodePlain(typeName: string, plain: unknown): Uint8Array {
  const writer = protobuf.Writer.create();
  writeMessage(writer, typeName, plain);
  return writer.finish();
}

/** An Any of a plain message, encoded now; ready to be put into another plain message. */
export function packAny<Name extends string>(typeName: Name, plain: MessageOf<Name>): DecodedAny {
  return {
    type_url: typeUrl(typeName),
    type_name: typeName,
    message: plain,
    value: encodeMessage(typeName, plain),
  };
}

function writeMessage(writer: Writer, typeName: string, plain: unknown): void {
  switch (typeName) {
    case 'google.protobuf.Any':
      writeAny(writer, plain);
      return;
    case 'google.protobuf.Struct':
      writeStruct(writer, plain);
      return;
    case 'google.protobuf.ListValue':
      writeListValue(writer, plain);
      return;
    case 'google.protobuf.Value':
      writeValue(writer, plain);
      return;
  }
  if (!isRecord(plain)) throw new TypeError(`${typeName}: expected a plain message`);
  const type = messageType(typeName);
  for (const key of Object.keys(plain)) {
    if (type.byName.get(key)?.name !== key) throw new TypeError(`${typeName} has no field ${key}`);
  }
  for (const field of type.fields) {
    const value = plain[field.name];
    if (value === undefined || value === null) continue;
    try {
      writeField(writer, field, value);
    } catch (thrown) {
      throw new TypeError(`${typeName}.${field.name}`, { cause: thrown });
    }
  }
}

function writeField(writer: Writer, field: FieldDescriptor, value: unknown): void {
  if (field.mapKey !== null) {
    writeMap(writer, field, field.mapKey, value);
  } else if (field.isRepeated) {
    if (!Array.isArray(value)) throw new TypeError('expected an array');
    writeRepeated(writer, field, value);
  } else if (field.hasPresence || !isDefault(field, value)) {
    writeSingle(writer, field, field.number, value);
  }
}

function isDefault(field: FieldDescriptor, value: unknown): boolean {
  if (field.kind === 'enum') return enumNumber(field, value) === 0;
  return (
    // -0 is not the default of a double.
    Object.is(value, 0) ||
    value === '' ||
    value === false ||
    value === '0' ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function writeRepeated(writer: Writer, field: FieldDescriptor, values: readonly unknown[]): void {
  const { kind } = field;
  if (kind === 'message' || kind === 'string' || kind === 'bytes') {
    for (const value of values) writeSingle(writer, field, field.number, value);
    return;
  }
  if (values.length === 0) return;
  writer.uint32((field.number << 3) | 2).fork();
  for (const value of values) {
    if (kind === 'enum') writer.int32(enumNumber(field, value));
    else writeScalar(writer, kind, value);
  }
  writer.ldelim();
}

function writeMap(writer: Writer, field: FieldDescriptor, mapKey: ScalarKind, map: unknown): void {
  if (!isRecord(map)) throw new TypeError('expected an object');
  for (const key of Object.keys(map).sort()) {
    writer.uint32((field.number << 3) | 2).fork();
    writeTag(writer, 1, mapKey);
    writeScalar(writer, mapKey, keyOf(mapKey, key));
    writeSingle(writer, field, 2, map[key]);
    writer.ldelim();
  }
}

function keyOf(kind: ScalarKind, key: string): unknown {
  if (kind === 'string') return key;
  return kind === 'bool' ? key === 'true' : kind.endsWith('64') ? key : Number(key);
}

function writeSingle(writer: Writer, field: FieldDescriptor, number: number, value: unknown): void {
  if (field.kind === 'message') {
    writer.uint32((number << 3) | 2).fork();
    writeMessage(writer, field.typeName, value);
    writer.ldelim();
  } else if (field.kind === 'enum') {
    writer.uint32(number << 3).int32(enumNumber(field, value));
  } else {
    writeTag(writer, number, field.kind);
    writeScalar(writer, field.kind, value);
  }
}

function enumNumber(field: FieldDescriptor, value: unknown): number {
  if (typeof value === 'number') return value;
  const number =
    typeof value === 'string' ? enumType(field.typeName).numberOf.get(value) : undefined;
  if (number === undefined) throw new TypeError(`${field.typeName} has no value ${String(value)}`);
  return number;
}

function writeTag(writer: Writer, number: number, kind: ScalarKind): void {
  const wireType =
    kind === 'string' || kind === 'bytes'
      ? 2
      : kind === 'double' || kind === 'fixed64' || kind === 'sfixed64'
        ? 1
        : kind === 'float' || kind === 'fixed32' || kind === 'sfixed32'
          ? 5
          : 0;
  writer.uint32(((number << 3) | wireType) >>> 0);
}

function writeScalar(writer: Writer, kind: ScalarKind, value: unknown): void {
  if (kind === 'string') {
    if (typeof value !== 'string') throw new TypeError(`expected a string, got ${typeof value}`);
    writer.string(value);
  } else if (kind === 'bytes') {
    if (!(value instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${typeof value}`);
    writer.bytes(value);
  } else if (kind === 'bool') {
    if (typeof value !== 'boolean') throw new TypeError(`expected a boolean, got ${typeof value}`);
    writer.bool(value);
  } else if (
    typeof value === 'number' ||
    // A 64-bit integer beyond 2^53 is a decimal string in the plain form.
    (typeof value === 'string' && kind.endsWith('64') && /^-?\d+$/.test(value))
  ) {
    // `kind` is one of the numeric kinds, each of which is the name of a Writer method; the 64-bit ones
    // take decimal strings too.
    writer[kind](value as number);
  } else {
    throw new TypeError(`expected a number, got ${typeof value}`);
  }
}

function writeAny(writer: Writer, any: unknown): void {
  if (!isRecord(any)) throw new TypeError('expected an Any');
  const tagged = any['@type'];
  if (typeof tagged === 'string') {
    const { '@type': _type, ...fields } = any;
    writeAnyParts(writer, tagged, encodeInner(typeNameOf(tagged), fields));
    return;
  }
  const { type_url: url, value, message, type_name: typeName } = any;
  if (typeof url !== 'string') throw new TypeError('an Any needs type_url or @type');
  if (value instanceof Uint8Array && value.length > 0) {
    writeAnyParts(writer, url, value);
  } else {
    // Empty bytes are either an empty message or one not encoded yet (and then no TypedStruct).
    const isInner = isRecord(message) && typeNameOf(url) === typeName;
    writeAnyParts(writer, url, isInner ? encodeInner(typeNameOf(url), message) : new Uint8Array());
  }
}

function encodeInner(typeName: string, plain: PlainMessage): Uint8Array {
  if (lookupType(typeName) === null) throw new TypeError(`unknown type ${typeName} in an Any`);
  return encodePlain(typeName, isNoRecord(typeName) ? plain['value'] : plain);
}

function writeAnyParts(writer: Writer, url: string, value: Uint8Array): void {
  if (url !== '') writer.uint32(10).string(url);
  if (value.length > 0) writer.uint32(18).bytes(value);
}

function writeStruct(writer: Writer, struct: unknown): void {
  if (!isRecord(struct)) throw new TypeError('a Struct must be an object');
  for (const key of Object.keys(struct).sort()) {
    writer.uint32(10).fork().uint32(10).string(key).uint32(18).fork();
    writeValue(writer, struct[key]);
    writer.ldelim().ldelim();
  }
}

function writeListValue(writer: Writer, list: unknown): void {
  if (!Array.isArray(list)) throw new TypeError('a ListValue must be an array');
  for (const item of list) {
    writer.uint32(10).fork();
    writeValue(writer, item);
    writer.ldelim();
  }
}

// google.protobuf.Value: null_value 1, number_value 2, string_value 3, bool_value 4, struct_value 5,
// list_value 6.
function writeValue(writer: Writer, value: unknown): void {
  if (value === null || value === undefined) writer.uint32(8).int32(0);
  else if (typeof value === 'number') writer.uint32(17).double(value);
  else if (typeof value === 'string') writer.uint32(26).string(value);
  else if (typeof value === 'boolean') writer.uint32(32).bool(value);
  else if (Array.isArray(value)) {
    writer.uint32(50).fork();
    writeListValue(writer, value);
    writer.ldelim();
  } else {
    writer.uint32(42).fork();
    writeStruct(writer, value);
    writer.ldelim();
  }
}
