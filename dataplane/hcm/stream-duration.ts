// How long a request may take in all: max_stream_duration of the route or the connection manager, or what a gRPC client
// asks for (grpc-timeout) where the route lets it. After Envoy's ActiveStream::refreshDurationTimeout.

import { getField, type RequestHeaders } from '../api/headers.ts';
import type { Route } from '../api/route.ts';
import { grpcTimeoutMs, setGrpcTimeout } from '../http/grpc-timeout.ts';
import { isGrpcRequest } from './local-reply.ts';

/** There is no limit. */
export const NO_DURATION = -1;

/**
 * Milliseconds from the stream's start, 0 = it is over already, or NO_DURATION. A gRPC request is told in
 * grpc-timeout what it has got. `defaultMs` = the connection manager's, 0 = none.
 */
export function streamDurationMs(headers: RequestHeaders, route: Route, defaultMs: number): number {
  const durationMs = limitMs(headers, route, defaultMs);
  if (durationMs !== NO_DURATION && isGrpcRequest(headers)) {
    setGrpcTimeout(headers.fields, durationMs);
  }
  return durationMs;
}

function limitMs(headers: RequestHeaders, route: Route, defaultMs: number): number {
  const rule = route.grpcTimeoutHeader;
  const askedMs = rule === null ? -1 : grpcTimeoutMs(getField(headers.fields, 'grpc-timeout'));
  if (rule === null || askedMs === -1) {
    const durationMs = route.maxStreamDurationMs ?? defaultMs;
    return durationMs === 0 ? NO_DURATION : durationMs;
  }
  const allowedMs = rule.maxMs === 0 ? askedMs : Math.min(askedMs, rule.maxMs);
  return Math.max(0, allowedMs - rule.offsetMs);
}
