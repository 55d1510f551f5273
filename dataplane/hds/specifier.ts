// From a ClusterHealthCheck to what our checkers know: a STATIC cluster for each of its health checks, compiled as any
// cluster of CDS is, so that the same fields work and the others are refused by name. Envoy: HdsDelegate::createClusterConfig.

import { err, type FieldError, joinPath, ok, type Result } from '../../common/result.ts';
import { encodeMessage } from '../../proto/any.ts';
import type {
  ClusterHealthCheckProto,
  ClusterProto,
  HealthCheckProto,
  HealthCheckSpecifierProto,
} from '../../proto/gen/types.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
/** Of all clusters together: a server must not have us check the world. */
export const MAX_HOSTS = 10_000;
/** Envoy's ClusterTimeoutSeconds and ClusterConnectionBufferLimitBytes. */
const CONNECT_TIMEOUT = { seconds: 1, nanos: 0 };
const BUFFER_LIMIT = { value: 32_768 };

export interface WantedCluster {
  readonly wanted: ClusterHealthCheckProto;
  /** One for each health check. */
  readonly configs: readonly ClusterConfig[];
}

export function checkClusters(
  { cluster_health_checks: wantedClusters = [] }: HealthCheckSpecifierProto,
  compile: (bytes: Uint8Array) => Result<ClusterConfig, readonly FieldError[]>,
): Result<readonly WantedCluster[], readonly FieldError[]> {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  let hosts = 0;
  const clusters = wantedClusters.map((wanted, i): WantedCluster => {
    const path = `cluster_health_checks[${i}]`;
    const name = wanted.cluster_name ?? '';
    if (names.has(name)) errors.push({ path, message: `there is another '${name}'` });
    names.add(name);
    for (const { endpoints } of wanted.locality_endpoints ?? []) hosts += endpoints?.length ?? 0;
    const configs: ClusterConfig[] = [];
    for (const [at, check] of (wanted.health_checks ?? []).entries()) {
      const compiled = compile(encodeMessage(CLUSTER, clusterOf(wanted, check)));
      if (compiled.ok) configs.push(compiled.value);
      else errors.push(...compiled.errors.map((error) => withPath(error, path, at)));
    }
    return { wanted, configs };
  });
  if (hosts > MAX_HOSTS) {
    const message = `has ${hosts} hosts, ${MAX_HOSTS} can be checked`;
    errors.push({ path: 'cluster_health_checks', message });
  }
  return errors.length > 0 ? err(errors) : ok(clusters);
}

function clusterOf(wanted: ClusterHealthCheckProto, check: HealthCheckProto): ClusterProto {
  const { cluster_name: name, locality_endpoints: localities } = wanted;
  const { transport_socket_matches: matches, upstream_bind_config: bind } = wanted;
  return {
    name,
    type: 'STATIC',
    connect_timeout: CONNECT_TIMEOUT,
    per_connection_buffer_limit_bytes: BUFFER_LIMIT,
    load_assignment: {
      cluster_name: name,
      endpoints: (localities ?? []).map(({ locality, endpoints }) => ({
        locality,
        lb_endpoints: (endpoints ?? []).map((endpoint) => ({ endpoint })),
      })),
    },
    health_checks: [check],
    ...(matches === undefined ? {} : { transport_socket_matches: matches }),
    ...(bind === undefined ? {} : { upstream_bind_config: bind }),
  };
}

/** The cluster is made of the specifier: its first health check is the one at `at`. */
function withPath({ path, message }: FieldError, parent: string, at: number): FieldError {
  return {
    path: joinPath(parent, path.replace('health_checks[0]', `health_checks[${at}]`)),
    message,
  };
}
