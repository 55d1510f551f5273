// Binary -> plain form, Anys included. Called for every resource that comes over xDS, so the bytes may be
// hostile: nothing here throws, nesting is bounded, work is linear in the bytes. Encoding is encode.ts,
// offered here too because callers mostly want both.

import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs/minimal.js';
import { errorText } from '../common/coded-error.ts';
import { err, type FieldError, joinPath, ok, type Result } from '../common/result.ts';
import type { MessageOf } from './encode.ts';
import { type Decoded, JsonReader, maxDepth } from './json.ts';
import { unpooled } from './json-scalar.ts';
import type { DecodedAny, JsonValue, PlainMessage } from './plain.ts';
import {
  enumType,
  type FieldDescriptor,
  lookupType,
  type MessageDescriptor,
  messageType,
  type ScalarKind,
} from './root.ts';
import { anyContent, isTypedStruct, wrappedField } from './special-types.ts';
import { typeNameOf } from './type-urls.ts';

export { encodeMessage, type MessageOf, packAny } from './encode.ts';

export interface DecodeOptions {
  /**
   * 'keep' leaves Anys as bytes (`message` null), for a discovery response: its resources must not fail
   * together. Default 'decode'.
   */
  readonly anys?: 'decode' | 'keep';
}

type Reader = protobuf.Reader;

/**
 * Decodes a message and, recursively, the Anys in it. Unknown fields are warnings (`path` of the message,
 * field number in the text). Malformed bytes and unknown type names are errors.
 */
