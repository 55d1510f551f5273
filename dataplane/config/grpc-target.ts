// Static clusters as ends of connections of our own: gRPC channels and REST calls to management servers. HTTP/2 options
// are at home here.

import { type FieldError, joinPath } from '../../common/result.ts';
import type { BootstrapProto, ClusterProto } from '../../proto/gen/types.ts';
import { isRecord } from '../../proto/plain.ts';
import { durationMs, durationMsOr } from '../../proto/well-known.ts';
import type { GrpcTarget } from '../api/config/grpc-target.ts';
import { formatAddress } from '../api/connection.ts';
import { Compilation } from '../compile/compilation.ts';
import { adsProtocolOf } from './ads.ts';
import {
  ConfigContext,
  type ConfigEnvironment,
  type NamedCluster,
  type StaticTargets,
} from './any-config.ts';
import { compileUpstreamSocket } from './cluster.ts';
import { clusterTypeOf } from './cluster-type.ts';
import { compileLoadAssignment } from './endpoint.ts';
import { References } from './references.ts';
import { upstreamHttpOptions } from './upstream-http.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;

/** Compiles each cluster when it is first named. */
export class ClusterTargets implements StaticTargets {
  readonly #bootstrap: BootstrapProto;
  readonly #environment: Omit<ConfigEnvironment, 'clusterTargets'>;
  readonly #named = new Map<string, NamedCluster>();

  constructor(bootstrap: BootstrapProto, environment: Omit<ConfigEnvironment, 'clusterTargets'>) {
    this.#bootstrap = bootstrap;
    this.#environment = environment;
  }

  /** What is wrong with those that were named. */
  get errors(): readonly FieldError[] {
    return [...this.#named.values()].flatMap(({ errors }) => errors);
  }

  /** Null = there is no such cluster in the bootstrap. */
  get(name: string): NamedCluster | null {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const clusters = this.#bootstrap.static_resources?.clusters ?? [];
    const index = clusters.findIndex((cluster) => cluster.name === name);
    const proto = clusters[index];
    if (proto === undefined) return null;
    const references = new References();
    const compilation = new Compilation(
      new ConfigContext({
        environment: { ...this.#environment, clusterTargets: null },
        source: 'static',
        adsProtocol: adsProtocolOf(this.#bootstrap),
        parentSource: null,
        references,
        knownClusters: null,
        referencedClusters: new Set(),
        warnings: [],
      }),
    );
    const path = `static_resources.clusters[${index}]`;
    const target = compileGrpcCluster(proto, path, compilation);
    // The connection must stand before any secret can come over it, or over another that needs it.
    if (references.list.some(({ source }) => source.kind !== 'path')) {
      const at = joinPath(path, 'transport_socket');
      compilation.fail(at, 'not supported yet (SDS for a gRPC service, other than from files)');
    }
    const named = { target, errors: compilation.errors, references: references.list };
    this.#named.set(name, named);
    return named;
  }
}

/** Clusters that management servers of the bootstrap are reached by. */
export function managementClusters(bootstrap: BootstrapProto): ReadonlySet<string> {
  const names = new Set<string>();
  collectClusters(bootstrap, names);
  return names;
}

/** `envoy_grpc: {cluster_name}` and `cluster_names` of an ApiConfigSource, wherever they are. */
function collectClusters(value: unknown, names: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) collectClusters(item, names);
  if (!isRecord(value) || value instanceof Uint8Array) return;
  const { envoy_grpc: grpc, api_type: type, cluster_names: clusters } = value;
  if (isRecord(grpc) && typeof grpc['cluster_name'] === 'string') names.add(grpc['cluster_name']);
  if (type !== undefined && Array.isArray(clusters)) for (const name of clusters) names.add(name);
  for (const item of Object.values(value)) collectClusters(item, names);
}

function compileGrpcCluster(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const { tls, proxyProtocol } = compileUpstreamSocket(cluster, path, compilation);
  if (proxyProtocol !== null) {
    compilation.fail(joinPath(path, 'transport_socket'), 'not supported yet for a gRPC service');
  }
  const type = clusterTypeOf(cluster);
  const hasNames = type === 'STRICT_DNS' || type === 'LOGICAL_DNS';
  if (!hasNames && type !== 'STATIC') {
    compilation.fail(joinPath(path, 'type'), `not supported yet (${type} for a gRPC service)`);
  }
  if (cluster.health_checks !== undefined) {
    compilation.fail(joinPath(path, 'health_checks'), 'not supported yet for a gRPC service');
  }
  const assignmentPath = joinPath(path, 'load_assignment');
  const assignment = compileLoadAssignment(
    cluster.load_assignment ?? {},
    assignmentPath,
    hasNames,
    compilation,
  );
  const addresses = assignment.localities.flatMap(({ hosts }) =>
    hosts.map(({ address, port }) => formatAddress({ ip: address, port })),
  );
  if (addresses.length === 0) compilation.fail(assignmentPath, 'must have at least one endpoint');
  const keepalive = upstreamHttpOptions(cluster, path, compilation).http2?.connection_keepalive;
  return {
    clusterName: cluster.name ?? '',
    addresses,
    authority: '',
    connectTimeoutMs: durationMsOr(cluster.connect_timeout, DEFAULT_CONNECT_TIMEOUT_MS),
    tls,
    keepalive:
      keepalive?.interval === undefined
        ? null
        : {
            intervalMs: durationMs(keepalive.interval),
            timeoutMs: durationMsOr(keepalive.timeout, 20_000),
          },
  };
}
