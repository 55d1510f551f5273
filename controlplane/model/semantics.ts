// Checks across documents: does every reference lead somewhere, do the parts fit. Called with the whole
// candidate set before it may replace the last good one; pure, and never stops at the first problem.

import type { LocatedObject } from './documents.ts';
import { durationMs } from './duration.ts';
import type { AuthorizationPolicy } from './kinds/authorization-policy.ts';
import type { MeshConfig } from './kinds/mesh-config.ts';
import type { Service } from './kinds/service.ts';
import type { Workload } from './kinds/workload.ts';
import { keyOf, namespaceOf, type ObjectKey, RESERVED_NAMESPACE } from './object.ts';
import { type DocumentPath, type Problem, problemAt } from './problem.ts';
import { findService, type Report, RouteIndex, ServiceIndex } from './references.ts';
import { checkGrpcRoute } from './semantics-grpc-route.ts';
import { checkHttpRoute } from './semantics-http-route.ts';
import { checkTrafficPolicy, checkTrafficSettings } from './semantics-traffic-policy.ts';

const MIN_CERTIFICATE_TTL_MS = 60_000;

/** Every problem of the set as a whole; empty = it may go live. */
export function checkMesh(located: readonly LocatedObject[]): Problem[] {
  const problems: Problem[] = [];
  const services = new ServiceIndex(
    located.flatMap(({ object }) => (object.kind === 'Service' ? [object] : [])),
  );
  const routes = new RouteIndex(
    located.flatMap(({ object }) =>
      object.kind === 'HTTPRoute' || object.kind === 'GRPCRoute' ? [object] : [],
    ),
  );
  const first = new Map<ObjectKey, LocatedObject>();
  const unique: UniqueChecks = { meshConfig: null, trafficPolicyOf: new Map() };

  for (const entry of located) {
    const { object, origin } = entry;
    const key = keyOf(object);
    const report: Report = (path, message) => {
      problems.push(problemAt(origin, key, path, message));
    };
    const earlier = first.get(key);
    if (earlier !== undefined) {
      report(['metadata', 'name'], `is defined twice; first ${placeOf(earlier)}`);
      continue;
    }
    first.set(key, entry);
    switch (object.kind) {
      case 'MeshConfig':
        checkMeshConfig(object, key, unique, report);
        break;
      case 'Service':
        checkService(object, services, report);
        break;
      case 'Workload':
        checkWorkload(object, services, report);
        break;
      case 'TrafficPolicy':
        checkTrafficPolicy(object, key, { services, routes }, unique.trafficPolicyOf, report);
        break;
      case 'AuthorizationPolicy':
        checkAuthorizationPolicy(object, services, report);
        break;
      case 'HTTPRoute':
        checkHttpRoute(object, services, report);
        break;
      case 'GRPCRoute':
        checkGrpcRoute(object, services, report);
        break;
      default:
        object satisfies never;
    }
  }
  return problems;
}

interface UniqueChecks {
  meshConfig: ObjectKey | null;
  readonly trafficPolicyOf: Map<string, ObjectKey>;
}

function placeOf({ object, origin }: LocatedObject): string {
  const location = origin.locate?.(['metadata', 'name']) ?? null;
  if (location === null) return `as ${keyOf(object)} from ${origin.source}`;
  return `at ${origin.source}:${location.line}:${location.column}`;
}

function checkMeshConfig(
  config: MeshConfig,
  key: ObjectKey,
  unique: UniqueChecks,
  report: Report,
): void {
  if (unique.meshConfig !== null)
    report(['kind'], `a mesh has one MeshConfig; ${unique.meshConfig} exists too`);
  unique.meshConfig ??= key;
  const ttl = config.spec.certificates?.ttl;
  if (ttl !== undefined && durationMs(ttl) < MIN_CERTIFICATE_TTL_MS) {
    report(['spec', 'certificates', 'ttl'], `must be at least 1m, not ${ttl}`);
  }
  checkTrafficSettings(config.spec.defaults ?? {}, ['spec', 'defaults'], report);
}