export function decodeMessage<Name extends string>(
  typeName: Name,
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Result<Decoded<MessageOf<Name>>, FieldError[]> {
  const type = lookupType(typeName);
  if (type === null) return err([{ path: '', message: `unknown message type ${typeName}` }]);
  const decoder = new Decoder(options.anys !== 'keep');
  const message = decoder.read(type, [bytes], '', 0);
  if (decoder.errors.length > 0) return err(decoder.errors);
  // The decoder builds what gen/types.ts describes: both come from the same descriptors.
  return ok({ message: message as MessageOf<Name>, warnings: decoder.warnings });
}

/** More would only repeat themselves; a peer could send millions of unknown fields. */
const maxWarnings = 100;

class Decoder {
  readonly errors: FieldError[] = [];
  readonly warnings: FieldError[] = [];
  readonly #decodesAnys: boolean;

  constructor(decodesAnys: boolean) {
    this.#decodesAnys = decodesAnys;
  }

  /** `pieces` are merged: protobuf lets a singular message come in several parts. */
  read(
    type: MessageDescriptor,
    pieces: readonly Uint8Array[],
    path: string,
    depth: number,
  ): unknown {
    if (depth > maxDepth) {
      return this.#fail(path, `is nested more than ${maxDepth} levels deep`);
    }
    const message: Record<string, unknown> = {};
    const nested = new Map<FieldDescriptor, Uint8Array[]>();
    for (const piece of pieces) {
      try {
        this.#readFields(type, protobuf.Reader.create(piece), message, nested, path, depth);
      } catch (thrown) {
        return this.#fail(path, `malformed ${type.fullName}: ${errorText(thrown)}`);
      }
    }
    for (const [field, parts] of nested) {
      const value = this.read(
        messageType(field.typeName),
        parts,
        joinPath(path, field.name),
        depth + 1,
      );
      if (value !== undefined) message[field.name] = value;
    }
    return this.#finish(type, message, path, depth);
  }

  #readFields(
    type: MessageDescriptor,
    reader: Reader,
    message: Record<string, unknown>,
    nested: Map<FieldDescriptor, Uint8Array[]>,
    path: string,
    depth: number,
  ): void {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const wireType = tag & 7;
      const number = tag >>> 3;
      const field = type.byNumber.get(number);
      // A known number with a foreign wire type is an unknown field (protobuf encoding guide).
      if (field === undefined || !acceptsWireType(field, wireType)) {
        this.#warnUnknown(type, number, path);
        reader.skipType(wireType, 0, number);
        continue;
      }
      if (field.oneof !== null) clearOneof(type, field, message, nested);
      if (field.mapKey !== null)
        this.#readMapEntry(field, field.mapKey, reader, message, path, depth);
      else if (field.isRepeated) this.#readRepeated(field, wireType, reader, message, path, depth);
      else if (field.kind === 'message') append(nested, field, reader.bytes());
      else setScalar(field, readScalar(field, reader), message);
    }
  }

  #readRepeated(
    field: FieldDescriptor,
    wireType: number,
    reader: Reader,
    message: Record<string, unknown>,
    path: string,
    depth: number,
  ): void {
    const list = listOf(message, field);
    if (field.kind === 'message') {
      const itemPath = joinPath(path, `${field.name}[${list.length}]`);
      list.push(this.read(messageType(field.typeName), [reader.bytes()], itemPath, depth + 1));
    } else if (wireType === 2 && field.kind !== 'string' && field.kind !== 'bytes') {
      const packed = protobuf.Reader.create(reader.bytes());
      while (packed.pos < packed.len) list.push(readScalar(field, packed));
    } else {
      list.push(readScalar(field, reader));
    }
  }

  #readMapEntry(
    field: FieldDescriptor,
    keyKind: ScalarKind,
    reader: Reader,
    message: Record<string, unknown>,
    path: string,
    depth: number,
  ): void {
    const entry = protobuf.Reader.create(reader.bytes());
    let key: unknown = defaultOf(keyKind);
    let value: unknown;
    let content: Uint8Array = Buffer.alloc(0);
    while (entry.pos < entry.len) {
      const tag = entry.uint32();
      if (tag === ((1 << 3) | wireTypeOf(keyKind))) key = readKind(keyKind, entry);
      else if (tag === ((2 << 3) | wireTypeOf(field.kind))) {
        if (field.kind === 'message') content = entry.bytes();
        else value = readScalar(field, entry);
      } else entry.skipType(tag & 7, 0, tag >>> 3);
    }
    const name = String(key);
    if (field.kind === 'message') {
      const itemPath = joinPath(path, `${field.name}[${JSON.stringify(name)}]`);
      value = this.read(messageType(field.typeName), [content], itemPath, depth + 1);
    } else {
      value ??=
        field.kind === 'enum'
          ? (enumType(field.typeName).nameOf.get(0) ?? 0)
          : defaultOf(field.kind);
    }
    mapOf(message, field)[name] = value;
  }

  /** Gives the well-known types their plain form. */
  #finish(
    type: MessageDescriptor,
    message: Record<string, unknown>,
    path: string,
    depth: number,
  ): unknown {
    switch (type.fullName) {
      case 'google.protobuf.Any':
        return this.#decodeAny(message, path, depth);
      case 'google.protobuf.Duration':
      case 'google.protobuf.Timestamp':
        // Seconds beyond 2^53 are no duration that anybody means.
        return { seconds: Number(message['seconds'] ?? 0), nanos: message['nanos'] ?? 0 };
      case 'google.protobuf.Struct':
        return message['fields'] ?? Object.create(null);
      case 'google.protobuf.ListValue':
        return message['values'] ?? [];
      case 'google.protobuf.Value':
        return plainValue(message);
    }
    const inner = wrappedField(type);
    if (inner === null || inner.kind === 'message' || inner.kind === 'enum') return message;
    return { value: message['value'] ?? defaultOf(inner.kind) };
  }

  #decodeAny(
    raw: Readonly<Record<string, unknown>>,
    path: string,
    depth: number,
  ): DecodedAny | undefined {
    const url = typeof raw['type_url'] === 'string' ? raw['type_url'] : '';
    const value = raw['value'] instanceof Uint8Array ? raw['value'] : Buffer.alloc(0);
    const typeName = typeNameOf(url);
    const type = lookupType(typeName);
    const any = { type_url: url, type_name: typeName, message: null, value };
    if (type === null || !this.#decodesAnys) return any;
    const content = this.read(type, [value], path, depth + 1);
    if (content === undefined) return undefined;
    const message = anyContent(typeName, content);
    if (!isTypedStruct(typeName)) return { ...any, message };
    const reader = new JsonReader('warn', this.errors, this.warnings);
    return reader.unwrapTypedStruct(any, message, path, depth + 1);
  }

  #warnUnknown(type: MessageDescriptor, number: number, path: string): void {
    if (this.warnings.length >= maxWarnings) return;
    this.warnings.push({ path, message: `unknown field number ${number} of ${type.fullName}` });
  }

  #fail(path: string, message: string): undefined {
    if (this.errors.length < maxWarnings) this.errors.push({ path, message });
    return undefined;
  }
}

