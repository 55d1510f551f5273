// Adds the newer fields, messages and enums of proto/overlay/*.proto to the types of the package. A name or
// number that the package already has is an error: then the overlay is out of date. Called by
// load-protos.ts only.

import protobuf from 'protobufjs';

/** Merges one overlay file into `root`, before `root.resolveAll()`. */
export function applyOverlay(root: protobuf.Root, fileName: string, source: string): void {
  const overlay = protobuf.parse(source, new protobuf.Root(), { keepCase: true }).root;
  try {
    mergeNamespace(root, overlay);
  } catch (thrown) {
    throw new Error(`overlay ${fileName}`, { cause: thrown });
  }
}

function mergeNamespace(target: protobuf.NamespaceBase, overlay: protobuf.NamespaceBase): void {
  for (const object of [...overlay.nestedArray]) {
    const present = target.get(object.name);
    if (present instanceof protobuf.Type && object instanceof protobuf.Type) {
      mergeType(present, object);
    } else if (present instanceof protobuf.Namespace && object instanceof protobuf.Namespace) {
      mergeNamespace(present, object);
    } else {
      // Moves it; protobufjs throws when the target has something else of that name.
      overlay.remove(object);
      target.add(object);
    }
  }
}

function mergeType(target: protobuf.Type, overlay: protobuf.Type): void {
  for (const field of overlay.fieldsArray) {
    const { name, id, type } = field;
    // As Field: exactOptionalPropertyTypes dislikes how protobufjs declares MapField.
    const added = (
      field instanceof protobuf.MapField
        ? new protobuf.MapField(name, id, field.keyType, type)
        : new protobuf.Field(name, id, type, field.repeated ? 'repeated' : undefined)
    ) as protobuf.Field;
    target.add(added);
    if (field.partOf !== null) oneofOf(target, field.partOf.name).add(added);
  }
  mergeNamespace(target, overlay);
}

function oneofOf(type: protobuf.Type, name: string): protobuf.OneOf {
  const present = type.oneofs?.[name];
  if (present !== undefined) return present;
  const oneof = new protobuf.OneOf(name);
  type.add(oneof);
  return oneof;
}
