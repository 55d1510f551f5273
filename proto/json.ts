// JSON or YAML (already parsed) -> plain form, by walking the descriptors. Finds every error, each with its
// path in proto spelling, in words fit for a command line or a NACK. Used for bootstrap files,
// --config-yaml and TypedStruct. Never throws, whatever the value is. The way back is to-json.ts.

import { err, type FieldError, joinPath, ok, type Result } from '../common/result.ts';
import { encodePlain, type MessageOf } from './encode.ts';
import {
  describeJson,
  type Reading,
  readDuration,
  readKind,
  readScalar,
  readString,
  readTimestamp,
  suggest,
} from './json-scalar.ts';
import { type DecodedAny, isRecord, type JsonValue, type PlainMessage } from './plain.ts';
import {
  enumType,
  type FieldDescriptor,
  lookupType,
  type MessageDescriptor,
  messageType,
} from './root.ts';
import { anyContent, hasBareJson, isTypedStruct, wrappedField } from './special-types.ts';
import { typeNameOf } from './type-urls.ts';

export { messageToJson } from './to-json.ts';

/** Nesting of messages, Anys and JSON values; protobuf's own default. */
export const maxDepth = 100;

export interface JsonInputOptions {
  /** 'error' for files (as Envoy does for static config), 'warn' for what a peer sends. */
  readonly unknownFields: 'error' | 'warn';
}

/** A message and what was passed over in it. */
export interface Decoded<Message> {
  readonly message: Message;
  /** Unknown fields. */
  readonly warnings: readonly FieldError[];
}

/**
 * Reads a parsed JSON or YAML document as a message. Accepts proto and lowerCamelCase names, enum names
 * and numbers, null as absent. Unknown types in an Any are no error here: `message` is null.
 */
export function messageFromJson<Name extends string>(
  typeName: Name,
  value: unknown,
  options: JsonInputOptions,
): Result<Decoded<MessageOf<Name>>, FieldError[]> {
  if (lookupType(typeName) === null) {
    return err([{ path: '', message: `unknown message type ${typeName}` }]);
  }
  const reader = new JsonReader(options.unknownFields);
  const message = reader.read(typeName, value, '', 0);
  if (reader.errors.length > 0) return err(reader.errors);
  // The reader builds what gen/types.ts describes: both come from the same descriptors.
  return ok({ message: message as MessageOf<Name>, warnings: reader.warnings });
}

/** A reader that collects into the two lists. any.ts uses it too, for TypedStruct in binary messages. */
export class JsonReader {
  readonly errors: FieldError[];
  readonly warnings: FieldError[];
  readonly #unknownFields: 'error' | 'warn';

  constructor(
    unknownFields: 'error' | 'warn',
    errors: FieldError[] = [],
    warnings: FieldError[] = [],
  ) {
    this.#unknownFields = unknownFields;
    this.errors = errors;
    this.warnings = warnings;
  }

  /** Any message type. Returns undefined after reporting that nothing could be made of the value. */
  read(typeName: string, value: unknown, path: string, depth: number): unknown {
    if (depth > maxDepth) return this.#fail(path, `is nested more than ${maxDepth} levels deep`);
    switch (typeName) {
      case 'google.protobuf.Any':
        return this.#readAny(value, path, depth);
      case 'google.protobuf.Duration':
        return this.#accept(readDuration(value), path);
      case 'google.protobuf.Timestamp':
        return this.#accept(readTimestamp(value), path);
      case 'google.protobuf.Struct':
        return isRecord(value)
          ? this.#readJson(value, path, depth)
          : this.#fail(path, `expected an object, got ${describeJson(value)}`);
      case 'google.protobuf.ListValue':
        return Array.isArray(value)
          ? this.#readJson(value, path, depth)
          : this.#fail(path, `expected an array, got ${describeJson(value)}`);
      case 'google.protobuf.Value':
        return this.#readJson(value, path, depth);
      case 'google.protobuf.FieldMask':
        return this.#readFieldMask(value, path);
    }
    const type = messageType(typeName);
    const inner = wrappedField(type);
    if (inner === null) return this.#readFields(type, value, path, depth);
    const reading = this.#accept(readScalar(inner, value), path);
    return reading === undefined ? undefined : { value: reading };
  }

