// typed_per_filter_config of a route configuration, virtual host, route or weighted cluster.

import type { PerFilterConfigData } from '../api/config/route.ts';
import type { DecodedAny } from '../api/factory.ts';
import { type Compilation, mapEntryPath } from './compilation.ts';

const none: PerFilterConfigData = Object.freeze({});

/** Keys are the names under which HTTP filters are configured in the connection manager. */
export function compilePerFilterConfig(
  configs: Readonly<Record<string, DecodedAny>> | undefined,
  path: string,
  compilation: Compilation,
): PerFilterConfigData {
  if (configs === undefined) return none;
  const compiled: Record<string, PerFilterConfigData[string]> = {};
  for (const [name, config] of Object.entries(configs)) {
    const at = mapEntryPath(path, name);
    const data = compilation.take(compilation.context.compileRouteExtension(name, config, at));
    if (data !== null) compiled[name] = data;
  }
  return compiled;
}
