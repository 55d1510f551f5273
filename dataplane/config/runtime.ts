// layered_runtime of the bootstrap and RTDS resources as layers of dataplane/runtime.

import type {
  LayeredRuntimeProto,
  RuntimeLayerProto,
  RuntimeProto,
} from '../../proto/gen/types.ts';
import type { RuntimeEntry, RuntimeLayerConfig, RuntimeValues } from '../api/runtime.ts';
import { type Compilation, mapEntryPath, mapItems } from '../compile/compilation.ts';
import { referTo } from '../compile/config-source.ts';
import { visitLayer } from '../runtime/entry.ts';
import { isUnsupportedKey, unsupportedKeyText } from '../runtime/known-keys.ts';

/** `serviceCluster`: what append_service_cluster appends. */
export function compileRuntime(
  runtime: LayeredRuntimeProto | undefined,
  serviceCluster: string,
  compilation: Compilation,
): RuntimeLayerConfig[] {
  const names = new Set<string>();
  let hasAdmin = false;
  return mapItems(runtime?.layers, 'layered_runtime.layers', (layer, path) => {
    const name = layer.name ?? '';
    if (names.has(name)) compilation.fail(`${path}.name`, `Duplicate layer name: ${name}`);
    names.add(name);
    if (layer.admin_layer !== undefined) {
      if (hasAdmin) {
        const text =
          'Too many admin layers specified in LayeredRuntime, at most one may be specified';
        compilation.fail(`${path}.admin_layer`, text);
      }
      hasAdmin = true;
    }
    return compileLayer(layer, name, serviceCluster, path, compilation);
  });
}

function compileLayer(
  layer: RuntimeLayerProto,
  name: string,
  serviceCluster: string,
  path: string,
  compilation: Compilation,
): RuntimeLayerConfig {
  const { disk_layer: disk, rtds_layer: rtds } = layer;
  if (disk !== undefined) {
    const symlinkRoot = disk.symlink_root ?? '';
    if (symlinkRoot === '')
      compilation.fail(`${path}.disk_layer.symlink_root`, 'must not be empty');
    const parts = [symlinkRoot, disk.subdirectory ?? ''];
    if (disk.append_service_cluster === true) parts.push(serviceCluster);
    return { kind: 'disk', name, symlinkRoot, path: parts.join('/') };
  }
  if (rtds !== undefined) {
    const at = `${path}.rtds_layer`;
    const resource = rtds.name ?? '';
    if (resource === '') compilation.fail(`${at}.name`, 'must not be empty');
    const named = { kind: 'runtime', name: resource, source: rtds.rtds_config } as const;
    return {
      kind: 'rtds',
      name,
      resource: referTo({ ...named, path: `${at}.rtds_config` }, compilation),
    };
  }
  if (layer.admin_layer !== undefined) return { kind: 'admin', name };
  const values = compileLayerValues(layer.static_layer, `${path}.static_layer`, compilation);
  return { kind: 'static', name, values };
}

/** service.runtime.v3.Runtime. */
export function compileRuntimeResource(
  runtime: RuntimeProto,
  compilation: Compilation,
): RuntimeValues {
  return compileLayerValues(runtime.layer, 'layer', compilation);
}

function compileLayerValues(
  layer: Readonly<Record<string, unknown>> | undefined,
  path: string,
  compilation: Compilation,
): RuntimeValues {
  const values = new Map<string, RuntimeEntry>();
  visitLayer(layer ?? {}, (names, key, entry) => {
    const at = names.reduce(mapEntryPath, path);
    if (entry === null) compilation.fail(at, `Invalid runtime entry value for ${key}`);
    else if (isUnsupportedKey(key)) compilation.fail(at, unsupportedKeyText(key));
    else values.set(key, entry);
  });
  return values;
}
