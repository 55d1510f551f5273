// Extracts what the Envoy API says about its fields in options - PGV rules, required oneofs, sensitive and
// deprecated fields - into a small JSON. Done at build time because a JSON bundle loses parsed options.
// Called by build.ts only; read by proto/validate.ts and proto/to-json.ts.

import protobuf from 'protobufjs';
import { fullName } from './load-protos.ts';

type Options = Readonly<Record<string, unknown>>;

interface TypeConstraints {
  /** PGV FieldRules by field name, in PGV's own spelling. Durations are {seconds, nanos}. */
  fields?: Record<string, unknown>;
  /** Oneofs of which one member must be set. */
  requiredOneofs?: string[];
  sensitive?: string[];
  deprecated?: string[];
}

/** Fields whose rules Envoy 1.40 does not have any more. */
const dropped: ReadonlySet<string> = new Set([
  'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.trust_domains',
]);

/** By full message name; messages without any are left out. */
export function extractConstraints(
  types: ReadonlySet<protobuf.Type | protobuf.Enum>,
): Record<string, TypeConstraints> {
  const result: Record<string, TypeConstraints> = {};
  for (const type of [...types].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))) {
    if (!(type instanceof protobuf.Type)) continue;
    const constraints = constraintsOf(type);
    if (Object.keys(constraints).length > 0) result[fullName(type)] = constraints;
  }
  return result;
}

function constraintsOf(type: protobuf.Type): TypeConstraints {
  const constraints: TypeConstraints = {};
  for (const field of type.fieldsArray) {
    const options = optionsOf(field);
    const rules = merged(options, '(validate.rules)');
    if (rules !== null && !dropped.has(`${fullName(type)}.${field.name}`)) {
      constraints.fields ??= {};
      constraints.fields[field.name] = rules;
    }
    if (options.some((option) => option['(udpa.annotations.sensitive)'] === true)) {
      constraints.sensitive ??= [];
      constraints.sensitive.push(field.name);
    }
    if (options.some((option) => option['deprecated'] === true)) {
      constraints.deprecated ??= [];
      constraints.deprecated.push(field.name);
    }
  }
  for (const oneof of type.oneofsArray) {
    if (optionsOf(oneof).some((option) => option['(validate.required)'] === true)) {
      constraints.requiredOneofs ??= [];
      constraints.requiredOneofs.push(oneof.name);
    }
  }
  return constraints;
}

/** protobufjs keeps one entry per option statement, nested as it was written. */
function optionsOf(object: protobuf.ReflectionObject): readonly Options[] {
  const parsed: unknown = object.parsedOptions;
  return Array.isArray(parsed) ? parsed : [];
}

/** Two statements about one field (`.string.min_len`, `.string.max_len`) say one thing together. */
function merged(options: readonly Options[], name: string): Options | null {
  let result: Options | null = null;
  for (const option of options) {
    const value = option[name];
    if (isObject(value)) result = result === null ? value : merge(result, value);
  }
  return result;
}

function merge(a: Options, b: Options): Options {
  const result: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const present = result[key];
    result[key] = isObject(present) && isObject(value) ? merge(present, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