function checkService(service: Service, services: ServiceIndex, report: Report): void {
  const name = service.metadata.name;
  // It becomes a host name and an SPIFFE path segment.
  if (name.includes('.') || name.length > 63) {
    report(['metadata', 'name'], `a Service's name must be one DNS label, not "${name}"`);
  }
  if (namespaceOf(service) === RESERVED_NAMESPACE) {
    report(['metadata', 'namespace'], `${RESERVED_NAMESPACE} is reserved for the control plane`);
  }
  const port = service.spec.ports[0];
  if (port?.protocol !== undefined && port.appProtocol !== undefined) {
    report(['spec', 'ports', 0, 'appProtocol'], 'does not go with protocol: say it once');
  }
  checkDependencies(service, services, report);
  const seen = new Set<string>();
  for (const [i, version] of (service.spec.versions ?? []).entries()) {
    if (seen.has(version.name))
      report(['spec', 'versions', i, 'name'], `version "${version.name}" is listed twice`);
    seen.add(version.name);
    const claims = services
      .ambiguousVersions()
      .find((claim) => claim.name === `${name}-${version.name}`);
    const others = claims?.meanings.filter((meaning) => meaning.service !== service) ?? [];
    for (const other of others) {
      if (namespaceOf(other.service) !== namespaceOf(service)) continue;
      report(
        ['spec', 'versions', i, 'name'],
        `ServiceVersion "${name}-${version.name}" would also mean version "${other.version}" of Service "${other.service.metadata.name}"; rename one`,
      );
    }
  }
}

function checkDependencies(service: Service, services: ServiceIndex, report: Report): void {
  const seen = new Set<string>();
  for (const [i, dependency] of (service.spec.dependsOn ?? []).entries()) {
    const { name, namespace = namespaceOf(service) } = dependency;
    const path = ['spec', 'dependsOn', i, 'name'];
    findService(services, namespace, name, (message) => report(path, message));
    if (seen.has(`${namespace}/${name}`)) report(path, `Service "${name}" is listed twice`);
    seen.add(`${namespace}/${name}`);
  }
}

function checkWorkload(workload: Workload, services: ServiceIndex, report: Report): void {
  const { service: name, version } = workload.spec;
  const service = findService(services, namespaceOf(workload), name, (message) =>
    report(['spec', 'service'], message),
  );
  if (service === null) return;
  const problem = versionProblem(service, version ?? null);
  if (problem !== null) report(['spec', version === undefined ? 'service' : 'version'], problem);
}

/** What is wrong with an instance of `service` saying it is of `version`; null = nothing. */
export function versionProblem(service: Service, version: string | null): string | null {
  const names = (service.spec.versions ?? []).map(({ name }) => name);
  const known = names.length === 0 ? 'it lists none' : `it lists ${names.join(', ')}`;
  if (version === null) {
    return names.length === 0
      ? null
      : `Service "${service.metadata.name}" has versions, so the instance must say which (${known})`;
  }
  return names.includes(version)
    ? null
    : `Service "${service.metadata.name}" has no version "${version}"; ${known}`;
}

function checkAuthorizationPolicy(
  policy: AuthorizationPolicy,
  services: ServiceIndex,
  report: Report,
): void {
  const own = namespaceOf(policy);
  findService(services, own, policy.spec.targetRef.name, (message) =>
    report(['spec', 'targetRef', 'name'], message),
  );
  for (const [r, rule] of policy.spec.rules.entries()) {
    for (const [f, from] of (rule.from ?? []).entries()) {
      const path: DocumentPath = ['spec', 'rules', r, 'from', f];
      const { service, principal } = from;
      if ((service === undefined) === (principal === undefined)) {
        report(path, 'must have exactly one of service and principal');
      } else if (service !== undefined) {
        findService(services, from.namespace ?? own, service, (message) =>
          report([...path, 'service'], message),
        );
      } else if (from.namespace !== undefined) {
        report([...path, 'namespace'], 'goes with service, not with principal');
      }
    }
  }
}
