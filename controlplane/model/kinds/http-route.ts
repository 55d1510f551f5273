// HTTPRoute of the Gateway API (v1), as its mesh profile uses it: parentRefs name the Service whose
// callers are routed. A backend is a Service, or (ours) a ServiceVersion of group remora.dev.
// Source of names and meaning: gateway-api.sigs.k8s.io, HTTPRoute v1 and its mesh use.

import Type, { type Static } from 'typebox';
import {
  closedObject,
  DnsLabel,
  DurationText,
  GATEWAY_API_VERSION,
  kindSchema,
  ObjectName,
  Port,
} from '../primitives.ts';

const HeaderName = Type.String({
  pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$",
  maxLength: 256,
  title: 'an HTTP header name',
});
const HeaderValue = Type.String({
  // A control character in a value would let a route split a message.
  pattern: '^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$',
  minLength: 1,
  maxLength: 4096,
  title: 'an HTTP header value (no control characters)',
});
const MatchType = Type.Optional(Type.Enum(['Exact', 'RegularExpression']));

const HeaderMatch = closedObject({ type: MatchType, name: HeaderName, value: HeaderValue });
const QueryParamMatch = closedObject({
  type: MatchType,
  name: Type.String({ minLength: 1, maxLength: 256 }),
  value: Type.String({ minLength: 1, maxLength: 1024 }),
});

export const HttpRouteMatch = closedObject({
  path: Type.Optional(
    closedObject({
      /** Default PathPrefix. */
      type: Type.Optional(Type.Enum(['Exact', 'PathPrefix', 'RegularExpression'])),
      /** Default `/`. */
      value: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    }),
  ),
  headers: Type.Optional(Type.Array(HeaderMatch, { maxItems: 16 })),
  queryParams: Type.Optional(Type.Array(QueryParamMatch, { maxItems: 16 })),
  method: Type.Optional(
    Type.Enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']),
  ),
});
export type HttpRouteMatch = Static<typeof HttpRouteMatch>;

const HeaderAssignment = closedObject({ name: HeaderName, value: HeaderValue });
const HeaderModifier = closedObject({
  set: Type.Optional(Type.Array(HeaderAssignment, { maxItems: 16 })),
  add: Type.Optional(Type.Array(HeaderAssignment, { maxItems: 16 })),
  remove: Type.Optional(Type.Array(HeaderName, { maxItems: 16 })),
});
export type HeaderModifier = Static<typeof HeaderModifier>;

const AbsolutePath = Type.String({
  pattern: '^/',
  maxLength: 1024,
  title: 'a path that starts with /',
});
const PathModifier = closedObject({
  type: Type.Enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
  replaceFullPath: Type.Optional(AbsolutePath),
  replacePrefixMatch: Type.Optional(AbsolutePath),
});
export type PathModifier = Static<typeof PathModifier>;

const headerFilters = {
  requestHeaderModifier: Type.Optional(HeaderModifier),
  responseHeaderModifier: Type.Optional(HeaderModifier),
};

const RequestRedirect = closedObject({
  scheme: Type.Optional(Type.Enum(['http', 'https'])),
  hostname: Type.Optional(ObjectName),
  path: Type.Optional(PathModifier),
  port: Type.Optional(Port),
  /** Default 302. */
  statusCode: Type.Optional(Type.Enum([301, 302, 303, 307, 308])),
});
export type RequestRedirect = Static<typeof RequestRedirect>;

const UrlRewrite = closedObject({
  hostname: Type.Optional(ObjectName),
  path: Type.Optional(PathModifier),
});
export type UrlRewrite = Static<typeof UrlRewrite>;

const RuleFilter = closedObject({
  type: Type.Enum([
    'RequestHeaderModifier',
    'ResponseHeaderModifier',
    'RequestRedirect',
    'URLRewrite',
  ]),
  ...headerFilters,
  requestRedirect: Type.Optional(RequestRedirect),
  urlRewrite: Type.Optional(UrlRewrite),
});
export type RuleFilter = Static<typeof RuleFilter>;

const BackendFilter = closedObject({
  type: Type.Enum(['RequestHeaderModifier', 'ResponseHeaderModifier']),
  ...headerFilters,
});

export const BackendRef = closedObject({
  /** '' (default) with kind Service; `remora.dev` with ServiceVersion (and also allowed with Service). */
  group: Type.Optional(Type.Enum(['', 'remora.dev'])),
  /** Default Service. */
  kind: Type.Optional(Type.Enum(['Service', 'ServiceVersion'])),
  /** A Service's name, or `<service>-<version>`. */
  name: ObjectName,
  /** Must be the route's own: references across namespaces need ReferenceGrant. */
  namespace: Type.Optional(DnsLabel),
  port: Type.Optional(Port),
  /** Share among the rule's backends, default 1. */
  weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  filters: Type.Optional(Type.Array(BackendFilter, { maxItems: 2 })),
});
export type BackendRef = Static<typeof BackendRef>;

export const HttpRouteRule = closedObject({
  name: Type.Optional(DnsLabel),
  matches: Type.Optional(Type.Array(HttpRouteMatch, { minItems: 1, maxItems: 64 })),
  filters: Type.Optional(Type.Array(RuleFilter, { maxItems: 16 })),
  backendRefs: Type.Optional(Type.Array(BackendRef, { maxItems: 16 })),
  timeouts: Type.Optional(
    closedObject({
      /** Whole request; 0s = none. */
      request: Type.Optional(DurationText),
      /** One try; 0s = none. */
      backendRequest: Type.Optional(DurationText),
    }),
  ),
  /** GEP-1731. */
  retry: Type.Optional(
    closedObject({
      codes: Type.Optional(
        Type.Array(Type.Integer({ minimum: 400, maximum: 599 }), { minItems: 1 }),
      ),
      attempts: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
      backoff: Type.Optional(DurationText),
    }),
  ),
});
export type HttpRouteRule = Static<typeof HttpRouteRule>;

export const HttpRoute = kindSchema(
  GATEWAY_API_VERSION,
  'HTTPRoute',
  closedObject({
    parentRefs: Type.Array(
      closedObject({
        group: Type.Optional(Type.Enum(['', 'remora.dev'])),
        kind: Type.Literal('Service'),
        name: DnsLabel,
        namespace: Type.Optional(DnsLabel),
        port: Type.Optional(Port),
      }),
      { minItems: 1, maxItems: 32 },
    ),
    rules: Type.Array(HttpRouteRule, { minItems: 1, maxItems: 64 }),
  }),
);
export type HttpRoute = Static<typeof HttpRoute>;
