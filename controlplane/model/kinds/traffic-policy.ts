// TrafficPolicy: how callers' sidecars treat one Service, or what one route matches. All fields optional; what is left
// out comes from the policy of the Service, from MeshConfig.spec.defaults, then from model/defaults.ts. Names of meaning as in Envoy.

import Type, { type Static } from 'typebox';
import {
  CookieName,
  Count,
  closedObject,
  DnsLabel,
  DurationText,
  HeaderName,
  kindSchema,
  ObjectName,
  Percent,
  REMORA_API_VERSION,
} from '../primitives.ts';

/** retry_on tokens that a policy may name (Envoy: x-envoy-retry-on and x-envoy-retry-grpc-on). */
export const retryOnTokens = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  // Of gRPC: a grpc-status in the headers of an answer without a body.
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

export const balancingPolicies = [
  'LEAST_REQUEST',
  'ROUND_ROBIN',
  'RANDOM',
  'CONSISTENT_HASH',
  /** By the ORCA load reports in answers. */
  'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
  /** By the answer times of late; Envoys take LEAST_REQUEST instead. */
  'PEAK_EWMA',
] as const;

/** Bytes of a flow-control window: RFC 9113 6.9.1 and Envoy's lower bound. */
const WindowSize = Type.Integer({ minimum: 65_535, maximum: 2_147_483_647 });

/** Of the two kinds that compare instances with each other: below them nothing is concluded. */
const statisticalBounds = {
  /** Instances that have had enough calls. */
  minimumInstances: Type.Optional(Count),
  /** Calls of an instance in one interval. */
  minimumRequests: Type.Optional(Count),
};

/** Exactly one of its fields. */
const HashOn = closedObject({
  header: Type.Optional(HeaderName),
  cookie: Type.Optional(
    closedObject({
      name: CookieName,
      /** Given, a call without the cookie gets one that lives so long; 0s = as long as the browser. */
      ttl: Type.Optional(DurationText),
    }),
  ),
  queryParameter: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  /** `true`: the caller's address. */
  sourceIp: Type.Optional(Type.Literal(true)),
});
export type HashOn = Static<typeof HashOn>;

