// What HTTPRoute and GRPCRoute of the Gateway API (v1) have in common, as the mesh profile uses it: parentRefs
// name the Service whose callers are routed, a backend is a Service, or (ours) a ServiceVersion of group
// remora.dev. Source of names and meaning: gateway-api.sigs.k8s.io, and GEP-1426 for routes of a mesh.

import Type, { type Static } from 'typebox';
import { closedObject, DnsLabel, HeaderName, ObjectName, Percent, Port } from '../primitives.ts';

const HeaderValue = Type.String({
  // A control character in a value would let a route split a message.
  pattern: '^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$',
  minLength: 1,
  maxLength: 4096,
  title: 'an HTTP header value (no control characters)',
});

/** Default Exact. */
export const MatchType = Type.Optional(Type.Enum(['Exact', 'RegularExpression']));

export const HeaderMatch = closedObject({ type: MatchType, name: HeaderName, value: HeaderValue });
export type HeaderMatch = Static<typeof HeaderMatch>;

const HeaderAssignment = closedObject({ name: HeaderName, value: HeaderValue });
const HeaderModifier = closedObject({
  set: Type.Optional(Type.Array(HeaderAssignment, { maxItems: 16 })),
  add: Type.Optional(Type.Array(HeaderAssignment, { maxItems: 16 })),
  remove: Type.Optional(Type.Array(HeaderName, { maxItems: 16 })),
});
export type HeaderModifier = Static<typeof HeaderModifier>;

/** The settings of the two filters that every route and every backend can have. */
export const headerFilters = {
  requestHeaderModifier: Type.Optional(HeaderModifier),
  responseHeaderModifier: Type.Optional(HeaderModifier),
};

export const HeaderFilter = closedObject({
  type: Type.Enum(['RequestHeaderModifier', 'ResponseHeaderModifier']),
  ...headerFilters,
});
export type HeaderFilter = Static<typeof HeaderFilter>;

const backendIdentity = {
  /** '' (default) with kind Service; `remora.dev` with ServiceVersion (and also allowed with Service). */
  group: Type.Optional(Type.Enum(['', 'remora.dev'])),
  /** Default Service. */
  kind: Type.Optional(Type.Enum(['Service', 'ServiceVersion'])),
  /** A Service's name, or `<service>-<version>`. */
  name: ObjectName,
  /** Must be the route's own: references across namespaces need ReferenceGrant. */
  namespace: Type.Optional(DnsLabel),
  port: Type.Optional(Port),
};

export const BackendRef = closedObject({
  ...backendIdentity,
  /** Share among the rule's backends, default 1. */
  weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  filters: Type.Optional(Type.Array(HeaderFilter, { maxItems: 2 })),
});
export type BackendRef = Static<typeof BackendRef>;

const RequestMirror = closedObject({
  backendRef: closedObject(backendIdentity),
  /** Of the requests; default all. */
  percent: Type.Optional(Percent),
  /** The same, finer. */
  fraction: Type.Optional(
    closedObject({
      numerator: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
      /** Default 100. */
      denominator: Type.Optional(Type.Enum([100, 10_000, 1_000_000])),
    }),
  ),
});
export type RequestMirror = Static<typeof RequestMirror>;

/** The settings of the filter that every rule can have, besides headerFilters. */
export const mirrorFilter = { requestMirror: Type.Optional(RequestMirror) };

export const ParentRefs = Type.Array(
  closedObject({
    group: Type.Optional(Type.Enum(['', 'remora.dev'])),
    kind: Type.Literal('Service'),
    name: DnsLabel,
    namespace: Type.Optional(DnsLabel),
    port: Type.Optional(Port),
  }),
  { minItems: 1, maxItems: 32 },
);
