// GRPCRoute of the Gateway API (v1) in its mesh use: calls told apart by gRPC service, method and metadata. What
// it shares with HTTPRoute is in route-parts.ts. Source: gateway-api.sigs.k8s.io, GRPCRoute v1.

import Type, { type Static } from 'typebox';
import { closedObject, DnsLabel, GATEWAY_API_VERSION, kindSchema } from '../primitives.ts';
import {
  BackendRef,
  HeaderMatch,
  headerFilters,
  MatchType,
  mirrorFilter,
  ParentRefs,
} from './route-parts.ts';

/** Their characters depend on the type: model/semantics-grpc-route. */
const MethodPart = Type.Optional(Type.String({ minLength: 1, maxLength: 1024 }));

export const GrpcRouteMatch = closedObject({
  method: Type.Optional(
    closedObject({
      type: MatchType,
      /** Full name with its package, `shop.v1.Stock`; without it any service. */
      service: MethodPart,
      /** Without it any method. */
      method: MethodPart,
    }),
  ),
  headers: Type.Optional(Type.Array(HeaderMatch, { maxItems: 16 })),
});
export type GrpcRouteMatch = Static<typeof GrpcRouteMatch>;

const RuleFilter = closedObject({
  type: Type.Enum(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror']),
  ...headerFilters,
  ...mirrorFilter,
});

export const GrpcRouteRule = closedObject({
  /** Unique within the route. */
  name: Type.Optional(DnsLabel),
  matches: Type.Optional(Type.Array(GrpcRouteMatch, { minItems: 1, maxItems: 64 })),
  filters: Type.Optional(Type.Array(RuleFilter, { maxItems: 16 })),
  backendRefs: Type.Optional(Type.Array(BackendRef, { maxItems: 16 })),
});
export type GrpcRouteRule = Static<typeof GrpcRouteRule>;

export const GrpcRoute = kindSchema(
  GATEWAY_API_VERSION,
  'GRPCRoute',
  closedObject({
    parentRefs: ParentRefs,
    rules: Type.Array(GrpcRouteRule, { minItems: 1, maxItems: 16 }),
  }),
);
export type GrpcRoute = Static<typeof GrpcRoute>;
