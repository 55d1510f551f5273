// Writes the descriptors as one protobufjs JSON bundle without comments and options, with absolute type
// names (`.envoy.config.core.v3.Address`), so that proto/root.ts can read any single message of it
// without resolving the rest. Called by build.ts only.

import protobuf from 'protobufjs';
import { fullName } from './load-protos.ts';

interface BundleNode {
  [key: string]: unknown;
  nested?: Record<string, BundleNode>;
}

/** `{nested: {envoy: {nested: ...}}}`; readable by protobufjs Root.fromJSON as well. */
export function makeBundle(
  root: protobuf.Root,
  types: ReadonlySet<protobuf.Type | protobuf.Enum>,
): BundleNode {
  const bundle: BundleNode = {};
  for (const type of [...types].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))) {
    Object.assign(
      nodeAt(bundle, fullName(type)),
      type instanceof protobuf.Type ? messageNode(type) : { values: { ...type.values } },
    );
  }
  addServices(bundle, root);
  return bundle;
}

function nodeAt(bundle: BundleNode, name: string): BundleNode {
  let node = bundle;
  for (const part of name.split('.')) {
    node.nested ??= {};
    node.nested[part] ??= {};
    node = node.nested[part];
  }
  return node;
}

function messageNode(type: protobuf.Type): BundleNode {
  const fields: Record<string, unknown> = {};
  for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
    fields[field.name] = {
      ...(field.repeated ? { rule: 'repeated' } : {}),
      ...(field instanceof protobuf.MapField ? { keyType: field.keyType } : {}),
      type: typeText(field),
      id: field.id,
      ...(field.options?.['proto3_optional'] === true
        ? { options: { proto3_optional: true } }
        : {}),
    };
  }
  const oneofs = Object.fromEntries(
    type.oneofsArray.map((oneof) => [oneof.name, { oneof: [...oneof.oneof] }]),
  );
  return type.oneofsArray.length === 0 ? { fields } : { oneofs, fields };
}

function typeText(field: protobuf.Field): string {
  if (field.resolvedType !== null) return field.resolvedType.fullName;
  if (field.type in protobuf.types.basic) return field.type;
  throw new Error(`${field.fullName} was not resolved`);
}

function addServices(bundle: BundleNode, namespace: protobuf.NamespaceBase): void {
  for (const object of namespace.nestedArray) {
    if (object instanceof protobuf.Service && fullName(object).startsWith('envoy.service.')) {
      const methods = Object.fromEntries(
        object.methodsArray.map((method) => [
          method.name,
          {
            requestType: method.resolvedRequestType?.fullName ?? method.requestType,
            responseType: method.resolvedResponseType?.fullName ?? method.responseType,
            ...(method.requestStream === true ? { requestStream: true } : {}),
            ...(method.responseStream === true ? { responseStream: true } : {}),
          },
        ]),
      );
      Object.assign(nodeAt(bundle, fullName(object)), { methods });
    } else if (object instanceof protobuf.Namespace) {
      addServices(bundle, object);
    }
  }
}