function clearOneof(
  type: MessageDescriptor,
  field: FieldDescriptor,
  message: Record<string, unknown>,
  nested: Map<FieldDescriptor, Uint8Array[]>,
): void {
  for (const member of type.oneofs.get(field.oneof ?? '') ?? []) {
    if (member === field) continue;
    delete message[member.name];
    nested.delete(member);
  }
}

function append(
  nested: Map<FieldDescriptor, Uint8Array[]>,
  field: FieldDescriptor,
  bytes: Uint8Array,
): void {
  const parts = nested.get(field);
  if (parts === undefined) nested.set(field, [bytes]);
  else parts.push(bytes);
}

function setScalar(field: FieldDescriptor, value: unknown, message: Record<string, unknown>): void {
  if (field.hasPresence || !isDefault(field, value)) message[field.name] = value;
  else delete message[field.name]; // the last one wins, also when it is the default
}

function isDefault(field: FieldDescriptor, value: unknown): boolean {
  if (field.kind === 'enum') return value === enumType(field.typeName).nameOf.get(0);
  return (
    Object.is(value, 0) ||
    value === '' ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function listOf(message: Record<string, unknown>, field: FieldDescriptor): unknown[] {
  const present = message[field.name];
  if (Array.isArray(present)) return present;
  const list: unknown[] = [];
  message[field.name] = list;
  return list;
}

function mapOf(message: Record<string, unknown>, field: FieldDescriptor): Record<string, unknown> {
  // Only this function sets a map field.
  const present = message[field.name] as Record<string, unknown> | undefined;
  if (present !== undefined) return present;
  const map: Record<string, unknown> = Object.create(null); // a key may be `__proto__`
  message[field.name] = map;
  return map;
}

function plainValue(message: PlainMessage): JsonValue {
  // protobufjs's own struct.proto has camelCase names.
  for (const kind of ['numberValue', 'stringValue', 'boolValue', 'structValue', 'listValue']) {
    const value = message[kind];
    if (value !== undefined) return value as JsonValue; // decoded from those kinds just now
  }
  return null;
}

function wireTypeOf(kind: FieldDescriptor['kind']): number {
  switch (kind) {
    case 'message':
    case 'string':
    case 'bytes':
      return 2;
    case 'double':
    case 'fixed64':
    case 'sfixed64':
      return 1;
    case 'float':
    case 'fixed32':
    case 'sfixed32':
      return 5;
    default:
      return 0;
  }
}

function acceptsWireType(field: FieldDescriptor, wireType: number): boolean {
  if (field.mapKey !== null) return wireType === 2;
  const own = wireTypeOf(field.kind);
  return wireType === own || (field.isRepeated && wireType === 2);
}

function readScalar(field: FieldDescriptor, reader: Reader): unknown {
  if (field.kind !== 'enum')
    return readKind(field.kind === 'message' ? 'bytes' : field.kind, reader);
  const number = reader.int32();
  return enumType(field.typeName).nameOf.get(number) ?? number;
}

function readKind(kind: ScalarKind, reader: Reader): unknown {
  switch (kind) {
    case 'string': {
      const bytes = reader.bytes();
      if (!isUtf8(bytes)) throw new Error('a string is not valid UTF-8');
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    }
    case 'bytes':
      return unpooled(reader.bytes());
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64': {
      const { low, high, unsigned } = reader[kind]();
      const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      const integer = unsigned ? bits : BigInt.asIntN(64, bits);
      const number = Number(integer);
      return Number.isSafeInteger(number) ? number : String(integer);
    }
    default:
      return reader[kind]();
  }
}

function defaultOf(kind: FieldDescriptor['kind']): unknown {
  if (kind === 'string') return '';
  if (kind === 'bool') return false;
  return kind === 'bytes' ? Buffer.alloc(0) : 0;
}
