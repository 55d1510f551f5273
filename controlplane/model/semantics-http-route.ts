// The cross-field and cross-document checks of HTTPRoute. See semantics.ts.

import { durationMs } from './duration.ts';
import type { HttpRoute, HttpRouteMatch, HttpRouteRule, PathModifier } from './kinds/http-route.ts';
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
} from './semantics-route.ts';

export function checkHttpRoute(route: HttpRoute, services: ServiceIndex, report: Report): void {
  checkParents(route, services, report);
  checkRuleNames(route.spec.rules, report);
  for (const [i, rule] of route.spec.rules.entries()) {
    const path: DocumentPath = ['spec', 'rules', i];
    for (const [m, match] of (rule.matches ?? []).entries()) {
      checkMatch(match, [...path, 'matches', m], report);
    }
    checkFilters(rule, path, report);
    checkHttpFilters(rule, path, report);
    const redirects = (rule.filters ?? []).some((filter) => filter.type === 'RequestRedirect');
    if (!redirects || (rule.backendRefs ?? []).length > 0) {
      checkBackends(rule.backendRefs ?? [], namespaceOf(route), {
        services,
        path: [...path, 'backendRefs'],
        missing: 'missing: a rule needs a backend or a RequestRedirect',
        report,
      });
    }
    checkMirrors(rule, namespaceOf(route), { services, path, report });
    checkTimeouts(rule, path, report);
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
  checkValues(headers, [...path, 'headers'], report);
  checkValues(queryParams, [...path, 'queryParams'], report);
}

function checkHttpFilters(rule: HttpRouteRule, rulePath: DocumentPath, report: Report): void {
  const types = (rule.filters ?? []).map((filter) => filter.type);
  if (types.includes('RequestRedirect')) {
    if (types.includes('URLRewrite'))
      report([...rulePath, 'filters'], 'RequestRedirect and URLRewrite exclude each other');
    if (types.includes('RequestMirror'))
      report([...rulePath, 'filters'], 'RequestRedirect and RequestMirror exclude each other');
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
