// The checks that HTTPRoute and GRPCRoute share: where references lead, and whether filters and their settings
// go together. See semantics.ts.

import { RE2JS } from 're2js';
import { errorText } from '../../common/coded-error.ts';
import type { GrpcRoute, GrpcRouteRule } from './kinds/grpc-route.ts';
import type { HttpRoute, HttpRouteRule, RuleFilter } from './kinds/http-route.ts';
import type { BackendRef, RequestMirror } from './kinds/route-parts.ts';
import type { Service } from './kinds/service.ts';
import { namespaceOf } from './object.ts';
import type { DocumentPath } from './problem.ts';
import { findService, listed, type Report, type ServiceIndex } from './references.ts';

/** Says at `path` what a Service lacks for this kind of route. */
export type ServiceCheck = (service: Service, path: DocumentPath) => void;

/** `also` is asked about each Service that is found. */
export function checkParents(
  route: HttpRoute | GrpcRoute,
  services: ServiceIndex,
  report: Report,
  also?: ServiceCheck,
): void {
  const namespace = namespaceOf(route);
  for (const [i, ref] of route.spec.parentRefs.entries()) {
    const path: DocumentPath = ['spec', 'parentRefs', i];
    if (!checkNamespace(ref.namespace, namespace, [...path, 'namespace'], report)) continue;
    const service = findService(services, namespace, ref.name, (message) =>
      report([...path, 'name'], message),
    );
    if (service === null) continue;
    checkPort(service, ref.port, [...path, 'port'], report);
    also?.(service, [...path, 'name']);
  }
}

interface BackendContext {
  readonly services: ServiceIndex;
  readonly path: DocumentPath;
  readonly missing: string;
  readonly report: Report;
  readonly also?: ServiceCheck;
}

/** `path` is that of the list, `missing` the message for an empty one. */
export function checkBackends(
  backends: readonly BackendRef[],
  namespace: string,
  context: BackendContext,
): void {
  const { path, missing, report } = context;
  if (backends.length === 0) {
    report(path, missing);
    return;
  }
  if (backends.every((backend) => backend.weight === 0)) {
    report(path, 'the weights sum to 0: no backend would get a request');
  }
  for (const [i, ref] of backends.entries()) {
    checkBackend(ref, namespace, { ...context, path: [...path, i] });
  }
}

/** A Service or a ServiceVersion that must be there. */
function checkBackend(
  ref: RequestMirror['backendRef'],
  namespace: string,
  context: Omit<BackendContext, 'missing'>,
): void {
  const { services, path, report, also } = context;
  if (!checkNamespace(ref.namespace, namespace, [...path, 'namespace'], report)) return;
  if (ref.kind === 'ServiceVersion' && ref.group !== 'remora.dev') {
    report([...path, 'group'], 'must be remora.dev for kind ServiceVersion');
  }
  const backend = services.backend(namespace, ref);
  if (backend !== null) {
    checkPort(backend.service, ref.port, [...path, 'port'], report);
    also?.(backend.service, [...path, 'name']);
  } else if (ref.kind === 'ServiceVersion') {
    report(
      [...path, 'name'],
      `ServiceVersion "${ref.name}" does not exist in namespace "${namespace}" (${listed(services.versionNames(namespace))})`,
    );
  } else {
    findService(services, namespace, ref.name, (message) => report([...path, 'name'], message));
  }
}

function checkNamespace(
  given: string | undefined,
  own: string,
  path: DocumentPath,
  report: Report,
): boolean {
  if (given === undefined || given === own) return true;
  report(
    path,
    `a reference to another namespace ("${given}") needs ReferenceGrant: not supported yet`,
  );
  return false;
}

function checkPort(
  service: Service,
  port: number | undefined,
  path: DocumentPath,
  report: Report,
): void {
  const ports = service.spec.ports.map((entry) => entry.port);
  if (port !== undefined && !ports.includes(port)) {
    report(
      path,
      `Service "${service.metadata.name}" has no port ${port} (it has ${ports.join(', ')})`,
    );
  }
}

export function checkRuleNames(rules: readonly { readonly name?: string }[], report: Report): void {
  const seen = new Set<string>();
  for (const [i, { name }] of rules.entries()) {
    if (name === undefined) continue;
    if (seen.has(name)) report(['spec', 'rules', i, 'name'], `rule "${name}" is there twice`);
    seen.add(name);
  }
}

/** Values of header and query matches. */
export function checkValues(
  matches: readonly { readonly type?: string; readonly value: string }[],
  path: DocumentPath,
  report: Report,
): void {
  for (const [i, match] of matches.entries()) {
    if (match.type === 'RegularExpression') checkRegex(match.value, [...path, i, 'value'], report);
  }
}

export function checkRegex(pattern: string, path: DocumentPath, report: Report): void {
  try {
    RE2JS.compile(pattern);
  } catch (thrown) {
    report(path, `is not an RE2 regular expression: ${errorText(thrown)}`);
  }
}

const fieldOf = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
} as const satisfies Record<RuleFilter['type'], string>;

/** Of the rule and of its backends: each type once (mirrors as often as one likes), with its own settings and no others. */
export function checkFilters(
  rule: HttpRouteRule | GrpcRouteRule,
  path: DocumentPath,
  report: Report,
): void {
  checkFilterList(rule.filters ?? [], [...path, 'filters'], report);
  for (const [b, backend] of (rule.backendRefs ?? []).entries()) {
    checkFilterList(backend.filters ?? [], [...path, 'backendRefs', b, 'filters'], report);
  }
}

function checkFilterList(
  filters: readonly Partial<RuleFilter>[],
  path: DocumentPath,
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [i, filter] of filters.entries()) {
    const type = filter.type;
    if (type === undefined) continue;
    if (seen.has(type) && type !== 'RequestMirror')
      report([...path, i, 'type'], `${type} is given twice`);
    seen.add(type);
    const wanted = fieldOf[type];
    if (filter[wanted] === undefined) report([...path, i, wanted], `missing (type is ${type})`);
    for (const field of Object.values(fieldOf)) {
      if (field !== wanted && filter[field] !== undefined) {
        report([...path, i, field], `does not go with type ${type}`);
      }
    }
  }
}

/** Where the mirrors of a rule lead, and how much they get. */
export function checkMirrors(
  rule: HttpRouteRule | GrpcRouteRule,
  namespace: string,
  context: Omit<BackendContext, 'missing'>,
): void {
  const { path, report } = context;
  for (const [i, { requestMirror }] of (rule.filters ?? []).entries()) {
    if (requestMirror === undefined) continue;
    const at: DocumentPath = [...path, 'filters', i, 'requestMirror'];
    checkBackend(requestMirror.backendRef, namespace, { ...context, path: [...at, 'backendRef'] });
    const { percent, fraction } = requestMirror;
    if (percent !== undefined && fraction !== undefined) {
      report([...at, 'percent'], 'does not go with fraction: say it once');
    }
    if (fraction !== undefined && fraction.numerator > (fraction.denominator ?? 100)) {
      report([...at, 'fraction', 'numerator'], 'must not exceed the denominator');
    }
  }
}
