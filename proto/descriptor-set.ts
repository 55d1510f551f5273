// Reads a google.protobuf.FileDescriptorSet, as `protoc --descriptor_set_out` writes it, with the parts of
// it that transcoding needs (google.api.http of methods among them). Called when a config with such a set is
// compiled, in the main thread. The bytes are a user's file: malformed ones are an error, never a throw.

import protobuf from 'protobufjs/minimal.js';
import { err, ok, type Result } from '../common/result.ts';

/** google.api.HttpRule. */
export interface HttpRuleProto {
  readonly get?: string;
  readonly put?: string;
  readonly post?: string;
  readonly delete?: string;
  readonly patch?: string;
  readonly custom?: { readonly kind?: string; readonly path?: string };
  readonly body?: string;
  readonly response_body?: string;
  readonly additional_bindings?: readonly HttpRuleProto[];
}

/** google.protobuf.FeatureSet of editions, as far as it changes bytes or presence. */
export interface FeaturesProto {
  /** 1 EXPLICIT, 2 IMPLICIT, 3 LEGACY_REQUIRED. */
  readonly field_presence?: number;
  /** 2 = DELIMITED, a group on the wire. */
  readonly message_encoding?: number;
}

export interface FieldProto {
  readonly name?: string;
  readonly number?: number;
  /** 3 = repeated. */
  readonly label?: number;
  /** FieldDescriptorProto.Type. */
  readonly type?: number;
  /** With a leading dot. */
  readonly type_name?: string;
  readonly oneof_index?: number;
  readonly json_name?: string;
  readonly proto3_optional?: boolean;
  readonly options?: { readonly features?: FeaturesProto };
}

export interface EnumProto {
  readonly name?: string;
  readonly value?: readonly { readonly name?: string; readonly number?: number }[];
}

export interface MessageProto {
  readonly name?: string;
  readonly field?: readonly FieldProto[];
  readonly nested_type?: readonly MessageProto[];
  readonly enum_type?: readonly EnumProto[];
  readonly oneof_decl?: readonly { readonly name?: string }[];
  readonly options?: { readonly map_entry?: boolean; readonly features?: FeaturesProto };
}

export interface MethodProto {
  readonly name?: string;
  readonly input_type?: string;
  readonly output_type?: string;
  readonly options?: { readonly http?: HttpRuleProto };
  readonly client_streaming?: boolean;
  readonly server_streaming?: boolean;
}

export interface ServiceProto {
  readonly name?: string;
  readonly method?: readonly MethodProto[];
}

export interface FileProto {
  readonly package?: string;
  readonly message_type?: readonly MessageProto[];
  readonly enum_type?: readonly EnumProto[];
  readonly service?: readonly ServiceProto[];
  /** '' = proto2. */
  readonly syntax?: string;
  readonly options?: { readonly features?: FeaturesProto };
}

type Kind = 'string' | 'int32' | 'bool' | Shape;
/** By field number; a third entry means repeated. */
type Shape = { readonly [number: number]: readonly [name: string, kind: Kind, 'repeated'?] };

const features: Shape = { 1: ['field_presence', 'int32'], 5: ['message_encoding', 'int32'] };
const fieldOptions: Shape = { 21: ['features', features] };
const field: Shape = {
  1: ['name', 'string'],
  3: ['number', 'int32'],
  4: ['label', 'int32'],
  5: ['type', 'int32'],
  6: ['type_name', 'string'],
  8: ['options', fieldOptions],
  9: ['oneof_index', 'int32'],
  10: ['json_name', 'string'],
  17: ['proto3_optional', 'bool'],
};
const enumValue: Shape = { 1: ['name', 'string'], 2: ['number', 'int32'] };
const enumType: Shape = { 1: ['name', 'string'], 2: ['value', enumValue, 'repeated'] };
const message: Record<number, Shape[number]> = {
  1: ['name', 'string'],
  2: ['field', field, 'repeated'],
  4: ['enum_type', enumType, 'repeated'],
  7: ['options', { 7: ['map_entry', 'bool'], 12: ['features', features] }],
  8: ['oneof_decl', { 1: ['name', 'string'] }, 'repeated'],
};
message[3] = ['nested_type', message, 'repeated'];
const httpRule: Record<number, Shape[number]> = {
  2: ['get', 'string'],
  3: ['put', 'string'],
  4: ['post', 'string'],
  5: ['delete', 'string'],
  6: ['patch', 'string'],
  7: ['body', 'string'],
  8: ['custom', { 1: ['kind', 'string'], 2: ['path', 'string'] }],
  12: ['response_body', 'string'],
};
httpRule[11] = ['additional_bindings', httpRule, 'repeated'];
const method: Shape = {
  1: ['name', 'string'],
  2: ['input_type', 'string'],
  3: ['output_type', 'string'],
  4: ['options', { 72295728: ['http', httpRule] }],
  5: ['client_streaming', 'bool'],
  6: ['server_streaming', 'bool'],
};
const service: Shape = { 1: ['name', 'string'], 2: ['method', method, 'repeated'] };
const file: Shape = {
  2: ['package', 'string'],
  4: ['message_type', message, 'repeated'],
  5: ['enum_type', enumType, 'repeated'],
  6: ['service', service, 'repeated'],
  8: ['options', { 50: ['features', features] }],
  12: ['syntax', 'string'],
};
const set: Shape = { 1: ['file', file, 'repeated'] };

/** Nested messages deeper than that are no descriptors. */
const MAX_DEPTH = 64;

/** The files of a set, or what is wrong with the bytes. */
export function readDescriptorSet(bytes: Uint8Array): Result<readonly FileProto[], string> {
  const reader = protobuf.Reader.create(bytes);
  try {
    const read = readShape(reader, set, reader.len, 0);
    return ok((read['file'] ?? []) as readonly FileProto[]); // `set` says so
  } catch (thrown) {
    return err(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function readShape(
  reader: protobuf.Reader,
  shape: Shape,
  end: number,
  depth: number,
): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new RangeError('nested too deeply');
  const read: Record<string, unknown> = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    const entry = shape[tag >>> 3];
    const wireType = tag & 7;
    if (entry === undefined || wireType !== wireTypeOf(entry[1])) {
      reader.skipType(wireType);
      continue;
    }
    const [name, kind, repeated] = entry;
    const value = readValue(reader, kind, depth);
    const before = read[name];
    if (repeated === undefined) read[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else read[name] = [value];
  }
  return read;
}

function wireTypeOf(kind: Kind): number {
  return kind === 'int32' || kind === 'bool' ? 0 : 2;
}

function readValue(reader: protobuf.Reader, kind: Kind, depth: number): unknown {
  if (kind === 'int32') return reader.int32();
  if (kind === 'bool') return reader.bool();
  if (kind === 'string') return reader.string();
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('index out of range');
  return readShape(reader, kind, end, depth + 1);
}
