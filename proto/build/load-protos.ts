// Reads the Envoy API's .proto files out of the dev package @grpc/grpc-js-xds (nothing of them is kept in
// git) together with our own stubs/ for the imports that the package lacks and overlay/ for what is newer
// than the package. Called by build.ts only.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { applyOverlay } from './overlay.ts';

const require = createRequire(import.meta.url);
const protoDir = dirname(dirname(fileURLToPath(import.meta.url)));

/** The package's folder and version (the version is part of the stamp). */
export function protoPackage(): { readonly dir: string; readonly version: string } {
  const manifest = require.resolve('@grpc/grpc-js-xds/package.json');
  const { version } = require('@grpc/grpc-js-xds/package.json') as { version: string }; // a manifest has one
  return { dir: dirname(manifest), version };
}

/** Every v3 Envoy file, the xDS types, both TypedStructs and our own messages (overlay/), resolved. */
export function loadProtos(): protobuf.Root {
  const deps = join(protoPackage().dir, 'deps');
  const includeDirs = [
    join(deps, 'envoy-api'),
    join(deps, 'xds'),
    join(deps, 'googleapis'),
    join(deps, 'protoc-gen-validate'),
    join(protoDir, 'stubs'),
    dirname(require.resolve('protobufjs/package.json')),
  ];
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => {
    for (const dir of includeDirs) {
      const path = join(dir, target);
      if (existsSync(path)) return path;
    }
    if (protobuf.common.get(target) !== null) return target; // protobufjs carries the well-known types
    throw new Error(`${origin} imports ${target}, which is in none of the include folders`);
  };
  const files = [
    ...globSync('envoy/**/v3/*.proto', { cwd: join(deps, 'envoy-api') }),
    ...globSync('xds/{core,type}/**/*.proto', { cwd: join(deps, 'xds') }),
    'udpa/type/v1/typed_struct.proto',
    ...['any', 'duration', 'empty', 'field_mask', 'struct', 'timestamp', 'wrappers'].map(
      (name) => `google/protobuf/${name}.proto`,
    ),
  ].sort();
  root.loadSync(files, { keepCase: true });
  const overlayDir = join(protoDir, 'overlay');
  for (const name of globSync('*.proto', { cwd: overlayDir }).sort()) {
    applyOverlay(root, name, readFileSync(join(overlayDir, name), 'utf8'));
  }
  resolveFields(root);
  return root;
}

// Not root.resolveAll(): that passes over types it has resolved before, and loadSync did so before the
// overlay's fields came.
function resolveFields(namespace: protobuf.NamespaceBase): void {
  for (const object of namespace.nestedArray) {
    if (object instanceof protobuf.Type) for (const field of object.fieldsArray) field.resolve();
    if (object instanceof protobuf.Service)
      for (const method of object.methodsArray) method.resolve();
    if (object instanceof protobuf.Namespace) resolveFields(object);
  }
}

const annotationPackage = /^(envoy|udpa|xds)\.annotations(\.|$)|^validate(\.|$)/;

/** All messages and enums that the product can meet: those of the API and whatever they refer to. */
export function reachableTypes(root: protobuf.Root): ReadonlySet<protobuf.Type | protobuf.Enum> {
  const reached = new Set<protobuf.Type | protobuf.Enum>();
  const visit = (type: protobuf.Type | protobuf.Enum): void => {
    if (reached.has(type)) return;
    reached.add(type);
    if (!(type instanceof protobuf.Type)) return;
    for (const field of type.fieldsArray) {
      if (field.resolvedType !== null) visit(field.resolvedType);
    }
  };
  const visitNamespace = (namespace: protobuf.NamespaceBase): void => {
    for (const object of namespace.nestedArray) {
      const name = fullName(object);
      if (annotationPackage.test(name)) continue;
      const isOurs =
        /^(envoy|xds|udpa|remora)\./.test(name) ||
        (isWellKnown(name) && !(object instanceof protobuf.Enum));
      if (isOurs && (object instanceof protobuf.Type || object instanceof protobuf.Enum))
        visit(object);
      if (object instanceof protobuf.Namespace) visitNamespace(object);
    }
  };
  visitNamespace(root);
  return reached;
}

function isWellKnown(name: string): boolean {
  return /^google\.protobuf\.(Any|Duration|Empty|FieldMask|Struct|Timestamp|\w+Value)$/.test(name);
}

/** Full name without protobufjs's leading dot. */
export function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.slice(1);
}
