// overload_manager as far as it limits connections: the resource monitor of all downstream connections, or the
// older runtime key for the same.

import type {
  DownstreamConnectionsConfigProto,
  OverloadManagerProto,
} from '../../proto/gen/types.ts';
import type { Compilation } from '../compile/compilation.ts';
import { mapItems } from '../compile/compilation.ts';

const CONNECTIONS_TYPE =
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';
const RUNTIME_KEY = 'overload.global_downstream_max_connections';

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
  return limit ?? runtimeLimit(compilation);
}

function runtimeLimit(compilation: Compilation): number | null {
  const value = compilation.context.runtimeValue(RUNTIME_KEY);
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  compilation.fail('layered_runtime', `${RUNTIME_KEY} must be an unsigned integer`);
  return null;
}
