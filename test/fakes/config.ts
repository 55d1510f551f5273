// Compiling config in tests: YAML text in, compiled data or errors out, with the real extensions and a
// file system that is a map.

import { parse } from 'yaml';
import { err, type FieldError, formatFieldError, ok, type Result } from '../../common/result.ts';
import { SharedMemory } from '../../common/shared-memory.ts';
import type { BootstrapConfig } from '../../dataplane/api/config/bootstrap.ts';
import { adsSource } from '../../dataplane/api/config/config-source.ts';
import type { HcmConfig } from '../../dataplane/api/config/hcm.ts';
import type { ListenerConfig } from '../../dataplane/api/config/listener.ts';
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
import { Runtime } from '../../dataplane/runtime/runtime.ts';
import { builtInExtensions } from '../../dataplane/server/extensions.ts';
import { encodeMessage } from '../../proto/any.ts';
import { messageFromJson } from '../../proto/json.ts';
import { typeNameOf } from '../../proto/type-urls.ts';

const registry = new FactoryRegistry(builtInExtensions);

/** Inputs whose files and environment are what the test says. */
export function configInputs(
  files: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): ConfigInputs & { readonly runtime: Runtime } {
  return {
    registry,
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? err('no such file') : ok(Buffer.from(text));
    },
    environment: (name) => environment[name],
    sharedMemory: new SharedMemory(),
    runtime: new Runtime(),
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

/** Nothing but an aggregated stream, so that resources may refer to it. */
export const adsBootstrapYaml = `
node: {id: n, cluster: c}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{google_grpc: {target_uri: "127.0.0.1:1", stat_prefix: cp}}]
`;
const emptyBootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });

/** Compiles one resource, written as YAML, the way it would come over xDS, wrapped under a name if need be. */
export function compileYaml(
  kind: ResourceKind,
  text: string,
  wrapperName = '',
): Result<CompiledResource, readonly FieldError[]> {
  if (!emptyBootstrap.ok) throw new Error(emptyBootstrap.errors.join('\n'));
  const typeName = typeNameOf(typeUrlOf[kind]);
  const message = messageFromJson(typeName, parse(text), { unknownFields: 'error' });
  if (!message.ok) return message;
  const bytes = encodeMessage(typeName, message.value.message);
  const outcome = createResourceCompiler(emptyBootstrap.value, configInputs()).compile(
    kind,
    bytes,
    adsSource,
    wrapperName,
  );
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

const listenerWith = (filter: string): string =>
  `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [${filter}]}]}`;
const typedConfig = (type: string, body: string): string =>
  `{"@type": type.googleapis.com/${type}${body === '' ? '' : `, ${body}`}}`;
const networkFilter = (type: string, body: string): string =>
  listenerWith(`{name: f, typed_config: ${typedConfig(type, body)}}`);
const httpFilter = (type: string, body: string): string =>
  networkFilter(
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    `stat_prefix: s, route_config: {}, http_filters: [{name: f, typed_config: ${typedConfig(type, body)}}, {name: r, typed_config: ${typedConfig('envoy.extensions.filters.http.router.v3.Router', '')}}]`,
  );

const networkPath = 'filter_chains[0].filters[0].typed_config.';
const httpPath = `${networkPath}http_filters[0].typed_config.`;

/** What the config half of a network filter makes of `body`, the fields of its message in YAML. */
export function networkFilterData(type: string, body: string): unknown {
  const listener = compiledData('listener', networkFilter(type, body)) as ListenerConfig; // that kind
  return listener.filterChains[0]?.filters[0]?.data;
}

/** Errors with paths that begin at the filter's message. */
export function networkFilterErrors(type: string, body: string): string[] {
  return resourceErrors('listener', networkFilter(type, body)).map((error) =>
    error.replace(networkPath, ''),
  );
}

const readFilter = (type: string, body: string): string =>
  listenerWith(
    `{name: f, typed_config: ${typedConfig(type, body)}}, {name: e, typed_config: ${typedConfig('envoy.extensions.filters.network.echo.v3.Echo', '')}}`,
  );

/** networkFilterData for a filter that is not terminal: echo stands behind it. */
export function readFilterData(type: string, body: string): unknown {
  const listener = compiledData('listener', readFilter(type, body)) as ListenerConfig; // that kind
  return listener.filterChains[0]?.filters[0]?.data;
}

export function readFilterErrors(type: string, body: string): string[] {
  return resourceErrors('listener', readFilter(type, body)).map((error) =>
    error.replace(networkPath, ''),
  );
}

/** The same for an HTTP filter. */
export function httpFilterData(type: string, body: string): unknown {
  const listener = compiledData('listener', httpFilter(type, body)) as ListenerConfig; // that kind
  const hcm = listener.filterChains[0]?.filters[0]?.data as HcmConfig | undefined; // its only filter
  return hcm?.httpFilters[0]?.data;
}

export function httpFilterErrors(type: string, body: string): string[] {
  return resourceErrors('listener', httpFilter(type, body)).map((error) =>
    error.replace(httpPath, ''),
  );
}
