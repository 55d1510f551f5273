// What limits connections: the resource monitor of all downstream connections in overload_manager, and limits that
// only runtime keys say.

import type {
  DownstreamConnectionsConfigProto,
  OverloadManagerProto,
} from '../../proto/gen/types.ts';
import type { RuntimeNumber } from '../api/runtime.ts';
import type { Compilation } from '../compile/compilation.ts';
import { mapItems } from '../compile/compilation.ts';

const CONNECTIONS_TYPE =
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';

/** Null = no limit. */
export function compileMaxDownstreamConnections(
  overload: OverloadManagerProto | undefined,
  compilation: Compilation,
): number | null {
  let limit: number | null = null;
  mapItems(overload?.resource_monitors, 'overload_manager.resource_monitors', (monitor, at) => {
    const config = monitor.typed_config;
    if (config?.type_name !== CONNECTIONS_TYPE || config.message === null) {
      compilation.fail(`${at}.typed_config`, `not supported yet (${config?.type_name ?? 'none'})`);
      return;
    }
    if (limit !== null) compilation.fail(at, 'duplicate resource monitor');
    // Decoded as that type.
    const { max_active_downstream_connections: max } =
      config.message as DownstreamConnectionsConfigProto;
    limit = Number(max ?? 0);
    if (limit <= 0) {
      compilation.fail(`${at}.typed_config.max_active_downstream_connections`, 'must be > 0');
    }
  });
  return limit;
}

/** What a runtime key limits that has no field of its own. Null = there is no limit, nor can there be one. */
export function limitOf(key: string, compilation: Compilation): RuntimeNumber | null {
  const limit = compilation.context.runtime.integer(key, Number.POSITIVE_INFINITY);
  return limit === Number.POSITIVE_INFINITY ? null : limit;
}
