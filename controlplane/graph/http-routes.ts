// HTTPRoutes to one ordered list of routes per Service. Envoy takes the first route that matches, the
// Gateway API the most specific one, so the precedence of the latter becomes the order of the former.

import { durationMs } from '../model/duration.ts';
import type { HttpRoute, HttpRouteMatch, HttpRouteRule } from '../model/kinds/http-route.ts';
import { namespaceOf } from '../model/object.ts';
import type { ServiceIndex } from '../model/references.ts';
import type { BackendNode, ForwardNode, RedirectNode, RouteNode } from './graph.ts';
import { portOf, serviceId } from './ids.ts';

/** Routes by service id, most specific first. Services without HTTPRoute are absent. */
export function routesByService(
  routes: readonly HttpRoute[],
  index: ServiceIndex,
): Map<string, RouteNode[]> {
  // Ties between HTTPRoutes go to the first in alphabetical order of namespace/name (we keep no age).
  const ordered = [...routes].sort((left, right) => (routeName(left) < routeName(right) ? -1 : 1));
  const byService = new Map<string, RouteNode[]>();
  for (const route of ordered) {
    const nodes = nodesOf(route, index);
    for (const parent of route.spec.parentRefs) {
      const id = serviceId(namespaceOf(route), parent.name);
      byService.set(id, [...(byService.get(id) ?? []), ...nodes]);
    }
  }
  // sort() is stable: equal matches stay in order of route, rule and match.
  for (const nodes of byService.values()) nodes.sort(compareSpecificity);
  return byService;
}

function routeName(route: HttpRoute): string {
  return `${namespaceOf(route)}/${route.metadata.name}`;
}

function nodesOf(route: HttpRoute, index: ServiceIndex): RouteNode[] {
  return route.spec.rules.flatMap((rule, r) => {
    const filters = rule.filters ?? [];
    const redirect = filters.find((filter) => filter.type === 'RequestRedirect')?.requestRedirect;
    const action: ForwardNode | RedirectNode =
      redirect === undefined
        ? forwardOf(rule, namespaceOf(route), index)
        : { kind: 'redirect', redirect };
    const headers = headerFilters(filters);
    const matches: readonly HttpRouteMatch[] = rule.matches ?? [{}];
    return matches.map((match, m) => ({
      name: `${routeName(route)}/${r}/${m}`,
      match,
      action,
      ...headers,
    }));
  });
}

function headerFilters(filters: readonly NonNullable<HttpRouteRule['filters']>[number][]) {
  return {
    requestHeaders: filters.find((f) => f.requestHeaderModifier)?.requestHeaderModifier ?? null,
    responseHeaders: filters.find((f) => f.responseHeaderModifier)?.responseHeaderModifier ?? null,
  };
}

function forwardOf(rule: HttpRouteRule, namespace: string, index: ServiceIndex): ForwardNode {
  const backends: BackendNode[] = [];
  for (const ref of rule.backendRefs ?? []) {
    const backend = index.backend(namespace, ref);
    if (backend === null) throw new Error(`unresolved backend ${ref.name}`);
    const weight = ref.weight ?? 1;
    if (weight === 0) continue;
    backends.push({
      serviceId: serviceId(namespaceOf(backend.service), backend.service.metadata.name),
      port: portOf(backend.service),
      version: backend.version,
      weight,
      ...headerFilters(ref.filters ?? []),
    });
  }
  const { timeouts, retry } = rule;
  return {
    kind: 'forward',
    backends,
    urlRewrite: (rule.filters ?? []).find((filter) => filter.urlRewrite)?.urlRewrite ?? null,
    requestTimeoutMs: timeouts?.request === undefined ? null : durationMs(timeouts.request),
    perTryTimeoutMs:
      timeouts?.backendRequest === undefined ? null : durationMs(timeouts.backendRequest),
    retry:
      retry === undefined
        ? null
        : {
            codes: retry.codes ?? [],
            attempts: retry.attempts ?? null,
            backoffMs: retry.backoff === undefined ? null : durationMs(retry.backoff),
          },
  };
}

/**
 * Gateway API, HTTPRouteRule.matches: exact path, then most characters in a prefix, then method, then
 * most header matches, then most query matches. Where a regular expression stands is left to us: between
 * exact and prefix, because a user writes one to single something out.
 */
function compareSpecificity(left: RouteNode, right: RouteNode): number {
  const [a, b] = [rank(left.match), rank(right.match)];
  for (let i = 0; i < a.length; i++) {
    const difference = (b[i] ?? 0) - (a[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function rank(match: HttpRouteMatch): number[] {
  const type = match.path?.type ?? 'PathPrefix';
  const kindRank = type === 'Exact' ? 2 : type === 'RegularExpression' ? 1 : 0;
  return [
    kindRank,
    type === 'PathPrefix' ? (match.path?.value ?? '/').length : 0,
    match.method === undefined ? 0 : 1,
    match.headers?.length ?? 0,
    match.queryParams?.length ?? 0,
  ];
}
