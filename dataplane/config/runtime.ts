// layered_runtime: static layers become one flat map. Our layers never change while the process runs, so
// runtime keys are resolved when config is compiled and no request ever looks one up.

import type { LayeredRuntimeProto } from '../../proto/gen/types.ts';
import { isRecord } from '../../proto/plain.ts';
import { type Compilation, mapEntryPath } from '../compile/compilation.ts';

/** Keys below these steer Envoy's own behaviour, not what a config names; we have none of them yet. */
const envoyKeys =
  /^(envoy|re2|overload|upstream|outlier_detection|circuit_breakers|http|http1|http2|http_connection_manager|health_check|router|routing|ratelimit|ext_authz|fault|ssl|tcp|tls|tracing|server|listener|conn_pool|config|dns|cluster|zone_aware|admin)\./;

/** Those that we know nevertheless. */
const knownKeys =
  /^(envoy\.resource_limits\.listener\..+\.connection_limit|overload\.global_downstream_max_connections|overload\.premature_reset_total_stream_count|overload\.premature_reset_min_stream_lifetime_seconds|http\.max_requests_per_io_cycle)$/;

/** Later layers win. Nested objects are flattened with '.'; a whole FractionalPercent also stays whole. */
export function compileRuntime(
  runtime: LayeredRuntimeProto | undefined,
  compilation: Compilation,
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [i, layer] of (runtime?.layers ?? []).entries()) {
    const path = `layered_runtime.layers[${i}].static_layer`;
    flatten(layer.static_layer ?? {}, '', path, values, compilation);
  }
  return values;
}

function flatten(
  layer: Readonly<Record<string, unknown>>,
  prefix: string,
  path: string,
  values: Map<string, unknown>,
  compilation: Compilation,
): void {
  for (const [name, value] of Object.entries(layer)) {
    const key = prefix + name;
    const at = mapEntryPath(path, name);
    values.set(key, value);
    if (isRecord(value)) flatten(value, `${key}.`, at, values, compilation);
    else if (envoyKeys.test(key) && !knownKeys.test(key))
      compilation.fail(at, `not supported yet (runtime key ${key})`);
  }
}
