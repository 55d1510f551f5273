// Compiling config in tests: YAML text in, compiled data or errors out, with the real extensions and a
// file system that is a map.

import { parse } from 'yaml';
import { err, type FieldError, formatFieldError, ok, type Result } from '../../common/result.ts';
import type { BootstrapConfig } from '../../dataplane/api/config/bootstrap.ts';
import {
  type CompiledResource,
  type ResourceKind,
  typeUrlOf,
} from '../../dataplane/api/resource-compiler.ts';
import { loadBootstrap } from '../../dataplane/config/load-bootstrap.ts';
import { FactoryRegistry } from '../../dataplane/config/registry.ts';
import {
  type ConfigInputs,
  createResourceCompiler,
} from '../../dataplane/config/resource-compiler.ts';
import { builtInExtensions } from '../../dataplane/server/extensions.ts';
import { encodeMessage } from '../../proto/any.ts';
import { messageFromJson } from '../../proto/json.ts';
import { typeNameOf } from '../../proto/type-urls.ts';

const registry = new FactoryRegistry(builtInExtensions);

/** Inputs whose files and environment are what the test says. */
export function configInputs(
  files: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): ConfigInputs {
  return {
    registry,
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? err('no such file') : ok(Buffer.from(text));
    },
    environment: (name) => environment[name],
  };
}

/** Loads `text` as bootstrap.yaml. */
export function loadYaml(
  text: string,
  files: Readonly<Record<string, string>> = {},
): Result<BootstrapConfig, string[]> {
  const inputs = configInputs({ ...files, 'bootstrap.yaml': text });
  return loadBootstrap({ ...inputs, path: 'bootstrap.yaml' });
}

/** Error lines of a bootstrap; [] when it is good. */
export function bootstrapErrors(
  text: string,
  files: Readonly<Record<string, string>> = {},
): string[] {
  const loaded = loadYaml(text, files);
  return loaded.ok ? [] : loaded.errors;
}

const emptyBootstrap = loadBootstrap({ ...configInputs(), yaml: '{}' });

/** Compiles one resource, written as YAML, the way it would come over xDS. */
export function compileYaml(
  kind: ResourceKind,
  text: string,
): Result<CompiledResource, readonly FieldError[]> {
  if (!emptyBootstrap.ok) throw new Error(emptyBootstrap.errors.join('\n'));
  const typeName = typeNameOf(typeUrlOf[kind]);
  const message = messageFromJson(typeName, parse(text), { unknownFields: 'error' });
  if (!message.ok) return message;
  const bytes = encodeMessage(typeName, message.value.message);
  const outcome = createResourceCompiler(emptyBootstrap.value, configInputs()).compile(kind, bytes);
  return outcome.ok ? ok(outcome.resource) : err(outcome.errors);
}

/** The data of a good resource; throws with its errors otherwise. */
export function compiledData(kind: ResourceKind, text: string): unknown {
  const compiled = compileYaml(kind, text);
  if (!compiled.ok) throw new Error(compiled.errors.map(formatFieldError).join('\n'));
  return compiled.value.data;
}

/** Errors of a bad resource as `path: message`; [] when it is good. */
export function resourceErrors(kind: ResourceKind, text: string): string[] {
  const compiled = compileYaml(kind, text);
  return compiled.ok ? [] : compiled.errors.map(formatFieldError);
}
