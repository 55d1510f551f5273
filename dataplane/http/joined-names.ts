// Headers of which several lines become one, their values joined by ',' at the place of the first: those that Envoy
// keeps inline, as a real Envoy 1.40 showed them line by line. Every other header stays as many lines as came.
// Called by the HTTP/1 head parser, and only for a head in which a name may stand twice.

import type { HeaderFields } from '../api/headers.ts';

const both =
  'cache-control connection content-encoding content-type keep-alive proxy-connection proxy-status ' +
  'upgrade via x-envoy-attempt-count x-envoy-decorator-operation x-request-id';

/** Of requests. `te` and what is for proxies only is joined before it is read and removed. */
export const joinedInRequests: ReadonlySet<string> = new Set(
  (
    `${both} accept accept-encoding access-control-request-headers access-control-request-method ` +
    'authorization expect grpc-accept-encoding grpc-timeout if-match if-modified-since if-none-match if-range ' +
    'if-unmodified-since origin pragma referer te user-agent x-client-trace-id ' +
    'x-envoy-downstream-service-cluster x-envoy-downstream-service-node x-envoy-expected-rq-timeout-ms ' +
    'x-envoy-external-address x-envoy-force-trace x-envoy-hedge-on-per-try-timeout x-envoy-internal ' +
    'x-envoy-ip-tags x-envoy-is-timeout-retry x-envoy-max-retries x-envoy-original-host ' +
    'x-envoy-original-path x-envoy-retriable-header-names x-envoy-retriable-status-codes ' +
    'x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name ' +
    'x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response ' +
    'x-envoy-upstream-rq-timeout-ms x-envoy-upstream-stream-duration-ms x-forwarded-client-cert ' +
    'x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto'
  ).split(' '),
);

/** Of responses. */
export const joinedInResponses: ReadonlySet<string> = new Set(
  (
    `${both} access-control-allow-credentials access-control-allow-headers access-control-allow-methods ` +
    'access-control-allow-origin access-control-expose-headers access-control-max-age age date etag ' +
    'expires grpc-message grpc-status last-modified location server vary x-envoy-degraded ' +
    'x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary ' +
    'x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time'
  ).split(' '),
);

/** Joins what `joined` names, in place. */
export function joinRepeated(fields: HeaderFields, joined: ReadonlySet<string>): void {
  let to = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    const first = joined.has(name) ? indexBefore(fields, name, to) : -1;
    if (first === -1) {
      fields[to] = name;
      fields[to + 1] = value;
      to += 2;
    } else fields[first + 1] = joinedValue(fields[first + 1]!, value);
  }
  fields.length = to;
}

/** Where `name` stands in fields[0, end), or -1. Heads have few lines, and few heads come here. */
function indexBefore(fields: HeaderFields, name: string, end: number): number {
  for (let i = 0; i < end; i += 2) if (fields[i] === name) return i;
  return -1;
}

/** An empty value adds no comma: as in Envoy. */
function joinedValue(first: string, second: string): string {
  if (first === '') return second;
  return second === '' ? first : `${first},${second}`;
}
