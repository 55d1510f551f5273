// RDS for proxyless gRPC clients: one table per Service, for every authority (gRFC A27, A28, A31, A44, A42). Only what
// gRPC does; what a route asks for beyond that is named in limits.ts. What no gRPC call can match is left out.

import type {
  HeaderMatcherProto,
  RetryPolicyProto,
  RouteActionHashPolicyProto,
  RouteActionProto,
  RouteConfigurationProto,
  RouteMatchProto,
  RouteProto,
} from '../../../proto/gen/types.ts';
import type { BackendNode, ForwardNode, RouteNode, ServiceNode } from '../../graph/graph.ts';
import type { RoutePolicySettings } from '../../model/defaults.ts';
import type { HttpRouteMatch } from '../../model/kinds/http-route.ts';
import type { HashOn } from '../../model/kinds/traffic-policy.ts';
import { outboundCluster } from '../names.ts';
import { wholeService } from '../route.ts';
import { translateMatch } from '../route-match.ts';
import { duration, wrapped } from '../well-known.ts';
import { grpcRetryConditions, isForGrpc } from './limits.ts';

export function grpcRouteName({ id, port }: ServiceNode): string {
  return `grpc|${port}||${id}`;
}

export function grpcRoutes(service: ServiceNode): RouteConfigurationProto {
  const routes = service.routes ?? [wholeService(service)];
  return {
    name: grpcRouteName(service),
    virtual_hosts: [
      {
        name: service.id,
        domains: ['*'],
        routes: routes.flatMap((route) =>
          route.action.kind === 'forward' && isForGrpc(route.match)
            ? [forward(route, route.action, service)]
            : [],
        ),
      },
    ],
  };
}

type Route = Omit<RouteNode, 'rule'>;

function forward(route: Route, action: ForwardNode, service: ServiceNode): RouteProto {
  return {
    name: route.name,
    match: matchOf(route.match),
    route: {
      ...destination(action.backends),
      ...deadline(route.policy, action),
      ...retries(route.policy.retries, action),
      ...hashPolicy(service.policy.loadBalancing.hashOn),
    },
  };
}

/** The method is always POST, and there is no prefix by path elements: `/a` is written as what is below it. */
function matchOf(match: HttpRouteMatch): RouteMatchProto {
  const { method: _, ...rest } = match;
  const { path_separated_prefix: prefix, ...other } = translateMatch(
    { match: rest, isGrpc: false },
    false,
  );
  const headers = other.headers === undefined ? {} : { headers: other.headers.map(oldForm) };
  if (prefix === undefined) return { ...other, ...headers };
  // A call's path has two elements, service and method.
  const elements = prefix.split('/').length - 1;
  return { ...(elements === 1 ? { prefix: `${prefix}/` } : { path: prefix }), ...headers };
}

/** Older releases do not know string_match. */
function oldForm({ name = '', string_match: match }: HeaderMatcherProto): HeaderMatcherProto {
  return match?.safe_regex === undefined
    ? { name, exact_match: match?.exact ?? '' }
    : { name, safe_regex_match: match.safe_regex };
}

function destination(backends: readonly BackendNode[]): RouteActionProto {
  const [only] = backends;
  if (only === undefined) throw new Error('a forwarding route without backends');
  if (backends.length === 1) return { cluster: clusterOf(only) };
  return {
    weighted_clusters: {
      clusters: backends.map((backend) => ({
        name: clusterOf(backend),
        weight: wrapped(backend.weight),
      })),
    },
  };
}

function clusterOf({ serviceId, port, version }: BackendNode): string {
  return outboundCluster(serviceId, port, version);
}

/** `timeout` is not looked at by gRPC; a limit of the whole call is. */
function deadline(policy: RoutePolicySettings, action: ForwardNode): RouteActionProto {
  const limits = [action.requestTimeoutMs ?? policy.requestTimeoutMs, policy.maxStreamDurationMs];
  const given = limits.filter((ms) => ms > 0);
  if (given.length === 0) return {};
  return { max_stream_duration: { max_stream_duration: duration(Math.min(...given)) } };
}

/**
 * C-core (grpcio 1.85.1) with 1 ms: every other retry never begins, and the call waits for its deadline. With its jitter of
 * 20 % that is a wait of less than 1 ms; with 2 ms all go well.
 */
const MIN_BACKOFF_MS = 2;

/** What was never sent gRPC tries again by itself; num_retries of 0 it refuses. */
function retries(
  { attempts, retryOn, backoffBaseMs, backoffMaxMs }: RoutePolicySettings['retries'],
  { retry }: ForwardNode,
): { retry_policy?: RetryPolicyProto } {
  const count = retry?.attempts ?? attempts;
  const conditions = grpcRetryConditions(retryOn);
  // HTTPRoute's codes are of HTTP.
  if (count === 0 || conditions.length === 0) return {};
  const baseMs = Math.max(MIN_BACKOFF_MS, retry?.backoffMs ?? backoffBaseMs);
  return {
    retry_policy: {
      retry_on: conditions.join(','),
      num_retries: wrapped(count),
      retry_back_off: {
        base_interval: duration(baseMs),
        max_interval: duration(Math.max(baseMs, backoffMaxMs)),
      },
    },
  };
}

/** A client is one caller, so its address and its channel say the same. */
const CHANNEL = 'io.grpc.channel_id';

function hashPolicy(hashOn: readonly HashOn[]): RouteActionProto {
  const policies = hashOn.flatMap(({ header, sourceIp }): RouteActionHashPolicyProto[] =>
    header !== undefined
      ? [{ header: { header_name: header.toLowerCase() }, terminal: true }]
      : sourceIp === true
        ? [{ filter_state: { key: CHANNEL }, terminal: true }]
        : [],
  );
  return policies.length === 0 ? {} : { hash_policy: policies };
}
