// config.endpoint.v3.ClusterLoadAssignment -> LoadAssignment, for EDS and for the load_assignment of
// static clusters.

import { isIP } from 'node:net';
import { canonicalIp } from '../../common/ip-bytes.ts';
import { joinPath } from '../../common/result.ts';
import type {
  ClusterLoadAssignmentPolicyDropOverloadProto,
  ClusterLoadAssignmentProto,
  LbEndpointProto,
  LocalityLbEndpointsProto,
} from '../../proto/gen/types.ts';
import { fractionOf, wrapperOr } from '../../proto/well-known.ts';
import type {
  DropOverload,
  HostConfig,
  LoadAssignment,
  LocalityEndpoints,
} from '../api/config/cluster.ts';
import { compileHostAddress } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { compileHostHealthCheck } from './health-check.ts';

const DEFAULT_OVERPROVISIONING_FACTOR = 140;
const MAX_TOTAL_WEIGHT = 0xffff_ffff;
const PPM = 1_000_000;

/** What a health_status means for balancing. */
export const healthOf = {
  UNKNOWN: 'healthy',
  HEALTHY: 'healthy',
  DEGRADED: 'degraded',
  UNHEALTHY: 'unhealthy',
  DRAINING: 'unhealthy',
  TIMEOUT: 'unhealthy',
} as const;

/** `allowNames`: STRICT_DNS endpoints are names; anywhere else they are IP literals. */
export function compileLoadAssignment(
  assignment: ClusterLoadAssignmentProto,
  path: string,
  allowNames: boolean,
  compilation: Compilation,
): LoadAssignment {
  const localities = mapItems(assignment.endpoints, joinPath(path, 'endpoints'), (locality, at) =>
    compileLocality(locality, at, allowNames, compilation),
  );
  return {
    clusterName: assignment.cluster_name ?? '',
    overprovisioningFactor: wrapperOr(
      assignment.policy?.overprovisioning_factor,
      DEFAULT_OVERPROVISIONING_FACTOR,
    ),
    weightedPriorityHealth: assignment.policy?.weighted_priority_health ?? false,
    dropOverload: compileDropOverload(
      assignment.policy?.drop_overloads,
      joinPath(path, 'policy.drop_overloads'),
      compilation,
    ),
    localities,
  };
}

/** Envoy knows one category. */
function compileDropOverload(
  drops: readonly ClusterLoadAssignmentPolicyDropOverloadProto[] | undefined,
  path: string,
  compilation: Compilation,
): DropOverload | null {
  const drop = drops?.[0];
  if (drops === undefined || drop === undefined) return null;
  if (drops.length > 1) compilation.fail(path, 'only one category is supported');
  const percent = drop.drop_percentage ?? {};
  const { numerator, denominator } = fractionOf(percent);
  if ((percent.numerator ?? 0) > denominator) {
    compilation.fail(`${path}[0].drop_percentage`, `must be at most ${denominator} of as many`);
  }
  return { category: drop.category ?? '', dropPpm: Math.round((numerator / denominator) * PPM) };
}

function compileLocality(
  proto: LocalityLbEndpointsProto,
  path: string,
  allowNames: boolean,
  compilation: Compilation,
): LocalityEndpoints {
  const hosts = mapItems(proto.lb_endpoints, `${path}.lb_endpoints`, (endpoint, at) =>
    compileHost(endpoint, at, allowNames, compilation),
  );
  if (hasTooMuchWeight(hosts)) {
    compilation.fail(`${path}.lb_endpoints`, `sum of weights must be <= ${MAX_TOTAL_WEIGHT}`);
  }
  return {
    region: proto.locality?.region ?? '',
    zone: proto.locality?.zone ?? '',
    subZone: proto.locality?.sub_zone ?? '',
    priority: proto.priority ?? 0,
    // Envoy: the weight of a locality that has no name is not heeded.
    weight: proto.locality === undefined ? 0 : wrapperOr(proto.load_balancing_weight, 0),
    hosts,
  };
}

/** A locality of these hosts is refused. */
export function hasTooMuchWeight(hosts: readonly HostConfig[]): boolean {
  let sum = 0;
  for (const { weight } of hosts) sum += weight;
  return sum > MAX_TOTAL_WEIGHT;
}

export function compileHost(
  proto: LbEndpointProto,
  path: string,
  allowNames: boolean,
  compilation: Compilation,
): HostConfig {
  const addressPath = `${path}.endpoint.address`;
  const { ip: address, port } = compileHostAddress(
    proto.endpoint?.address,
    addressPath,
    compilation,
  );
  if (!allowNames && isIP(address) === 0) {
    compilation.fail(
      `${addressPath}.socket_address.address`,
      `malformed IP address '${address}': use type STRICT_DNS for names`,
    );
  }
  return {
    address: canonicalIp(address),
    port,
    hostname: proto.endpoint?.hostname ?? '',
    weight: wrapperOr(proto.load_balancing_weight, 1),
    health: healthOf[proto.health_status ?? 'UNKNOWN'],
    healthStatus: proto.health_status ?? 'UNKNOWN',
    metadata: proto.metadata?.filter_metadata ?? null,
    healthCheck: compileHostHealthCheck(
      proto.endpoint?.health_check_config,
      `${path}.endpoint.health_check_config`,
      compilation,
    ),
  };
}
