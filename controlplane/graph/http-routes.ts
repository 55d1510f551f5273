// HTTPRoutes to routes per Service: see route-nodes.ts.

import { durationMs } from '../model/duration.ts';
import type { HttpRoute, HttpRouteMatch, HttpRouteRule } from '../model/kinds/http-route.ts';
import { namespaceOf } from '../model/object.ts';
import type { ServiceIndex } from '../model/references.ts';
import type { ForwardNode, RedirectNode } from './graph.ts';
import {
  backendNodes,
  headerModifiers,
  mirrorNodes,
  orderRoutes,
  type RankedRoute,
  type RouteRule,
  routeName,
  ruleNode,
} from './route-nodes.ts';

/** Routes by service id, most specific first. Services without HTTPRoute are absent. */
export function httpRoutesByService(
  routes: readonly HttpRoute[],
  index: ServiceIndex,
): Map<string, RouteRule[]> {
  return orderRoutes(routes, (route) => nodesOf(route, index));
}

function nodesOf(route: HttpRoute, index: ServiceIndex): RankedRoute[] {
  return route.spec.rules.flatMap((rule, r) => {
    const filters = rule.filters ?? [];
    const redirect = filters.find((filter) => filter.type === 'RequestRedirect')?.requestRedirect;
    const action: ForwardNode | RedirectNode =
      redirect === undefined
        ? forwardOf(rule, namespaceOf(route), index)
        : { kind: 'redirect', redirect };
    const headers = headerModifiers(filters);
    const matches: readonly HttpRouteMatch[] = rule.matches ?? [{}];
    return matches.map((match, m) => ({
      rank: rank(match),
      node: {
        name: `${routeName(route)}/${r}/${m}`,
        match,
        isGrpc: false,
        rule: ruleNode(route, rule),
        action,
        ...headers,
      },
    }));
  });
}

function forwardOf(rule: HttpRouteRule, namespace: string, index: ServiceIndex): ForwardNode {
  const { timeouts, retry } = rule;
  return {
    kind: 'forward',
    backends: backendNodes(rule.backendRefs ?? [], namespace, index),
    urlRewrite: (rule.filters ?? []).find((filter) => filter.urlRewrite)?.urlRewrite ?? null,
    mirrors: mirrorNodes(rule.filters ?? [], namespace, index),
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