  #readFields(
    type: MessageDescriptor,
    value: unknown,
    path: string,
    depth: number,
  ): PlainMessage | undefined {
    if (!isRecord(value)) {
      return this.#fail(path, `expected an object (${type.fullName}), got ${describeJson(value)}`);
    }
    const message: Record<string, unknown> = {};
    const given = new Map<FieldDescriptor, string>();
    for (const [key, item] of Object.entries(value)) {
      const field = type.byName.get(key);
      if (field === undefined) {
        this.#unknown(type, key, path);
        continue;
      }
      const twin = given.get(field);
      const fieldPath = joinPath(path, field.name);
      if (twin !== undefined) {
        this.#fail(fieldPath, `is given twice, as ${twin} and as ${key}`);
        continue;
      }
      given.set(field, key);
      if (isAbsent(field, item)) {
        given.delete(field);
        continue;
      }
      const read = this.#readField(field, item, fieldPath, depth);
      if (read !== undefined) message[field.name] = read;
    }
    this.#checkOneofs(type, given, path);
    return message;
  }

  #checkOneofs(
    type: MessageDescriptor,
    given: ReadonlyMap<FieldDescriptor, string>,
    path: string,
  ): void {
    for (const [oneof, members] of type.oneofs) {
      const set = members.filter((member) => given.has(member)).map((member) => member.name);
      if (set.length > 1) {
        this.#fail(path, `only one of ${set.join(', ')} may be set (oneof ${oneof})`);
      }
    }
  }

  #unknown(type: MessageDescriptor, key: string, path: string): void {
    const near = suggest(
      key,
      type.fields.map((field) => field.name),
    );
    const error: FieldError = {
      path: joinPath(path, /^[\w@]+$/.test(key) ? key : `[${JSON.stringify(key.slice(0, 100))}]`),
      message: `unknown field of ${type.fullName}${near === null ? '' : `; did you mean ${near}?`}`,
    };
    (this.#unknownFields === 'error' ? this.errors : this.warnings).push(error);
  }

  /** undefined = absent after all (a default without presence, an empty list) or reported. */
  #readField(field: FieldDescriptor, value: unknown, path: string, depth: number): unknown {
    if (field.mapKey !== null) return this.#readMap(field, value, path, depth);
    if (field.isRepeated) return this.#readList(field, value, path, depth);
    if (field.kind === 'message') return this.read(field.typeName, value, path, depth + 1);
    const read = this.#accept(readScalar(field, value), path);
    return field.hasPresence || !isDefaultValue(field, read) ? read : undefined;
  }

  #readList(field: FieldDescriptor, value: unknown, path: string, depth: number): unknown {
    if (!Array.isArray(value)) {
      return this.#fail(path, `expected an array, got ${describeJson(value)}`);
    }
    const list: unknown[] = [];
    for (const [index, item] of value.entries()) {
      const read = this.#readItem(field, item, joinPath(path, `[${index}]`), depth);
      if (read !== undefined) list.push(read);
    }
    return list.length === 0 ? undefined : list;
  }

  #readMap(field: FieldDescriptor, value: unknown, path: string, depth: number): unknown {
    if (!isRecord(value)) return this.#fail(path, `expected an object, got ${describeJson(value)}`);
    // No prototype: a key may be `__proto__`.
    const map: Record<string, unknown> = Object.create(null);
    let isEmpty = true;
    for (const [key, item] of Object.entries(value)) {
      const itemPath = joinPath(path, `[${JSON.stringify(key)}]`);
      const read = this.#readItem(field, item, itemPath, depth);
      const mapKey = this.#readMapKey(field, key, itemPath);
      if (read === undefined || mapKey === undefined) continue;
      map[mapKey] = read;
      isEmpty = false;
    }
    return isEmpty ? undefined : map;
  }

  #readMapKey(field: FieldDescriptor, key: string, path: string): string | undefined {
    if (field.mapKey === 'bool') {
      return key === 'true' || key === 'false'
        ? key
        : this.#fail(path, 'the key must be true or false');
    }
    const read = this.#accept(readKind(field.mapKey ?? 'string', key), path);
    return read === undefined ? undefined : String(read);
  }

  #readItem(field: FieldDescriptor, item: unknown, path: string, depth: number): unknown {
    if (item === null && field.typeName !== 'google.protobuf.Value') {
      return this.#fail(path, 'must not be null');
    }
    return field.kind === 'message'
      ? this.read(field.typeName, item, path, depth + 1)
      : this.#accept(readScalar(field, item), path);
  }

  #readAny(value: unknown, path: string, depth: number): DecodedAny | undefined {
    if (!isRecord(value)) return this.#fail(path, `expected an object, got ${describeJson(value)}`);
    const { '@type': url, ...fields } = value;
    const typePath = joinPath(path, '@type');
    if (url === undefined) return this.#fail(typePath, 'is required');
    if (typeof url !== 'string') {
      return this.#fail(typePath, `expected a string, got ${describeJson(url)}`);
    }
    if (!url.includes('/')) {
      return this.#fail(typePath, `must be like type.googleapis.com/${url.slice(0, 100)}`);
    }
    const typeName = typeNameOf(url);
    if (lookupType(typeName) === null) {
      return { type_url: url, type_name: typeName, message: null, value: Buffer.alloc(0) };
    }
    const before = this.errors.length;
    const content = hasBareJson(typeName)
      ? this.#readBare(typeName, fields, path, depth + 1)
      : this.read(typeName, fields, path, depth + 1);
    if (content === undefined || this.errors.length > before) return undefined;
    const message = anyContent(typeName, content);
    const any = {
      type_url: url,
      type_name: typeName,
      message,
      value: encodePlain(typeName, content),
    };
    return isTypedStruct(typeName) ? this.unwrapTypedStruct(any, message, path, depth + 1) : any;
  }

  // ProtoJSON: {"@type": ".../google.protobuf.Duration", "value": "1s"}.
  #readBare(typeName: string, fields: PlainMessage, path: string, depth: number): unknown {
    const type = messageType(typeName);
    for (const key of Object.keys(fields)) if (key !== 'value') this.#unknown(type, key, path);
    return this.read(typeName, fields['value'], joinPath(path, 'value'), depth);
  }

  /** Replaces the message of a TypedStruct's Any by what it carries, read through the inner schema. */
  unwrapTypedStruct(
    any: DecodedAny,
    { type_url: url, value }: PlainMessage,
    path: string,
    depth: number,
  ): DecodedAny | undefined {
    const typeName = typeof url === 'string' ? typeNameOf(url) : '';
    if (lookupType(typeName) === null) return { ...any, type_name: typeName, message: null };
    const inner = this.read(typeName, value ?? {}, joinPath(path, 'value'), depth + 1);
    return inner === undefined
      ? undefined
      : { ...any, type_name: typeName, message: anyContent(typeName, inner) };
  }

  #readFieldMask(value: unknown, path: string): PlainMessage | undefined {
    if (typeof value !== 'string') {
      return this.#fail(path, `expected a string such as "a,b.c", got ${describeJson(value)}`);
    }
    if (value === '') return {};
    const toSnake = (text: string): string =>
      text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return { paths: value.split(',').map(toSnake) };
  }

  #readJson(value: unknown, path: string, depth: number): JsonValue | undefined {
    if (depth > maxDepth) return this.#fail(path, `is nested more than ${maxDepth} levels deep`);
    if (value === null || value === undefined) return null;
    if (typeof value === 'bigint') return Number(value);
    if (typeof value === 'string') return this.#accept(readString(value), path);
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    if (Array.isArray(value)) {
      return value.map(
        (item, index) => this.#readJson(item, joinPath(path, `[${index}]`), depth + 1) ?? null,
      );
    }
    if (!isRecord(value)) return this.#fail(path, `expected JSON, got ${describeJson(value)}`);
    const object: Record<string, JsonValue> = Object.create(null);
    for (const [key, item] of Object.entries(value)) {
      object[key] = this.#readJson(item, joinPath(path, key), depth + 1) ?? null;
    }
    return object;
  }

  #accept<T>(reading: Reading<T>, path: string): T | undefined {
    return 'error' in reading ? this.#fail(path, reading.error) : reading.value;
  }

  #fail(path: string, message: string): undefined {
    this.errors.push({ path, message });
    return undefined;
  }
}

// null means absent, save where null is a value.
function isAbsent(field: FieldDescriptor, value: unknown): boolean {
  if (value === undefined) return true;
  return value === null && field.typeName !== 'google.protobuf.Value';
}

function isDefaultValue(field: FieldDescriptor, value: unknown): boolean {
  if (field.kind === 'enum') return enumType(field.typeName).numberOf.get(String(value)) === 0;
  return (
    Object.is(value, 0) ||
    value === '' ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}
