// RDS: the one route configuration of outbound listeners. A virtual host per service, chosen by Host.

import type {
  HeaderValueOptionProto,
  RouteActionProto,
  RouteConfigurationProto,
  RouteProto,
  VirtualHostProto,
  WeightedClusterClusterWeightProto,
} from '../../proto/gen/types.ts';
import type {
  BackendNode,
  ForwardNode,
  RedirectNode,
  RouteNode,
  ServiceNode,
} from '../graph/graph.ts';
import { durationMs } from '../model/duration.ts';
import type { HttpRouteMatch } from '../model/kinds/http-route.ts';
import type { HeaderModifier } from '../model/kinds/route-parts.ts';
import type { ServiceProtocol } from '../model/kinds/service.ts';
import type { HashOn } from '../model/kinds/traffic-policy.ts';
import { errorRatioBreaker } from './error-ratio.ts';
import { domainsOf, OUTBOUND_ROUTES, outboundCluster } from './names.ts';
import { retryVariants } from './retry.ts';
import { translateMatch, translatePathRewrite } from './route-match.ts';
import { duration, wrapped } from './well-known.ts';

/** What callers in `namespace` that may call `services` get: short host names mean services of their own namespace. */
export function translateRoutes(
  services: readonly ServiceNode[],
  namespace: string,
): RouteConfigurationProto {
  return {
    name: OUTBOUND_ROUTES,
    virtual_hosts: services.map((service) => virtualHost(service, namespace)),
    // CDS and RDS are separate resources; order is the server's business (make before break).
    validate_clusters: wrapped(false),
  };
}

function virtualHost(service: ServiceNode, namespace: string): VirtualHostProto {
  const routes = service.routes ?? [wholeService(service)];
  return {
    name: service.id,
    domains: domainsOf(service, namespace),
    routes: routes.flatMap((route) =>
      route.action.kind === 'redirect'
        ? [redirectRoute(route, route.action)]
        : forwardRoutes(route, route.action, service),
    ),
  };
}

/** The route of a service that no HTTPRoute is attached to. */
export function wholeService(service: ServiceNode): Omit<RouteNode, 'rule'> {
  return {
    name: 'default',
    match: {},
    isGrpc: false,
    requestHeaders: null,
    responseHeaders: null,
    policy: { ...service.policy, errorRatio: null },
    action: {
      kind: 'forward',
      backends: [
        {
          serviceId: service.id,
          port: service.port,
          version: null,
          weight: 1,
          requestHeaders: null,
          responseHeaders: null,
        },
      ],
      urlRewrite: null,
      mirrors: [],
      requestTimeoutMs: null,
      perTryTimeoutMs: null,
      retry: null,
    },
  };
}

function forwardRoutes(
  route: Omit<RouteNode, 'rule'>,
  action: ForwardNode,
  service: ServiceNode,
): RouteProto[] {
  const { retries, requestTimeoutMs, idleTimeoutMs, errorRatio } = route.policy;
  // gRPC knows no safe methods: every call is a POST.
  const method = route.match.method ?? (service.protocol === 'GRPC' ? 'POST' : undefined);
  const variants = retryVariants(retries, action, method);
  return variants.map(({ policy, safeMethodsOnly, mayHedge }) => ({
    name: safeMethodsOnly ? `${route.name}/safe-methods` : route.name,
    match: translateMatch(route, safeMethodsOnly),
    route: {
      ...destination(action.backends),
      ...rewriteOf(action, route.match),
      ...mirrorsOf(action),
      timeout: duration(action.requestTimeoutMs ?? requestTimeoutMs),
      ...(idleTimeoutMs === null ? {} : { idle_timeout: duration(idleTimeoutMs) }),
      ...maxStreamDuration(service.protocol, route.policy.maxStreamDurationMs),
      ...(policy === null ? {} : { retry_policy: policy }),
      ...(mayHedge && retries.hedge ? { hedge_policy: { hedge_on_per_try_timeout: true } } : {}),
      ...hashPolicy(service.policy.loadBalancing.hashOn),
    },
    ...(errorRatio === null
      ? {}
      : {
          metadata: {
            typed_filter_metadata: errorRatioBreaker('ROUTE', errorRatio, ruleOf(route.name)),
          },
        }),
    ...headerMutations(route),
  }));
}

/** All matches and methods of a rule have one breaker. */
function ruleOf(routeName: string): string {
  return routeName.slice(0, routeName.lastIndexOf('/'));
}

/** The first that a call has decides. */
function hashPolicy(hashOn: readonly HashOn[]): RouteActionProto {
  if (hashOn.length === 0) return {};
  return {
    hash_policy: hashOn.map(({ header, cookie, queryParameter }) => ({
      ...(header !== undefined
        ? { header: { header_name: header.toLowerCase() } }
        : cookie !== undefined
          ? {
              cookie: {
                name: cookie.name,
                ...(cookie.ttl === undefined
                  ? {}
                  : { ttl: duration(durationMs(cookie.ttl)), path: '/' }),
              },
            }
          : queryParameter !== undefined
            ? { query_parameter: { name: queryParameter } }
            : { connection_properties: { source_ip: true } }),
      terminal: true,
    })),
  };
}

