// The intermediate form between documents and xDS: an immutable picture of the mesh in which every
// reference is resolved and every default filled in. graph/builder makes it, translate/ reads it.

import type {
  HealthCheckSettings,
  MeshSettings,
  RoutePolicySettings,
  TrafficPolicySettings,
} from '../model/defaults.ts';
import type { HttpRouteMatch, RequestRedirect, UrlRewrite } from '../model/kinds/http-route.ts';
import type { HeaderModifier } from '../model/kinds/route-parts.ts';
import type { ServiceProtocol } from '../model/kinds/service.ts';
import type { LocalityNode } from './locality.ts';

export interface MeshGraph {
  readonly settings: MeshSettings;
  /** Sorted by id. */
  readonly services: readonly ServiceNode[];
  /** By node id, which is `<namespace>/<workload name>`. */
  readonly proxies: ReadonlyMap<string, ProxyNode>;
}

export interface ServiceNode {
  /** `orders.default`. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** `spiffe://<trust domain>/ns/<namespace>/sa/<name>`. */
  readonly spiffeId: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  /** Ids of the Services that its sidecars are told of, its own among them and those that routes lead on to; null = all. */
  readonly visible: VisibleServices | null;
  /** Declared versions, in the order of the document. */
  readonly versions: readonly string[];
  readonly policy: TrafficPolicySettings;
  /** null = instances are not probed. */
  readonly healthCheck: HealthCheckSettings | null;
  /** From HTTPRoutes or GRPCRoutes, most specific first; null = none is attached, all requests go to the service. */
  readonly routes: readonly RouteNode[] | null;
  /** Who may call; null = every mesh identity. */
  readonly allow: readonly AllowRule[] | null;
  /** Sorted by node id. */
  readonly endpoints: readonly EndpointNode[];
}

export interface VisibleServices {
  /** That it may name: itself and what it depends on. */
  readonly callable: ReadonlySet<string>;
  /** Those, and all that their routes lead to. */
  readonly reachable: ReadonlySet<string>;
}

export interface EndpointNode {
  readonly nodeId: string;
  readonly address: string;
  readonly port: number;
  readonly version: string | null;
  readonly weight: number;
  readonly locality: LocalityNode;
}

/** One sidecar: what its listeners need to know. */
export interface ProxyNode {
  readonly nodeId: string;
  readonly service: ServiceNode;
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly appPort: number;
  readonly locality: LocalityNode;
}

export interface AllowRule {
  /** `<policy>-<rule index>`: the name of the RBAC policy. */
  readonly name: string;
  /** SPIFFE ids, null = any mesh identity. */
  readonly principals: readonly string[] | null;
  /** Any of them; null = any request. */
  readonly requests: readonly AllowedRequest[] | null;
}

export interface AllowedRequest {
  /** null = any. */
  readonly methods: readonly string[] | null;
  readonly paths: readonly string[] | null;
}

/** One match of one rule of one HTTPRoute or GRPCRoute. */
export interface RouteNode {
  /** `<namespace>/<route>/<rule index>/<match index>`. */
  readonly name: string;
  readonly match: HttpRouteMatch;
  readonly rule: RuleNode;
  /** Matches gRPC requests only (by content type). */
  readonly isGrpc: boolean;
  readonly action: ForwardNode | RedirectNode;
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
  /** Of its Service, of TrafficPolicies of the route and of its rule. What `action` says itself goes before it. */
  readonly policy: RoutePolicySettings;
}

/** Whose rule a route is made of. */
export interface RuleNode {
  readonly kind: 'HTTPRoute' | 'GRPCRoute';
  readonly namespace: string;
  readonly route: string;
  /** null = the rule has no name. */
  readonly name: string | null;
}

export interface ForwardNode {
  readonly kind: 'forward';
  /** Weights are > 0. */
  readonly backends: readonly BackendNode[];
  readonly urlRewrite: UrlRewrite | null;
  /** null = the route's policy; 0 = none. */
  readonly requestTimeoutMs: number | null;
  readonly perTryTimeoutMs: number | null;
  /** Each gets copies; their answers are dropped. */
  readonly mirrors: readonly MirrorNode[];
  /** HTTPRoute retry; null = the route's policy. */
  readonly retry: {
    readonly codes: readonly number[];
    readonly attempts: number | null;
    readonly backoffMs: number | null;
  } | null;
}

export interface MirrorNode {
  readonly serviceId: string;
  readonly port: number;
  readonly version: string | null;
  /** Of the requests: `numerator` in `denominator`. */
  readonly numerator: number;
  readonly denominator: 100 | 10_000 | 1_000_000;
}

export interface RedirectNode {
  readonly kind: 'redirect';
  readonly redirect: RequestRedirect;
}

export interface BackendNode {
  readonly serviceId: string;
  readonly port: number;
  readonly version: string | null;
  readonly weight: number;
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
}
