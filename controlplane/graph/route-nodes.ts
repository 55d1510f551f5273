// What HTTPRoutes and GRPCRoutes become in the same way: one ordered list of routes per Service. Envoy takes the
// first route that matches, the Gateway API the most specific one, so the precedence of the latter becomes the
// order of the former. Used by http-routes.ts and grpc-routes.ts.

import type { GrpcRoute } from '../model/kinds/grpc-route.ts';
import type { HttpRoute } from '../model/kinds/http-route.ts';
import type { BackendRef, HeaderFilter, RequestMirror } from '../model/kinds/route-parts.ts';
import { namespaceOf } from '../model/object.ts';
import type { ServiceIndex } from '../model/references.ts';
import type { BackendNode, MirrorNode, RouteNode } from './graph.ts';
import { portOf, serviceId } from './ids.ts';

/** A route before it is known which of its Services it is for. */
export type RouteRule = Omit<RouteNode, 'policy'>;

/** A route with its place: the first greater number of two ranks decides. */
export interface RankedRoute {
  readonly node: RouteRule;
  readonly rank: readonly number[];
}

/** Routes by service id, most specific first. Services that no route names are absent. */
export function orderRoutes<R extends HttpRoute | GrpcRoute>(
  routes: readonly R[],
  nodesOf: (route: R) => readonly RankedRoute[],
): Map<string, RouteRule[]> {
  // Ties between routes go to the first in alphabetical order of namespace/name (we keep no age).
  const ordered = [...routes].sort((left, right) => (routeName(left) < routeName(right) ? -1 : 1));
  const ranked = new Map<string, RankedRoute[]>();
  for (const route of ordered) {
    const nodes = nodesOf(route);
    for (const id of parentIds(route)) ranked.set(id, [...(ranked.get(id) ?? []), ...nodes]);
  }
  const byService = new Map<string, RouteRule[]>();
  for (const [id, nodes] of ranked) {
    // sort() is stable: equal matches stay in order of route, rule and match.
    nodes.sort(compareRank);
    byService.set(
      id,
      nodes.map(({ node }) => node),
    );
  }
  return byService;
}

function compareRank(left: RankedRoute, right: RankedRoute): number {
  for (let i = 0; i < left.rank.length; i++) {
    const difference = (right.rank[i] ?? 0) - (left.rank[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Ids of the Services whose callers are routed. */
export function parentIds(route: HttpRoute | GrpcRoute): Set<string> {
  const namespace = namespaceOf(route);
  return new Set(route.spec.parentRefs.map((parent) => serviceId(namespace, parent.name)));
}

export function ruleNode(
  route: HttpRoute | GrpcRoute,
  { name }: { readonly name?: string },
): RouteNode['rule'] {
  const { kind, metadata } = route;
  return { kind, namespace: namespaceOf(route), route: metadata.name, name: name ?? null };
}

export function routeName(route: HttpRoute | GrpcRoute): string {
  return `${namespaceOf(route)}/${route.metadata.name}`;
}

/** Without those of weight 0. */
export function backendNodes(
  refs: readonly BackendRef[],
  namespace: string,
  index: ServiceIndex,
): BackendNode[] {
  const backends: BackendNode[] = [];
  for (const ref of refs) {
    const backend = index.backend(namespace, ref);
    if (backend === null) throw new Error(`unresolved backend ${ref.name}`);
    const weight = ref.weight ?? 1;
    if (weight === 0) continue;
    backends.push({
      serviceId: serviceId(namespaceOf(backend.service), backend.service.metadata.name),
      port: portOf(backend.service),
      version: backend.version,
      weight,
      ...headerModifiers(ref.filters ?? []),
    });
  }
  return backends;
}

export function headerModifiers(
  filters: readonly Pick<HeaderFilter, 'requestHeaderModifier' | 'responseHeaderModifier'>[],
): Pick<RouteNode, 'requestHeaders' | 'responseHeaders'> {
  return {
    requestHeaders: filters.find((f) => f.requestHeaderModifier)?.requestHeaderModifier ?? null,
    responseHeaders: filters.find((f) => f.responseHeaderModifier)?.responseHeaderModifier ?? null,
  };
}

/** Where a rule's mirrors lead. */
export function mirrorNodes(
  filters: readonly { readonly requestMirror?: RequestMirror | undefined }[],
  namespace: string,
  index: ServiceIndex,
): MirrorNode[] {
  return filters.flatMap(({ requestMirror }) => {
    if (requestMirror === undefined) return [];
    const { backendRef, percent, fraction } = requestMirror;
    const backend = index.backend(namespace, backendRef);
    if (backend === null) throw new Error(`unresolved mirror ${backendRef.name}`);
    return [
      {
        serviceId: serviceId(namespaceOf(backend.service), backend.service.metadata.name),
        port: portOf(backend.service),
        version: backend.version,
        numerator: fraction?.numerator ?? percent ?? 100,
        denominator: fraction?.denominator ?? 100,
      },
    ];
  });
}