/** A gRPC call brings its deadline along: the sidecars end it then, also when the callee does not. */
function maxStreamDuration(protocol: ServiceProtocol, limitMs: number): RouteActionProto {
  if (protocol !== 'GRPC' && limitMs === 0) return {};
  return {
    max_stream_duration: {
      ...(limitMs === 0 ? {} : { max_stream_duration: duration(limitMs) }),
      // Envoy: 0 = whatever the caller says.
      ...(protocol === 'GRPC' ? { grpc_timeout_header_max: duration(limitMs) } : {}),
    },
  };
}

function destination(backends: readonly BackendNode[]): RouteActionProto {
  const [only] = backends;
  if (only === undefined) throw new Error('a forwarding route without backends');
  const isPlain = only.requestHeaders === null && only.responseHeaders === null;
  if (backends.length === 1 && isPlain) return { cluster: clusterOf(only) };
  return {
    weighted_clusters: {
      clusters: backends.map(
        (backend): WeightedClusterClusterWeightProto => ({
          name: clusterOf(backend),
          weight: wrapped(backend.weight),
          ...headerMutations(backend),
        }),
      ),
    },
  };
}

function clusterOf(backend: BackendNode): string {
  return outboundCluster(backend.serviceId, backend.port, backend.version);
}

const denominators = { 100: 'HUNDRED', 10000: 'TEN_THOUSAND', 1000000: 'MILLION' } as const;

function mirrorsOf({ mirrors }: ForwardNode): RouteActionProto {
  if (mirrors.length === 0) return {};
  return {
    request_mirror_policies: mirrors.map((mirror) => ({
      cluster: outboundCluster(mirror.serviceId, mirror.port, mirror.version),
      runtime_fraction: {
        default_value: {
          numerator: mirror.numerator,
          denominator: denominators[mirror.denominator],
        },
      },
    })),
  };
}

function rewriteOf(action: ForwardNode, match: HttpRouteMatch): RouteActionProto {
  const { hostname, path } = action.urlRewrite ?? {};
  return {
    ...(hostname === undefined ? {} : { host_rewrite_literal: hostname }),
    ...(path === undefined ? {} : translatePathRewrite(path, match)),
  };
}

const redirectCodes = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
} as const;

function redirectRoute(route: Omit<RouteNode, 'rule'>, { redirect }: RedirectNode): RouteProto {
  const { scheme, hostname, port, path, statusCode = 302 } = redirect;
  return {
    name: route.name,
    match: translateMatch(route, false),
    redirect: {
      ...(scheme === undefined ? {} : { scheme_redirect: scheme }),
      ...(hostname === undefined ? {} : { host_redirect: hostname }),
      ...(port === undefined ? {} : { port_redirect: port }),
      ...(path === undefined ? {} : redirectPath(path, route.match)),
      response_code: redirectCodes[statusCode],
    },
    ...headerMutations(route),
  };
}

function redirectPath(
  path: NonNullable<RedirectNode['redirect']['path']>,
  match: HttpRouteMatch,
): NonNullable<RouteProto['redirect']> {
  return path.type === 'ReplaceFullPath'
    ? { path_redirect: path.replaceFullPath ?? '/' }
    : translatePathRewrite(path, match);
}

type HeaderMutations = Pick<
  RouteProto,
  | 'request_headers_to_add'
  | 'request_headers_to_remove'
  | 'response_headers_to_add'
  | 'response_headers_to_remove'
>;

function headerMutations(of: {
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
}): HeaderMutations {
  const { requestHeaders: request, responseHeaders: response } = of;
  return {
    ...(hasAdds(request) ? { request_headers_to_add: headersToAdd(request) } : {}),
    ...(request?.remove?.length ? { request_headers_to_remove: lowerCase(request.remove) } : {}),
    ...(hasAdds(response) ? { response_headers_to_add: headersToAdd(response) } : {}),
    ...(response?.remove?.length ? { response_headers_to_remove: lowerCase(response.remove) } : {}),
  };
}

function hasAdds(modifier: HeaderModifier | null): modifier is HeaderModifier {
  return (modifier?.set?.length ?? 0) + (modifier?.add?.length ?? 0) > 0;
}

function headersToAdd(modifier: HeaderModifier): HeaderValueOptionProto[] {
  const option = (
    header: { name: string; value: string },
    action: 'OVERWRITE_IF_EXISTS_OR_ADD' | 'APPEND_IF_EXISTS_OR_ADD',
  ): HeaderValueOptionProto => ({
    // Envoy reads the value as a format string; the Gateway API has none.
    header: { key: header.name.toLowerCase(), value: header.value.replaceAll('%', '%%') },
    append_action: action,
  });
  return [
    ...(modifier.set ?? []).map((header) => option(header, 'OVERWRITE_IF_EXISTS_OR_ADD')),
    ...(modifier.add ?? []).map((header) => option(header, 'APPEND_IF_EXISTS_OR_ADD')),
  ];
}

function lowerCase(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase());
}
