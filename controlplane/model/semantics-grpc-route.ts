// The cross-field and cross-document checks of GRPCRoute. See semantics.ts.

import type { GrpcRoute, GrpcRouteMatch } from './kinds/grpc-route.ts';
import { protocolOf } from './kinds/service.ts';
import { namespaceOf } from './object.ts';
import type { DocumentPath } from './problem.ts';
import type { Report, ServiceIndex } from './references.ts';
import {
  checkBackends,
  checkFilters,
  checkMirrors,
  checkParents,
  checkRegex,
  checkRuleNames,
  checkValues,
  type ServiceCheck,
} from './semantics-route.ts';

/** Gateway API: in all rules of a route together. */
const MAX_MATCHES = 128;

/** Names as protobuf writes them; the Gateway API lets a service begin with a dot. */
const exactName = {
  service: {
    pattern: /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i,
    example: 'shop.v1.Stock',
  },
  method: { pattern: /^[a-z_][a-z_0-9]*$/i, example: 'GetStock' },
} as const;

export function checkGrpcRoute(route: GrpcRoute, services: ServiceIndex, report: Report): void {
  const speaksGrpc: ServiceCheck = (service, path) => {
    const protocol = protocolOf(service);
    if (protocol === 'GRPC') return;
    report(
      path,
      `Service "${service.metadata.name}" speaks ${protocol}; a GRPCRoute goes with protocol GRPC`,
    );
  };
  checkParents(route, services, report, speaksGrpc);
  checkRuleNames(route.spec.rules, report);
  let matches = 0;
  for (const [i, rule] of route.spec.rules.entries()) {
    const path: DocumentPath = ['spec', 'rules', i];
    for (const [m, match] of (rule.matches ?? []).entries()) {
      checkMatch(match, [...path, 'matches', m], report);
    }
    matches += rule.matches?.length ?? 0;
    checkFilters(rule, path, report);
    checkMirrors(rule, namespaceOf(route), { services, path, report, also: speaksGrpc });
    checkBackends(rule.backendRefs ?? [], namespaceOf(route), {
      services,
      path: [...path, 'backendRefs'],
      missing: 'missing: a rule needs a backend',
      report,
      also: speaksGrpc,
    });
  }
  if (matches > MAX_MATCHES) {
    report(['spec', 'rules'], `has ${matches} matches in all; at most ${MAX_MATCHES} are allowed`);
  }
}

function checkMatch(match: GrpcRouteMatch, path: DocumentPath, report: Report): void {
  checkValues(match.headers ?? [], [...path, 'headers'], report);
  if (match.method === undefined) return;
  const { type = 'Exact', service, method } = match.method;
  if (service === undefined && method === undefined) {
    report([...path, 'method'], 'must have a service, a method or both');
  }
  for (const [part, value] of [
    ['service', service],
    ['method', method],
  ] as const) {
    if (value === undefined) continue;
    const partPath: DocumentPath = [...path, 'method', part];
    const { pattern, example } = exactName[part];
    if (type === 'RegularExpression') checkRegex(value, partPath, report);
    else if (!pattern.test(value)) {
      report(partPath, `must be a gRPC ${part} name such as ${example}, not "${value}"`);
    }
  }
}
