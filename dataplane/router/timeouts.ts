// Timeouts of one request: the route's and the policy's, what trusted headers make of them, and what the
// upstream is told (x-envoy-expected-rq-timeout-ms).

import {
  getField,
  type HeaderFields,
  type RequestHeaders,
  removeField,
  setField,
} from '../api/headers.ts';
import { type GrpcTimeoutRule, grpcTimeoutMs, setGrpcTimeout } from '../http/grpc-timeout.ts';

/** Milliseconds; 0 = none. Written by finalTimeouts, owned by the router filter. */
export interface Timeouts {
  /** From the end of the request, retries included. */
  globalMs: number;
  /** The global one is what a gRPC client asked for (max_grpc_timeout): the upstream is told in grpc-timeout. */
  isFromGrpc: boolean;
  perTryMs: number;
  perTryIdleMs: number;
  /** Of a try as a whole; -1 = what the cluster says (max_stream_duration). */
  streamMs: number;
  /** A try that exceeds the per-try timeouts goes on beside the next one. */
  hedgesOnPerTryTimeout: boolean;
}

const DIGITS = /^\s*[0-9]{1,15}\s*$/;

/** The value of a header of milliseconds, or -1 (absent, or no number: then it is ignored). */
function headerMs(value: string | null): number {
  return value !== null && DIGITS.test(value) ? Number(value) : -1;
}

function takeField(fields: HeaderFields, name: string, at: number): string {
  const value = fields[at + 1]!;
  removeField(fields, name);
  return value;
}

const GLOBAL = 'x-envoy-upstream-rq-timeout-ms';
const PER_TRY = 'x-envoy-upstream-rq-per-try-timeout-ms';
const STREAM = 'x-envoy-upstream-stream-duration-ms';
const EXPECTED = 'x-envoy-expected-rq-timeout-ms';

/**
 * Replaces the route's timeouts in `timeouts` by what the headers say, and removes those headers. A per-try
 * timeout that is not below the global one has no effect. (Untrusted clients' headers were removed before.)
 */
export function finalTimeouts(
  headers: RequestHeaders,
  timeouts: Timeouts,
  respectExpected: boolean,
): void {
  const { fields } = headers;
  let global: string | null = null;
  let perTry: string | null = null;
  let stream: string | null = null;
  let expected: string | null = null;
  for (let i = 0; i < fields.length; ) {
    const name = fields[i]!;
    if (name === GLOBAL && !(respectExpected && expected !== null)) {
      global = takeField(fields, name, i);
    } else if (name === PER_TRY) {
      perTry = takeField(fields, name, i);
    } else if (name === STREAM) {
      stream = takeField(fields, name, i);
    } else {
      if (name === EXPECTED && respectExpected) expected = fields[i + 1]!;
      i += 2;
    }
  }
  const globalMs = headerMs(expected ?? global);
  if (globalMs !== -1) timeouts.globalMs = globalMs;
  const perTryMs = headerMs(perTry);
  if (perTryMs !== -1) timeouts.perTryMs = perTryMs;
  timeouts.streamMs = headerMs(stream);
  if (timeouts.globalMs !== 0 && timeouts.perTryMs >= timeouts.globalMs) timeouts.perTryMs = 0;
}

/** The global timeout that a gRPC client asks for, by a route's max_grpc_timeout; 0 = none. */
export function grpcGlobalMs({ fields }: RequestHeaders, rule: GrpcTimeoutRule): number {
  let timeoutMs = Math.max(0, grpcTimeoutMs(getField(fields, 'grpc-timeout')));
  // 0 would mean "no timeout".
  if (rule.offsetMs < timeoutMs) timeoutMs -= rule.offsetMs;
  if (rule.maxMs === 0) return timeoutMs;
  return timeoutMs === 0 ? rule.maxMs : Math.min(timeoutMs, rule.maxMs);
}

/** Tells the upstream how long this try may take; nothing when there is no timeout. */
export function setExpectedTimeout(
  headers: RequestHeaders,
  timeouts: Timeouts,
  elapsedMs: number,
  tellsEnvoy: boolean,
): void {
  const { globalMs, perTryMs, isFromGrpc, hedgesOnPerTryTimeout } = timeouts;
  let expectedMs = perTryMs === 0 || hedgesOnPerTryTimeout ? globalMs : perTryMs;
  if (expectedMs === 0) return;
  if (globalMs > 0) {
    // Out of time: 0 would mean "no timeout", and the timer is about to fire anyway.
    const leftMs = globalMs - Math.floor(elapsedMs);
    expectedMs = leftMs <= 0 ? 1 : Math.min(expectedMs, leftMs);
  }
  if (tellsEnvoy) setField(headers.fields, EXPECTED, String(expectedMs));
  if (isFromGrpc) setGrpcTimeout(headers.fields, expectedMs);
}
