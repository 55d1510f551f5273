// What a TrafficPolicy, or the mesh's defaults, must be besides its schema. Called by semantics.ts.

import { durationMs } from './duration.ts';
import { protocolOf, type Service } from './kinds/service.ts';
import type { HealthCheck, TrafficPolicy, TrafficSettings } from './kinds/traffic-policy.ts';
import { namespaceOf, type ObjectKey } from './object.ts';
import type { DocumentPath } from './problem.ts';
import { findService, type Report, targetKey } from './references.ts';
import {
  checkRouteTarget,
  checkTargetFields,
  describeTarget,
  type PolicyTargets,
} from './semantics-policy-target.ts';

/** `policyOf`: by what it is attached to, the policies that came before; this one is added. */
export function checkTrafficPolicy(
  policy: TrafficPolicy,
  key: ObjectKey,
  targets: PolicyTargets,
  policyOf: Map<string, ObjectKey>,
  report: Report,
): void {
  const { targetRef } = policy.spec;
  const target = targetKey(namespaceOf(policy), targetRef);
  const other = policyOf.get(target);
  if (other !== undefined) {
    report(['spec', 'targetRef', 'name'], `${describeTarget(targetRef)} already has ${other}`);
  } else {
    policyOf.set(target, key);
  }
  checkTrafficSettings(policy.spec, ['spec'], report);
  if (targetRef.kind !== 'Service') {
    checkRouteTarget(policy, targetRef.kind, targets.routes, report);
    return;
  }
  checkTargetFields(targetRef, report);
  const service = findService(targets.services, namespaceOf(policy), targetRef.name, (message) =>
    report(['spec', 'targetRef', 'name'], message),
  );
  if (policy.spec.healthCheck !== undefined) {
    checkHealthCheck(policy.spec.healthCheck, service, report);
  }
  if (service !== null) checkProtocol(policy, service, report);
}

function checkProtocol({ spec }: TrafficPolicy, service: Service, report: Report): void {
  const protocol = protocolOf(service);
  const speaks = `Service "${service.metadata.name}" speaks ${protocol}; this goes with protocol`;
  if (spec.outlierDetection?.grpcStatusFromTrailers === true && protocol !== 'GRPC') {
    report(['spec', 'outlierDetection', 'grpcStatusFromTrailers'], `${speaks} GRPC`);
  }
  if (spec.http2 !== undefined && protocol === 'HTTP') {
    report(['spec', 'http2'], `${speaks} HTTP2 or GRPC`);
  }
}

function checkHealthCheck(check: HealthCheck, service: Service | null, report: Report): void {
  const path: DocumentPath = ['spec', 'healthCheck'];
  const probes = [check.http, check.grpc, check.tcp].filter((probe) => probe !== undefined);
  if (probes.length !== 1) report(path, 'must have exactly one of http, grpc and tcp');
  if (check.grpc !== undefined && service !== null && protocolOf(service) === 'HTTP') {
    report(
      [...path, 'grpc'],
      `Service "${service.metadata.name}" speaks HTTP; this goes with protocol HTTP2 or GRPC`,
    );
  }
  for (const field of ['interval', 'timeout'] as const) {
    const text = check[field];
    if (text !== undefined && durationMs(text) === 0) {
      report([...path, field], 'must be more than 0');
    }
  }
}

/** Of a TrafficPolicy, or of the mesh's defaults. */
export function checkTrafficSettings(
  settings: TrafficSettings,
  path: DocumentPath,
  report: Report,
): void {
  checkLoadBalancing(settings.loadBalancing ?? {}, [...path, 'loadBalancing'], report);
  checkRetries(settings.retries ?? {}, [...path, 'retries'], report);
  const { timeouts, outlierDetection, http2 } = settings;
  const errorRatio = settings.circuitBreakers?.errorRatio;
  const times = {
    timeouts: { connect: timeouts?.connect },
    outlierDetection: {
      interval: outlierDetection?.interval,
      baseEjectionTime: outlierDetection?.baseEjectionTime,
      maxEjectionTime: outlierDetection?.maxEjectionTime,
    },
    'http2.keepalive': { timeout: http2?.keepalive?.timeout },
    'circuitBreakers.errorRatio': {
      window: errorRatio?.window,
      openFor: errorRatio?.openFor,
    },
  };
  for (const [section, fields] of Object.entries(times)) {
    for (const [field, text] of Object.entries(fields)) {
      if (text === undefined || durationMs(text) > 0) continue;
      report([...path, ...section.split('.'), field], 'must be more than 0');
    }
  }
}

function checkLoadBalancing(
  { policy, hashOn, slowStart }: NonNullable<TrafficSettings['loadBalancing']>,
  path: DocumentPath,
  report: Report,
): void {
  if (policy === 'CONSISTENT_HASH' && hashOn === undefined) {
    report([...path, 'policy'], 'CONSISTENT_HASH needs hashOn: what chooses the instance');
  }
  if (policy !== undefined && policy !== 'CONSISTENT_HASH' && hashOn !== undefined) {
    report([...path, 'hashOn'], `goes with policy CONSISTENT_HASH, not with ${policy}`);
  }
  for (const [i, source] of (hashOn ?? []).entries()) {
    if (Object.keys(source).length === 1) continue;
    report(
      [...path, 'hashOn', i],
      'must have exactly one of header, cookie, queryParameter and sourceIp',
    );
  }
  if (slowStart === undefined) return;
  if (policy !== undefined && policy !== 'LEAST_REQUEST' && policy !== 'ROUND_ROBIN') {
    const fitting = 'goes with policy LEAST_REQUEST or ROUND_ROBIN';
    report([...path, 'slowStart'], `${fitting}, not with ${policy}`);
  } else if (durationMs(slowStart) === 0) report([...path, 'slowStart'], 'must be more than 0');
}

function checkRetries(
  { hedge, perTryTimeout, backoff }: NonNullable<TrafficSettings['retries']>,
  path: DocumentPath,
  report: Report,
): void {
  if (hedge === true && (perTryTimeout === undefined || durationMs(perTryTimeout) === 0)) {
    report([...path, 'hedge'], 'needs perTryTimeout: that is when the further try begins');
  }
  const upTo = backoff?.retryAfterUpTo;
  if (upTo !== undefined && durationMs(upTo) === 0) {
    report([...path, 'backoff', 'retryAfterUpTo'], 'must be more than 0');
  }
}
