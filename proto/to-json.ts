// Plain form -> JSON as Envoy's admin prints it: proto field names, "1.5s" durations, bare wrappers,
// 64-bit integers as strings, {"@type": ...} for an Any. Called by config_dump and `ctl`.

import { constraintsOf } from './constraints.ts';
import type { MessageOf } from './encode.ts';
import { isRecord, type JsonValue, type PlainDuration } from './plain.ts';
import { type FieldDescriptor, lookupType, messageType } from './root.ts';
import { hasBareJson, isNoRecord, isTypedStruct, wrappedField } from './special-types.ts';
import { typeNameOf, typeUrl } from './type-urls.ts';
import { formatDuration, formatTimestamp } from './well-known.ts';

export interface JsonOutputOptions {
  /** Replace what the API marks as sensitive (private keys...), as Envoy does. Default false. */
  readonly redact?: boolean;
}

type JsonObject = { readonly [key: string]: JsonValue };

/** How far redaction goes: not wanted, wanted for marked fields, everything below a marked field. */
type Redaction = 'none' | 'marked' | 'all';

const redactedText = '[redacted]';

/** A plain message as a JSON object. An Any of unknown type shows its bytes as base64. */
export function messageToJson<Name extends string>(
  typeName: Name,
  plain: MessageOf<Name>,
  options: JsonOutputOptions = {},
): JsonObject {
  const json = convert(typeName, plain, options.redact === true ? 'marked' : 'none');
  return isObject(json) ? json : { value: json };
}

function isObject(value: JsonValue): value is JsonObject {
  return isRecord(value);
}

function convert(typeName: string, plain: unknown, redaction: Redaction): JsonValue {
  switch (typeName) {
    case 'google.protobuf.Any':
      return anyToJson(plain, redaction);
    case 'google.protobuf.Duration':
      return formatDuration(plain as PlainDuration); // the plain form of this type
    case 'google.protobuf.Timestamp':
      return formatTimestamp(plain as PlainDuration); // the plain form of this type
    case 'google.protobuf.Struct':
    case 'google.protobuf.Value':
    case 'google.protobuf.ListValue':
      return structToJson(plain as JsonValue, redaction); // the plain form of these types
  }
  if (!isRecord(plain)) return null;
  if (typeName === 'google.protobuf.FieldMask') {
    return Array.isArray(plain['paths']) ? plain['paths'].join(',') : '';
  }
  const type = messageType(typeName);
  const inner = wrappedField(type);
  if (inner !== null) return scalarToJson(inner, plain['value'], redaction) ?? null;
  const sensitive = constraintsOf(typeName)?.sensitive;
  const json: Record<string, JsonValue> = {};
  for (const field of type.fields) {
    const value = plain[field.name];
    if (value === undefined || value === null) continue;
    const below =
      redaction === 'marked' && sensitive?.includes(field.name) === true ? 'all' : redaction;
    const converted = fieldToJson(field, value, below);
    if (converted !== undefined) json[field.name] = converted;
  }
  return json;
}

/** undefined = cleared by redaction. */
function fieldToJson(
  field: FieldDescriptor,
  value: unknown,
  redaction: Redaction,
): JsonValue | undefined {
  if (field.mapKey !== null && isRecord(value)) {
    const map: Record<string, JsonValue> = Object.create(null);
    for (const [key, item] of Object.entries(value)) {
      map[key] = itemToJson(field, item, redaction) ?? null;
    }
    return map;
  }
  if (field.isRepeated && Array.isArray(value)) {
    const list = value.map((item) => itemToJson(field, item, redaction));
    return list.filter((item) => item !== undefined);
  }
  return itemToJson(field, value, redaction);
}

function itemToJson(
  field: FieldDescriptor,
  value: unknown,
  redaction: Redaction,
): JsonValue | undefined {
  return field.kind === 'message'
    ? convert(field.typeName, value, redaction)
    : scalarToJson(field, value, redaction);
}

function scalarToJson(
  field: FieldDescriptor,
  value: unknown,
  redaction: Redaction,
): JsonValue | undefined {
  if (value instanceof Uint8Array) {
    // Envoy replaces the bytes themselves, so that the output is still valid base64.
    return Buffer.from(redaction === 'all' ? redactedText : value).toString('base64');
  }
  if (redaction === 'all')
    return typeof value === 'string' && field.kind === 'string' ? redactedText : undefined;
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (field.kind.endsWith('64') && typeof value === 'number') return String(value);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : null;
}

function structToJson(value: JsonValue, redaction: Redaction): JsonValue {
  if (redaction !== 'all') return value;
  if (Array.isArray(value)) return value.map((item) => structToJson(item, redaction));
  if (isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, structToJson(item, redaction)]),
    );
  }
  return value === null ? null : redactedText;
}

function anyToJson(any: unknown, redaction: Redaction): JsonValue {
  if (!isRecord(any) || typeof any['type_url'] !== 'string') return null;
  const { type_url: url, type_name: typeName, message, value } = any;
  const head = { '@type': url };
  if (typeof typeName !== 'string' || !isRecord(message) || lookupType(typeName) === null) {
    if (!(value instanceof Uint8Array) || value.length === 0) return head;
    const bytes = redaction === 'none' ? value : redactedText; // who knows what is in it
    return { ...head, value: Buffer.from(bytes).toString('base64') };
  }
  const json = convert(typeName, isNoRecord(typeName) ? message['value'] : message, redaction);
  // Read, it is the message inside; made by packAny, it is the TypedStruct itself.
  if (isTypedStruct(typeNameOf(url)) && !isTypedStruct(typeName)) {
    return { ...head, type_url: typeUrl(typeName), value: json };
  }
  return hasBareJson(typeName) || !isObject(json) ? { ...head, value: json } : { ...head, ...json };
}
