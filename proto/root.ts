// Descriptors of the Envoy API, by full message name. The bundle is read once, when first asked for; a
// message's descriptor is built when first looked up. We read the protobufjs JSON ourselves because
// protobuf.Root.fromJSON builds all 1,264 types and takes 30 MB and 110 ms more (measured, Node 24).
// Main thread only: workers get plain messages.

import { readFileSync } from 'node:fs';

export type ScalarKind =
  | 'double'
  | 'float'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'fixed32'
  | 'sfixed32'
  | 'int64'
  | 'uint64'
  | 'sint64'
  | 'fixed64'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes';

export interface FieldDescriptor {
  /** Proto spelling. */
  readonly name: string;
  /** lowerCamelCase, as ProtoJSON writes it. */
  readonly jsonName: string;
  readonly number: number;
  readonly kind: ScalarKind | 'enum' | 'message';
  /** Full name of the enum or message; '' for scalars. */
  readonly typeName: string;
  readonly isRepeated: boolean;
  /** Kind of a map's keys; null when the field is no map. `kind` is that of the values. */
  readonly mapKey: ScalarKind | null;
  /** Name of the oneof, null without (proto3 optional has none). */
  readonly oneof: string | null;
  /** Whether "set to the default" differs from "absent". */
  readonly hasPresence: boolean;
}

export interface MessageDescriptor {
  /** Without leading dot: `envoy.config.cluster.v3.Cluster`. */
  readonly fullName: string;
  /** In order of field numbers. */
  readonly fields: readonly FieldDescriptor[];
  /** By proto name and by JSON name. */
  readonly byName: ReadonlyMap<string, FieldDescriptor>;
  readonly byNumber: ReadonlyMap<number, FieldDescriptor>;
  /** Members of each oneof. */
  readonly oneofs: ReadonlyMap<string, readonly FieldDescriptor[]>;
}

export interface EnumDescriptor {
  readonly fullName: string;
  readonly numberOf: ReadonlyMap<string, number>;
  /** The first name of an aliased number. */
  readonly nameOf: ReadonlyMap<number, string>;
}

// The parts of protobufjs's JSON that proto/build/bundle.ts writes.
interface FieldNode {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: ScalarKind;
  readonly options?: { readonly proto3_optional: true };
}
interface BundleNode {
  readonly nested?: Readonly<Record<string, BundleNode>>;
  readonly fields?: Readonly<Record<string, FieldNode>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
}

/** Built by `npm run proto`; the same relative place in the sources and in dist/. */
export const genDir: URL = new URL('gen/', import.meta.url);

let bundle: BundleNode | null = null;
const messages = new Map<string, MessageDescriptor | null>();
const enums = new Map<string, EnumDescriptor>();

function readBundle(): BundleNode {
  const text = readFileSync(new URL('envoy.json', genDir), 'utf8');
  return JSON.parse(text) as BundleNode; // our own build's output
}

/** The descriptor of a message, or null when the API that we know has none of that name. */
export function lookupType(fullName: string): MessageDescriptor | null {
  const known = messages.get(fullName);
  if (known !== undefined) return known;
  const node = nodeAt(fullName);
  if (node?.fields === undefined) return null; // not cached: names come from peers
  const message = makeMessage(fullName, node, node.fields);
  messages.set(fullName, message);
  return message;
}

/** The descriptor of a type that another descriptor refers to: it must exist. */
export function messageType(fullName: string): MessageDescriptor {
  const message = lookupType(fullName);
  if (message === null) throw new Error(`no descriptor of message ${fullName}`);
  return message;
}

/** The enum that a field descriptor refers to. */
export function enumType(fullName: string): EnumDescriptor {
  let descriptor = enums.get(fullName);
  if (descriptor === undefined) {
    const values = nodeAt(fullName)?.values;
    if (values === undefined) throw new Error(`no descriptor of enum ${fullName}`);
    const numberOf = new Map(Object.entries(values));
    const nameOf = new Map<number, string>();
    for (const [name, number] of numberOf) if (!nameOf.has(number)) nameOf.set(number, name);
    descriptor = { fullName, numberOf, nameOf };
    enums.set(fullName, descriptor);
  }
  return descriptor;
}

function nodeAt(fullName: string): BundleNode | undefined {
  bundle ??= readBundle();
  let node: BundleNode | undefined = bundle;
  for (const part of fullName.split('.')) {
    const children: Readonly<Record<string, BundleNode>> | undefined = node.nested;
    // hasOwn: a peer may ask for `__proto__` or `constructor`.
    if (children === undefined || !Object.hasOwn(children, part)) return undefined;
    node = children[part];
    if (node === undefined) return undefined;
  }
  return node;
}

function makeMessage(
  fullName: string,
  node: BundleNode,
  fieldNodes: Readonly<Record<string, FieldNode>>,
): MessageDescriptor {
  const oneofOf = new Map<string, string>();
  for (const [oneof, { oneof: members }] of Object.entries(node.oneofs ?? {})) {
    for (const member of members) oneofOf.set(member, oneof);
  }
  const fields = Object.entries(fieldNodes).map(([name, field]) =>
    makeField(name, field, oneofOf.get(name) ?? null),
  );
  const byName = new Map<string, FieldDescriptor>();
  const byNumber = new Map<number, FieldDescriptor>();
  const oneofs = new Map<string, FieldDescriptor[]>();
  for (const field of fields) {
    byName.set(field.jsonName, field);
    byNumber.set(field.number, field);
    if (field.oneof === null) continue;
    const members = oneofs.get(field.oneof);
    if (members === undefined) oneofs.set(field.oneof, [field]);
    else members.push(field);
  }
  for (const field of fields) byName.set(field.name, field);
  return { fullName, fields, byName, byNumber, oneofs };
}

const scalarKinds: ReadonlySet<string> = new Set<ScalarKind>([
  ...(['double', 'float', 'bool', 'string', 'bytes'] as const),
  ...(['int32', 'uint32', 'sint32', 'fixed32', 'sfixed32'] as const),
  ...(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'] as const),
]);

function isScalarKind(type: string): type is ScalarKind {
  return scalarKinds.has(type);
}

function makeField(name: string, node: FieldNode, oneof: string | null): FieldDescriptor {
  const isOptional = node.options?.proto3_optional === true;
  const mapKey = node.keyType ?? null;
  const isRepeated = node.rule === 'repeated';
  const typeName = isScalarKind(node.type) ? '' : node.type.slice(1);
  const kind = isScalarKind(node.type)
    ? node.type
    : nodeAt(typeName)?.values === undefined
      ? 'message'
      : 'enum';
  return {
    name,
    jsonName: name.replace(/_+(.)/g, (_match, letter: string) => letter.toUpperCase()),
    number: node.id,
    kind,
    typeName,
    isRepeated,
    mapKey,
    oneof: isOptional ? null : oneof,
    hasPresence:
      mapKey === null && !isRepeated && (kind === 'message' || isOptional || oneof !== null),
  };
}
