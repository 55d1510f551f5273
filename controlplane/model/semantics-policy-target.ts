// What a TrafficPolicy may be attached to, and what it can say of a route. Called by semantics-traffic-policy.

import type { TrafficPolicy } from './kinds/traffic-policy.ts';
import { namespaceOf } from './object.ts';
import type { DocumentPath } from './problem.ts';
import {
  listed,
  type Report,
  type RouteIndex,
  type RouteKind,
  type ServiceIndex,
} from './references.ts';

/** All that policies of one mesh can be attached to. */
export interface PolicyTargets {
  readonly services: ServiceIndex;
  readonly routes: RouteIndex;
}

type TargetRef = TrafficPolicy['spec']['targetRef'];

/** `Service "orders"`, `HTTPRoute "orders"`, `rule "cart" of HTTPRoute "orders"`. */
export function describeTarget({ kind, name, sectionName }: TargetRef): string {
  const whole = `${kind} "${name}"`;
  return sectionName === undefined ? whole : `rule "${sectionName}" of ${whole}`;
}

const GATEWAY_API = 'gateway.networking.k8s.io';

/** Group and sectionName must go with the kind. */
export function checkTargetFields({ kind, group, sectionName }: TargetRef, report: Report): void {
  const path: DocumentPath = ['spec', 'targetRef'];
  if (kind !== 'Service') {
    if (group !== undefined && group !== GATEWAY_API) {
      report([...path, 'group'], `must be ${GATEWAY_API} for kind ${kind}`);
    }
    return;
  }
  if (group === GATEWAY_API) {
    report([...path, 'group'], 'must be "" or remora.dev for kind Service');
  }
  if (sectionName !== undefined) {
    report([...path, 'sectionName'], 'goes with kind HTTPRoute or GRPCRoute');
  }
}

/** By section, what a route can have of its own; of all others there is one per Service. */
const routeFields: Readonly<Record<string, readonly string[]>> = {
  timeouts: ['request', 'idle', 'maxStreamDuration'],
  retries: ['attempts', 'perTryTimeout', 'retryOn', 'retriableStatusCodes', 'backoff', 'hedge'],
  circuitBreakers: ['errorRatio'],
};

/** `policy` is attached to a route, which must be there. */
export function checkRouteTarget(
  policy: TrafficPolicy,
  kind: RouteKind,
  routes: RouteIndex,
  report: Report,
): void {
  const { targetRef, ...sections } = policy.spec;
  checkTargetFields(targetRef, report);
  const namespace = namespaceOf(policy);
  const { name, sectionName } = targetRef;
  const route = routes.find(kind, namespace, name);
  if (route === null) {
    const others = listed(routes.names(kind, namespace));
    const text = `${kind} "${name}" does not exist in namespace "${namespace}" (${others})`;
    report(['spec', 'targetRef', 'name'], text);
  } else if (sectionName !== undefined) {
    const names = route.spec.rules.flatMap((rule) => rule.name ?? []);
    if (!names.includes(sectionName)) {
      const text = `${kind} "${name}" has no rule named "${sectionName}" (${listed(names)})`;
      report(['spec', 'targetRef', 'sectionName'], text);
    }
  }
  for (const [section, fields] of Object.entries(sections)) {
    const allowed = routeFields[section];
    for (const field of Object.keys(fields)) {
      if (allowed?.includes(field) === true) continue;
      const path = allowed === undefined ? ['spec', section] : ['spec', section, field];
      report(path, `is of a whole Service: not for a policy of kind ${kind}`);
      if (allowed === undefined) break;
    }
  }
  if (policy.spec.circuitBreakers?.errorRatio?.scope !== undefined) {
    const path = ['spec', 'circuitBreakers', 'errorRatio', 'scope'];
    report(path, `is of a whole Service: a policy of kind ${kind} counts the calls of its route`);
  }
}