const settings = {
  timeouts: Type.Optional(
    closedObject({
      /** TCP and TLS handshake to one instance. */
      connect: Type.Optional(DurationText),
      /** Whole request with all its tries; 0s = none. */
      request: Type.Optional(DurationText),
      /** A stream without any byte either way; 0s = none. */
      idle: Type.Optional(DurationText),
      /** Longest life of a stream from its first byte; also caps grpc-timeout. 0s = none. */
      maxStreamDuration: Type.Optional(DurationText),
    }),
  ),
  retries: Type.Optional(
    closedObject({
      /** Tries after the first; 0 = no retries. */
      attempts: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
      perTryTimeout: Type.Optional(DurationText),
      /** Replaces the default conditions, for all methods. */
      retryOn: Type.Optional(Type.Array(Type.Enum([...retryOnTokens]), { minItems: 1 })),
      retriableStatusCodes: Type.Optional(
        Type.Array(Type.Integer({ minimum: 400, maximum: 599 }), { minItems: 1 }),
      ),
      backoff: Type.Optional(
        closedObject({
          base: Type.Optional(DurationText),
          max: Type.Optional(DurationText),
          /** Wait as long as the answer's retry-after says, if that is no more than so long. */
          retryAfterUpTo: Type.Optional(DurationText),
        }),
      ),
      /** At perTryTimeout a further try begins and the first goes on: the first good answer counts. */
      hedge: Type.Optional(Type.Boolean()),
      /** Retries in flight, at most, as a share of the requests in flight. */
      budgetPercent: Type.Optional(Percent),
    }),
  ),
  circuitBreakers: Type.Optional(
    closedObject({
      maxConnections: Type.Optional(Count),
      maxPendingRequests: Type.Optional(Count),
      maxRequests: Type.Optional(Count),
      /** Of each instance; default: only the ceiling of all. */
      maxConnectionsPerInstance: Type.Optional(Count),
      /** A fixed ceiling instead of the retry budget. */
      maxRetries: Type.Optional(Count),
      /** Stop calling for a while when so many calls fail; off unless given. Envoys ignore it. */
      errorRatio: Type.Optional(
        closedObject({
          /** Percent of the calls in `window`. */
          threshold: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
          minimumRequests: Type.Optional(Count),
          window: Type.Optional(DurationText),
          /** No call goes out for so long; then some try whether it is better. */
          openFor: Type.Optional(DurationText),
          probes: Type.Optional(Type.Integer({ minimum: 1, maximum: 255 })),
          /** Of all calls to the Service (default), or of each instance for itself. A route has one for its own calls. */
          scope: Type.Optional(Type.Enum(['SERVICE', 'INSTANCE'])),
        }),
      ),
    }),
  ),
  outlierDetection: Type.Optional(
    closedObject({
      enabled: Type.Optional(Type.Boolean()),
      consecutive5xx: Type.Optional(Count),
      consecutiveGatewayFailure: Type.Optional(Count),
      interval: Type.Optional(DurationText),
      baseEjectionTime: Type.Optional(DurationText),
      maxEjectionTime: Type.Optional(DurationText),
      maxEjectionPercent: Type.Optional(Percent),
      /** Only say (admin interface, event log, stats) what would have been ejected. */
      dryRun: Type.Optional(Type.Boolean()),
      /** Eject who fails so many percent of its calls in an interval; off unless given. */
      failurePercentage: Type.Optional(
        closedObject({ threshold: Type.Optional(Percent), ...statisticalBounds }),
      ),
      /** Eject who succeeds much less than the others do; off unless given. */
      successRate: Type.Optional(
        closedObject({
          /** Standard deviations below the mean. */
          deviations: Type.Optional(Type.Number({ minimum: 0.1, maximum: 10 })),
          ...statisticalBounds,
        }),
      ),
      /** Count a gRPC call by the grpc-status in its trailers, not by its head; Envoys ignore it. */
      grpcStatusFromTrailers: Type.Optional(Type.Boolean()),
    }),
  ),
  /** Of the HTTP/2 connections between callers' sidecars and the Service's; both ends keep to them. */
  http2: Type.Optional(
    closedObject({
      /** Streams at once per connection; callers open another one for more. */
      maxConcurrentStreams: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647 })),
      initialStreamWindowSize: Type.Optional(WindowSize),
      initialConnectionWindowSize: Type.Optional(WindowSize),
      keepalive: Type.Optional(
        closedObject({
          /** Between two PINGs; 0s = none are sent. */
          interval: Type.Optional(DurationText),
          /** The connection closes when a PING was not answered by then. */
          timeout: Type.Optional(DurationText),
        }),
      ),
      /** A caller's connection is replaced after so many. */
      maxRequestsPerConnection: Type.Optional(Count),
    }),
  ),
  loadBalancing: Type.Optional(
    closedObject({
      policy: Type.Optional(Type.Enum([...balancingPolicies])),
      /** Of LEAST_REQUEST and PEAK_EWMA: instances compared per pick. */
      choiceCount: Type.Optional(Type.Integer({ minimum: 2, maximum: 100 })),
      /** Of CONSISTENT_HASH: the first of them that a call has chooses its instance. */
      hashOn: Type.Optional(Type.Array(HashOn, { minItems: 1, maxItems: 8 })),
      /** Of LEAST_REQUEST and ROUND_ROBIN: a new instance gets its whole share only after so long. */
      slowStart: Type.Optional(DurationText),
      /** FAILOVER: the caller's zone first, then its region, then any; by the Workloads' topology labels. */
      locality: Type.Optional(Type.Enum(['FAILOVER', 'IGNORE'])),
    }),
  ),
};

export const TrafficSettings = closedObject(settings);
export type TrafficSettings = Static<typeof TrafficSettings>;

/** Probes of each instance by each caller's sidecar, with its identity. Exactly one of http, grpc and tcp. */
const HealthCheck = closedObject({
  /** A GET that must be answered with 200. */
  http: Type.Optional(
    closedObject({
      path: Type.String({
        pattern: '^/[^\\s?#*]*$',
        maxLength: 1024,
        title: 'a path that starts with / and has no query, space or *',
      }),
    }),
  ),
  /** grpc.health.v1.Health/Check must say SERVING. */
  grpc: Type.Optional(
    closedObject({
      /** What is asked about; default '', the server as a whole. */
      service: Type.Optional(Type.String({ maxLength: 1024 })),
    }),
  ),
  /** The instance's sidecar takes the connection; of the application it says nothing. */
  tcp: Type.Optional(closedObject({})),
  /** While there is traffic; without any, once a minute (Envoy: no_traffic_interval). */
  interval: Type.Optional(DurationText),
  timeout: Type.Optional(DurationText),
  /** Failures in a row that take an instance out. */
  unhealthyThreshold: Type.Optional(Count),
  /** Successes in a row that bring it back. */
  healthyThreshold: Type.Optional(Count),
});
export type HealthCheck = Static<typeof HealthCheck>;

/** In the policy's own namespace (Gateway API policy shape). */
const TargetRef = closedObject({
  group: Type.Optional(Type.Enum(['', 'remora.dev', 'gateway.networking.k8s.io'])),
  kind: Type.Enum(['Service', 'HTTPRoute', 'GRPCRoute']),
  name: ObjectName,
  /** Of a route: the name of one of its rules; default: all of them. */
  sectionName: Type.Optional(DnsLabel),
});

export const TrafficPolicy = kindSchema(
  REMORA_API_VERSION,
  'TrafficPolicy',
  closedObject({ targetRef: TargetRef, ...settings, healthCheck: Type.Optional(HealthCheck) }),
);
export type TrafficPolicy = Static<typeof TrafficPolicy>;
