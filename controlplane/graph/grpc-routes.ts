// GRPCRoutes to routes per Service: see route-nodes.ts. A gRPC call is a request for /<service>/<method>, so what
// they match becomes a path, of requests with gRPC's content type only.

import type { GrpcRoute, GrpcRouteMatch } from '../model/kinds/grpc-route.ts';
import type { HttpRoute, HttpRouteMatch } from '../model/kinds/http-route.ts';
import { namespaceOf } from '../model/object.ts';
import type { ServiceIndex } from '../model/references.ts';
import type { ForwardNode } from './graph.ts';
import {
  backendNodes,
  headerModifiers,
  mirrorNodes,
  orderRoutes,
  parentIds,
  type RankedRoute,
  type RouteRule,
  routeName,
  ruleNode,
} from './route-nodes.ts';

/** Routes by service id, most specific first. Services without GRPCRoute are absent. */
export function grpcRoutesByService(
  routes: readonly GrpcRoute[],
  index: ServiceIndex,
): Map<string, RouteRule[]> {
  return orderRoutes(routes, (route) => nodesOf(route, index));
}

/**
 * Ids of the Services where an HTTPRoute is not applied, because a GRPCRoute is attached too: one kind alone
 * counts, and GRPCRoute is the more specific one. Source: GEP-1426, Route types.
 */
export function conflictedParents(
  route: HttpRoute,
  grpcRoutes: readonly GrpcRoute[],
): ReadonlySet<string> {
  const taken = new Set(grpcRoutes.flatMap((grpcRoute) => [...parentIds(grpcRoute)]));
  return new Set([...parentIds(route)].filter((id) => taken.has(id)));
}

function nodesOf(route: GrpcRoute, index: ServiceIndex): RankedRoute[] {
  return route.spec.rules.flatMap((rule, r) => {
    const action: ForwardNode = {
      kind: 'forward',
      backends: backendNodes(rule.backendRefs ?? [], namespaceOf(route), index),
      urlRewrite: null,
      mirrors: mirrorNodes(rule.filters ?? [], namespaceOf(route), index),
      requestTimeoutMs: null,
      perTryTimeoutMs: null,
      retry: null,
    };
    const headers = headerModifiers(rule.filters ?? []);
    const matches: readonly GrpcRouteMatch[] = rule.matches ?? [{}];
    return matches.map((match, m) => ({
      rank: rank(match),
      node: {
        name: `${routeName(route)}/${r}/${m}`,
        match: httpMatch(match),
        isGrpc: true,
        rule: ruleNode(route, rule),
        action,
        ...headers,
      },
    }));
  });
}

const ANY_NAME = '[^/]+';

function httpMatch({ method: names, headers }: GrpcRouteMatch): HttpRouteMatch {
  return {
    ...(names === undefined ? {} : { path: pathOf(names) }),
    ...(headers === undefined ? {} : { headers }),
  };
}

function pathOf(names: NonNullable<GrpcRouteMatch['method']>): NonNullable<HttpRouteMatch['path']> {
  const { type = 'Exact', service, method } = names;
  if (type === 'Exact' && service !== undefined) {
    return method === undefined
      ? { type: 'PathPrefix', value: `/${service}` }
      : { type: 'Exact', value: `/${service}/${method}` };
  }
  // An exact method of any service has no character that means something in a regular expression.
  const part = (name: string | undefined) => (name === undefined ? ANY_NAME : `(?:${name})`);
  return {
    type: 'RegularExpression',
    value:
      type === 'Exact' ? `/${ANY_NAME}/${method ?? ANY_NAME}` : `/${part(service)}/${part(method)}`,
  };
}

/**
 * Gateway API, GRPCRouteRule.matches: most characters of the service, then of the method, then most header
 * matches. Where a regular expression stands is left to us: behind every name, before nothing at all.
 */
function rank({ method: names, headers }: GrpcRouteMatch): number[] {
  const isRegex = names?.type === 'RegularExpression';
  const of = (name: string | undefined) => (name === undefined ? 0 : isRegex ? 0.5 : name.length);
  return [of(names?.service), of(names?.method), headers?.length ?? 0];
}
