// The grpc-timeout header (gRPC over HTTP/2: TimeoutValue TimeoutUnit). Read by hcm and router, which shorten it for
// what they take themselves. Arithmetic and rounding as in Envoy's Grpc::Common.

import { type HeaderFields, setField } from '../api/headers.ts';

const NAME = 'grpc-timeout';
const MAX_VALUE = 99_999_999;
const HOUR_MS = 3_600_000;
const VALUE = /^[0-9]{1,8}$/;

/** A limit on what a client may ask for, and what is taken off for the way. */
export interface GrpcTimeoutRule {
  /** Milliseconds; 0 = no limit. */
  readonly maxMs: number;
  readonly offsetMs: number;
}

/** Whole milliseconds, parts of one count as one; -1 = the header is absent or malformed, and means nothing. */
export function grpcTimeoutMs(value: string | null): number {
  if (value === null || value.length < 2) return -1;
  const digits = value.slice(0, -1);
  if (!VALUE.test(digits)) return -1;
  const amount = Number(digits);
  switch (value.charCodeAt(value.length - 1)) {
    case 0x48: // H
      return amount * HOUR_MS;
    case 0x4d: // M
      return amount * 60_000;
    case 0x53: // S
      return amount * 1000;
    case 0x6d: // m
      return amount;
    case 0x75: // u
      return Math.ceil(amount / 1000);
    case 0x6e: // n
      return Math.ceil(amount / 1_000_000);
    default:
      return -1;
  }
}

/** In milliseconds while eight digits hold them, else in the next unit that fits, cut off. */
export function formatGrpcTimeout(timeoutMs: number): string {
  let value = Math.floor(timeoutMs);
  if (value <= MAX_VALUE) return `${value}m`;
  value = Math.floor(value / 1000);
  if (value <= MAX_VALUE) return `${value}S`;
  value = Math.floor(value / 60);
  if (value <= MAX_VALUE) return `${value}M`;
  return `${Math.min(Math.floor(value / 60), MAX_VALUE)}H`;
}

export function setGrpcTimeout(fields: HeaderFields, timeoutMs: number): void {
  setField(fields, NAME, formatGrpcTimeout(timeoutMs));
}
