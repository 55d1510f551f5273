// load_balancing_policies.override_host.v3.OverrideHost.

import type { MetadataKeyProto, OverrideHostProto } from '../../proto/gen/types.ts';
import type {
  LoadBalancingData,
  MetadataKeyData,
  OverrideHostData,
  OverrideHostSource,
} from '../api/config/load-balancing.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { headerName } from '../compile/matchers.ts';

/** `fallback` chooses where no source names a host. `path` is that of `config`. */
export function compileOverrideHost(
  config: OverrideHostProto,
  fallback: LoadBalancingData,
  path: string,
  compilation: Compilation,
): OverrideHostData {
  const at = `${path}.override_host_sources`;
  const sources = mapItems(config.override_host_sources, at, (source, sourcePath) =>
    compileSource(source, sourcePath, compilation),
  );
  if (sources.length === 0) compilation.fail(at, 'must not be empty');
  const key = config.selected_host_key;
  return {
    kind: 'OVERRIDE_HOST',
    sources,
    selectedHostKey: key === undefined ? null : compileKey(key),
    fallback,
  };
}

function compileSource(
  source: NonNullable<OverrideHostProto['override_host_sources']>[number],
  path: string,
  compilation: Compilation,
): OverrideHostSource {
  const { header = '', metadata } = source;
  if (metadata !== undefined) {
    if (header !== '') compilation.fail(path, 'only one of header, metadata may be set');
    return { kind: 'metadata', key: compileKey(metadata) };
  }
  if (header === '') {
    compilation.fail(path, 'one of header, metadata is required');
    return { kind: 'header', name: '' };
  }
  return { kind: 'header', name: headerName(header, `${path}.header`, compilation) };
}

/** That both parts are there is a constraint of the message. */
function compileKey({ key = '', path = [] }: MetadataKeyProto): MetadataKeyData {
  return { namespace: key, path: path.map((step) => step.key ?? '') };
}
