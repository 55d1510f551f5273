// The cross-field and cross-document checks of HTTPRoute. See semantics.ts.

import { RE2JS } from 're2js';
import { errorText } from '../../common/coded-error.ts';
import { durationMs } from './duration.ts';
import type {
  HttpRoute,
  HttpRouteMatch,
  HttpRouteRule,
  PathModifier,
  RuleFilter,
} from './kinds/http-route.ts';
import type { Service } from './kinds/service.ts';
import { namespaceOf } from './object.ts';
import type { DocumentPath } from './problem.ts';
import { findService, listed, type Report, type ServiceIndex } from './references.ts';

export function checkHttpRoute(route: HttpRoute, services: ServiceIndex, report: Report): void {
  const namespace = namespaceOf(route);
  for (const [i, ref] of route.spec.parentRefs.entries()) {
    const path: DocumentPath = ['spec', 'parentRefs', i];
    if (!checkNamespace(ref.namespace, namespace, [...path, 'namespace'], report)) continue;
    const service = findService(services, namespace, ref.name, (message) =>
      report([...path, 'name'], message),
    );
    if (service !== null) checkPort(service, ref.port, [...path, 'port'], report);
  }
  for (const [i, rule] of route.spec.rules.entries()) {
    const path: DocumentPath = ['spec', 'rules', i];
    for (const [m, match] of (rule.matches ?? []).entries()) {
      checkMatch(match, [...path, 'matches', m], report);
    }
    checkFilters(rule, path, report);
    checkBackends(rule, namespace, { services, path, report });
    checkTimeouts(rule, path, report);
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

function checkMatch(match: HttpRouteMatch, path: DocumentPath, report: Report): void {
  const { path: pathMatch, headers = [], queryParams = [] } = match;
  const value = pathMatch?.value ?? '/';
  if (pathMatch?.type === 'RegularExpression') {
    checkRegex(value, [...path, 'path', 'value'], report);
  } else if (!value.startsWith('/') || value.includes('//') || /[?#]/.test(value)) {
    report([...path, 'path', 'value'], `must start with / and have no //, ? or #, not "${value}"`);
  }
  for (const [list, entries] of [
    ['headers', headers],
    ['queryParams', queryParams],
  ] as const) {
    for (const [i, entry] of entries.entries()) {
      if (entry.type === 'RegularExpression')
        checkRegex(entry.value, [...path, list, i, 'value'], report);
    }
  }
}

function checkRegex(pattern: string, path: DocumentPath, report: Report): void {
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
} as const satisfies Record<RuleFilter['type'], string>;

function checkFilters(rule: HttpRouteRule, rulePath: DocumentPath, report: Report): void {
  checkFilterMembers(rule.filters ?? [], [...rulePath, 'filters'], report);
  for (const [b, backend] of (rule.backendRefs ?? []).entries()) {
    checkFilterMembers(backend.filters ?? [], [...rulePath, 'backendRefs', b, 'filters'], report);
  }
  const types = (rule.filters ?? []).map((filter) => filter.type);
  if (types.includes('RequestRedirect')) {
    if (types.includes('URLRewrite'))
      report([...rulePath, 'filters'], 'RequestRedirect and URLRewrite exclude each other');
    if ((rule.backendRefs ?? []).length > 0) {
      report([...rulePath, 'backendRefs'], 'a rule that redirects cannot have backends');
    }
  }
  for (const [i, filter] of (rule.filters ?? []).entries()) {
    for (const field of ['requestRedirect', 'urlRewrite'] as const) {
      const modifier = filter[field]?.path;
      if (modifier !== undefined) {
        checkPathModifier(modifier, rule, [...rulePath, 'filters', i, field, 'path'], report);
      }
    }
  }
}

function checkFilterMembers(
  filters: readonly Partial<RuleFilter>[],
  path: DocumentPath,
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [i, filter] of filters.entries()) {
    const type = filter.type;
    if (type === undefined) continue;
    if (seen.has(type)) report([...path, i, 'type'], `${type} is given twice`);
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

function checkPathModifier(
  modifier: PathModifier,
  rule: HttpRouteRule,
  path: DocumentPath,
  report: Report,
): void {
  const full = modifier.type === 'ReplaceFullPath';
  const [wanted, other] = full
    ? (['replaceFullPath', 'replacePrefixMatch'] as const)
    : (['replacePrefixMatch', 'replaceFullPath'] as const);
  if (modifier[wanted] === undefined)
    report([...path, wanted], `missing (type is ${modifier.type})`);
  if (modifier[other] !== undefined)
    report([...path, other], `does not go with type ${modifier.type}`);
  if (
    !full &&
    !(rule.matches ?? []).every((match) => (match.path?.type ?? 'PathPrefix') === 'PathPrefix')
  ) {
    report([...path, 'type'], 'ReplacePrefixMatch needs matches of type PathPrefix only');
  }
}

function checkBackends(
  rule: HttpRouteRule,
  namespace: string,
  context: { services: ServiceIndex; path: DocumentPath; report: Report },
): void {
  const { services, report } = context;
  const backends = rule.backendRefs ?? [];
  const path: DocumentPath = [...context.path, 'backendRefs'];
  if (backends.length === 0) {
    const redirects = (rule.filters ?? []).some((filter) => filter.type === 'RequestRedirect');
    if (!redirects) report(path, 'missing: a rule needs a backend or a RequestRedirect');
    return;
  }
  if (backends.every((backend) => backend.weight === 0)) {
    report(path, 'the weights sum to 0: no backend would get a request');
  }
  for (const [i, ref] of backends.entries()) {
    if (!checkNamespace(ref.namespace, namespace, [...path, i, 'namespace'], report)) continue;
    if (ref.kind === 'ServiceVersion' && ref.group !== 'remora.dev') {
      report([...path, i, 'group'], 'must be remora.dev for kind ServiceVersion');
    }
    const backend = services.backend(namespace, ref);
    if (backend !== null) {
      checkPort(backend.service, ref.port, [...path, i, 'port'], report);
    } else if (ref.kind === 'ServiceVersion') {
      report(
        [...path, i, 'name'],
        `ServiceVersion "${ref.name}" does not exist in namespace "${namespace}" (${listed(services.versionNames(namespace))})`,
      );
    } else {
      findService(services, namespace, ref.name, (message) =>
        report([...path, i, 'name'], message),
      );
    }
  }
}

function checkTimeouts(rule: HttpRouteRule, path: DocumentPath, report: Report): void {
  const { request, backendRequest } = rule.timeouts ?? {};
  if (request === undefined || backendRequest === undefined) return;
  const requestMs = durationMs(request);
  if (requestMs > 0 && durationMs(backendRequest) > requestMs) {
    report(
      [...path, 'timeouts', 'backendRequest'],
      `must not exceed timeouts.request (${request}), not ${backendRequest}`,
    );
  }
}
