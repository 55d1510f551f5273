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
import {
  BackendRef,
  HeaderMatch,
  headerFilters,
  MatchType,
  mirrorFilter,
  ParentRefs,
} from './route-parts.ts';

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
    'RequestMirror',
  ]),
  ...headerFilters,
  ...mirrorFilter,
  requestRedirect: Type.Optional(RequestRedirect),
  urlRewrite: Type.Optional(UrlRewrite),
});
export type RuleFilter = Static<typeof RuleFilter>;

export const HttpRouteRule = closedObject({
  /** Unique within the route. */
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
    parentRefs: ParentRefs,
    rules: Type.Array(HttpRouteRule, { minItems: 1, maxItems: 64 }),
  }),
);
export type HttpRoute = Static<typeof HttpRoute>;
