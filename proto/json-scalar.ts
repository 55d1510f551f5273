// One JSON value -> one scalar, enum, duration or timestamp of the plain form, or the reason why not.
// Called by json.ts, which knows the paths.

import type { PlainDuration } from './plain.ts';
import { type EnumDescriptor, enumType, type FieldDescriptor, type ScalarKind } from './root.ts';

/** A value, or what is wrong with it (reads well after `path: `). */
export type Reading<T> = { readonly value: T } | { readonly error: string };

/** `a string`, `a number`, ...: how a JSON value is called in errors. */
export function describeJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'bigint') return 'a number';
  return typeof value === 'boolean' ? 'true or false' : `a ${typeof value}`;
}

function wrongType(wanted: string, value: unknown): { readonly error: string } {
  const text =
    typeof value === 'string' ? `the string ${JSON.stringify(clip(value))}` : describeJson(value);
  return { error: `expected ${wanted}, got ${text}` };
}

// Errors go into NACKs: never more of the peer's text than this.
function clip(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}...`;
}

/** A scalar or enum field's value. */
export function readScalar(field: FieldDescriptor, value: unknown): Reading<unknown> {
  return field.kind === 'enum'
    ? readEnum(enumType(field.typeName), value)
    : readKind(field.kind === 'message' ? 'string' : field.kind, value);
}

function readEnum(type: EnumDescriptor, value: unknown): Reading<string | number> {
  if (typeof value === 'string') {
    if (type.numberOf.has(value)) return { value };
    const names = [...type.numberOf.keys()];
    const near = suggest(value, names);
    if (near !== null) return { error: `unknown value ${quote(value)}; did you mean ${near}?` };
    const some = names.slice(0, 12).join(', ') + (names.length > 12 ? ', ...' : '');
    return { error: `unknown value ${quote(value)}; it must be one of ${some}` };
  }
  if (typeof value === 'number' && Number.isInteger(value)) {
    const name = type.nameOf.get(value);
    return name === undefined
      ? { error: `${value} is not a value of ${type.fullName}` }
      : { value: name };
  }
  return wrongType(`a value of ${type.fullName}`, value);
}

function quote(text: string): string {
  return JSON.stringify(clip(text));
}

/** A value of a scalar kind. Numbers may come as strings, as ProtoJSON allows. */
export function readKind(kind: ScalarKind, value: unknown): Reading<unknown> {
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? readString(value) : wrongType('a string', value);
    case 'bool':
      return typeof value === 'boolean' ? { value } : wrongType('true or false', value);
    case 'bytes':
      return typeof value === 'string' ? readBase64(value) : wrongType('a base64 string', value);
    case 'double':
    case 'float':
      return readFloat(kind, value);
    default:
      return readInteger(kind, value);
  }
}

/** A lone surrogate cannot be written as UTF-8: it would change on the way. */
export function readString(value: string): Reading<string> {
  return value.isWellFormed() ? { value } : { error: 'is not well-formed Unicode' };
}

function readFloat(kind: 'double' | 'float', value: unknown): Reading<number> {
  if (typeof value === 'number' || typeof value === 'bigint')
    return inFloatRange(kind, Number(value));
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity')
    return { value: Number(value) };
  if (typeof value === 'string' && numberText.test(value)) return inFloatRange(kind, Number(value));
  return wrongType('a number', value);
}

const numberText = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

function inFloatRange(kind: 'double' | 'float', value: number): Reading<number> {
  if (kind === 'float' && Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
    return { error: `${value} does not fit into a float` };
  }
  return { value: kind === 'float' ? Math.fround(value) : value };
}

const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

function rangeOf(kind: ScalarKind): readonly [bigint, bigint] {
  const width = kind.endsWith('64') ? '64' : '32';
  const isUnsigned = kind.startsWith('uint') || kind.startsWith('fixed');
  return integerRanges[(isUnsigned ? 'uint' : 'int') + width]!; // all four are there
}

function readInteger(kind: ScalarKind, value: unknown): Reading<number | string> {
  let integer: bigint;
  if (typeof value === 'bigint') {
    integer = value;
  } else if (typeof value === 'number' || (typeof value === 'string' && numberText.test(value))) {
    if (typeof value === 'string' && /^-?\d+$/.test(value)) {
      // 20 digits hold any 64-bit integer; parsing megabytes of digits is quadratic.
      if (value.length > 40) return { error: `${clip(value)} is out of range` };
      integer = BigInt(value);
    } else {
      const number = Number(value);
      if (!Number.isInteger(number)) return { error: `expected an integer, got ${value}` };
      integer = BigInt(number);
    }
  } else {
    return wrongType('an integer', value);
  }
  const [min, max] = rangeOf(kind);
  if (integer < min || integer > max) {
    return { error: `must be between ${min} and ${max}, got ${integer}` };
  }
  return { value: plainInteger(integer) };
}

function plainInteger(integer: bigint): number | string {
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : String(integer);
}

function readBase64(text: string): Reading<Buffer> {
  // Standard and URL-safe alphabets, with or without padding.
  const body = text.replace(/={1,2}$/, '');
  if (!/^[A-Za-z0-9+/_-]*$/.test(body) || body.length % 4 === 1) {
    return { error: `expected a base64 string, got ${quote(text)}` };
  }
  const bytes = Buffer.from(body, 'base64');
  return { value: unpooled(bytes) };
}

/**
 * A copy with a memory of its own: structured clone copies the whole ArrayBuffer behind a Buffer, which
 * for small ones is Node's shared pool.
 */
export function unpooled(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  return copy;
}

const maxDurationSeconds = 315_576_000_000; // 10,000 years, google.protobuf.Duration

/** `"1.5s"`. */
export function readDuration(value: unknown): Reading<PlainDuration> {
  if (typeof value !== 'string') return wrongType('a duration such as "1.5s"', value);
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(value);
  if (match === null) return wrongType('a duration such as "1.5s"', value);
  const sign = match[1] === '-' ? -1 : 1;
  const seconds = Number(match[2]);
  const nanos = Number((match[3] ?? '').padEnd(9, '0'));
  if (seconds > maxDurationSeconds) return { error: `${value} is out of range` };
  // `|| 0` turns -0 into 0.
  return { value: { seconds: sign * seconds || 0, nanos: sign * nanos || 0 } };
}

/** RFC 3339. */
export function readTimestamp(value: unknown): Reading<PlainDuration> {
  const wanted = 'a timestamp such as "2026-01-31T12:00:00Z"';
  if (typeof value !== 'string') return wrongType(wanted, value);
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(value);
  const epochMs = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(epochMs)) return wrongType(wanted, value);
  return { value: { seconds: epochMs / 1000, nanos: Number((match[2] ?? '').padEnd(9, '0')) } };
}

/** The candidate that differs from `text` by at most two edits, if there is one. */
export function suggest(text: string, candidates: Iterable<string>): string | null {
  if (text.length > 60) return null;
  const wanted = text.toLowerCase();
  let best: string | null = null;
  let bestDistance = text.length <= 4 ? 2 : 3; // exclusive
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - text.length) >= bestDistance) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}
