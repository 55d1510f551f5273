// Reading the plain form of the well-known types: durations to milliseconds, wrappers with defaults,
// percentages to fractions. Called by config/ and extensions/*/config.ts.

import type { JsonValue, PlainDuration, PlainStruct, Wrapper } from './plain.ts';

/** Milliseconds, fractions included (250 us = 0.25). */
export function durationMs(duration: PlainDuration): number {
  return duration.seconds * 1000 + duration.nanos / 1e6;
}

/** Milliseconds of a field that may be absent. */
export function durationMsOr<D>(duration: PlainDuration | undefined, otherwise: D): number | D {
  return duration === undefined ? otherwise : durationMs(duration);
}

/** Inverse of durationMs, to the nearest nanosecond. */
export function durationFromMs(ms: number): PlainDuration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** `1.5s`: the ProtoJSON form. */
export function formatDuration({ seconds, nanos }: PlainDuration): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  const whole = String(Math.abs(seconds));
  if (nanos === 0) return `${sign}${whole}s`;
  return `${sign}${whole}.${fraction(Math.abs(nanos))}s`;
}

// ProtoJSON writes 3, 6 or 9 digits.
function fraction(nanos: number): string {
  const digits = String(nanos).padStart(9, '0');
  if (digits.endsWith('000000')) return digits.slice(0, 3);
  return digits.endsWith('000') ? digits.slice(0, 6) : digits;
}

/** `2026-01-31T12:00:00.5Z` of seconds since the epoch, with as many digits as there are. */
export function formatTimestamp({ seconds, nanos }: PlainDuration): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds}s`; // outside of what a date can say
  const text = date.toISOString().slice(0, 19);
  return nanos === 0 ? `${text}Z` : `${text}.${fraction(nanos)}Z`;
}

/** google.protobuf.Timestamp of an instant in milliseconds since the epoch. */
export function timestampFromMs(epochMs: number): PlainDuration {
  const seconds = Math.floor(epochMs / 1000);
  return { seconds, nanos: Math.round((epochMs - seconds * 1000) * 1e6) };
}

/** A wrapper's value, or what its absence means. */
export function wrapperOr<T, D>(wrapper: Wrapper<T> | undefined, otherwise: D): T | D {
  return wrapper === undefined ? otherwise : wrapper.value;
}

/** A fraction of `denominator`: the shape of dataplane/api/matcher-data.ts FractionData. */
export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

const denominators = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

/** type.v3.FractionalPercent. Envoy: a numerator above the denominator means always. */
export function fractionOf(percent: {
  readonly numerator?: number | undefined;
  readonly denominator?: keyof typeof denominators | undefined;
}): Fraction {
  const denominator = denominators[percent.denominator ?? 'HUNDRED'];
  return { numerator: Math.min(percent.numerator ?? 0, denominator), denominator };
}

/** type.v3.Percent (0 to 100, fractions allowed) in parts per million. */
export function percentToPpm(percent: { readonly value?: number | undefined }): number {
  return Math.round((percent.value ?? 0) * 10_000);
}

/** A string member of a Struct, or undefined when it is absent or not a string. */
export function structString(struct: PlainStruct | undefined, key: string): string | undefined {
  const value = structValue(struct, key);
  return typeof value === 'string' ? value : undefined;
}

/** A member of a Struct; own keys only. */
export function structValue(struct: PlainStruct | undefined, key: string): JsonValue | undefined {
  return struct !== undefined && Object.hasOwn(struct, key) ? struct[key] : undefined;
}
