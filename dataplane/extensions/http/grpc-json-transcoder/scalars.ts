// One JSON scalar -> the bytes of one protobuf value, without its tag. Used by json-reader.ts for what stands
// in a body, in a path or in a query; the last two are strings whatever the field.

import type { ByteWriter } from './byte-writer.ts';
import { FieldKind } from './data.ts';
import type { EnumSchema } from './schema.ts';

/** What stood in the JSON. */
export type ScalarForm = 'string' | 'number' | 'bool';

const MAX_SAFE_DIGITS = 15;
/** No 64-bit number is longer, and BigInt's time grows faster than its text. */
const MAX_DIGITS = 32;
const INTEGER = /^[+-]?[0-9]+$/;
const DECIMAL = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const TRUE = /^(true|t|yes|y|1)$/i;
const FALSE = /^(false|f|no|n|0)$/i;

/** Inclusive bounds of the integer kinds. */
const BOUNDS: ReadonlyMap<FieldKind, readonly [bigint, bigint]> = new Map<
  FieldKind,
  readonly [bigint, bigint]
>([
  ...[FieldKind.Int32, FieldKind.Sint32, FieldKind.Sfixed32].map(
    (kind): [FieldKind, readonly [bigint, bigint]] => [kind, [-(2n ** 31n), 2n ** 31n - 1n]],
  ),
  ...[FieldKind.Uint32, FieldKind.Fixed32].map((kind): [FieldKind, readonly [bigint, bigint]] => [
    kind,
    [0n, 2n ** 32n - 1n],
  ]),
  ...[FieldKind.Int64, FieldKind.Sint64, FieldKind.Sfixed64].map(
    (kind): [FieldKind, readonly [bigint, bigint]] => [kind, [-(2n ** 63n), 2n ** 63n - 1n]],
  ),
  ...[FieldKind.Uint64, FieldKind.Fixed64].map((kind): [FieldKind, readonly [bigint, bigint]] => [
    kind,
    [0n, 2n ** 64n - 1n],
  ]),
]);

const TYPE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(FieldKind).map(([name, kind]) => [kind, `TYPE_${name.toUpperCase()}`]),
);

/** As Envoy names a kind in errors: `TYPE_INT32`. */
export function kindName(kind: FieldKind): string {
  return TYPE_NAMES[kind] ?? '';
}

/** Writes a value of any kind but message, group and enum; false = `text` is none. */
export function writeScalar(
  out: ByteWriter,
  kind: FieldKind,
  form: ScalarForm,
  text: string,
): boolean {
  switch (kind) {
    case FieldKind.String: {
      if (form !== 'string') return false;
      const start = out.begin();
      out.utf8(text);
      out.end(start);
      return true;
    }
    case FieldKind.Bytes: {
      const bytes = form === 'string' ? bytesOf(text) : null;
      if (bytes === null) return false;
      out.varint(bytes.length);
      out.bytes(bytes, 0, bytes.length);
      return true;
    }
    case FieldKind.Bool:
      return writeBool(out, form, text);
    case FieldKind.Float:
    case FieldKind.Double: {
      const value = form === 'bool' ? null : floatOf(kind, form, text);
      if (value === null) return false;
      if (kind === FieldKind.Float) out.float(value);
      else out.double(value);
      return true;
    }
    default: {
      const value = form === 'bool' ? null : integerOf(kind, form, text);
      if (value !== null) writeInteger(out, kind, value);
      return value !== null;
    }
  }
}

/** Writes the number of an enum's value: by name, or any 32-bit number. */
export function writeEnum(
  out: ByteWriter,
  type: EnumSchema,
  form: ScalarForm,
  text: string,
  ignoreCase: boolean,
): boolean {
  let number = form === 'string' ? type.numberOf.get(text) : undefined;
  if (number === undefined) {
    const value = form === 'bool' ? null : integerOf(FieldKind.Int32, form, text);
    if (value !== null) number = Number(value);
    else if (form === 'string' && ignoreCase) {
      number = type.numberOf.get(text.toUpperCase().replaceAll('-', '_'));
    }
  }
  if (number === undefined) return false;
  writeInteger(out, FieldKind.Int32, number);
  return true;
}

function writeBool(out: ByteWriter, form: ScalarForm, text: string): boolean {
  if (form === 'number') return false;
  if (TRUE.test(text)) out.byte(1);
  else if (FALSE.test(text)) out.byte(0);
  else return false;
  return true;
}

/** Base64 of either alphabet, padded or not; null = it is not. */
function bytesOf(text: string): Buffer | null {
  if (!BASE64.test(text)) return null;
  const isWhole = text.endsWith('=') ? text.length % 4 === 0 : text.length % 4 !== 1;
  return isWhole ? Buffer.from(text, 'base64') : null;
}

function floatOf(kind: FieldKind, form: ScalarForm, text: string): number | null {
  if (form === 'string') {
    if (text === 'NaN') return Number.NaN;
    if (text === 'Infinity') return Number.POSITIVE_INFINITY;
    if (text === '-Infinity') return Number.NEGATIVE_INFINITY;
    if (!DECIMAL.test(text)) return null;
  }
  const value = Number(text);
  const held = kind === FieldKind.Float ? Math.fround(value) : value;
  return Number.isFinite(held) ? held : null;
}

/** A number where that is exact, else a bigint; null = no integer, or out of the kind's bounds. */
function integerOf(kind: FieldKind, form: ScalarForm, text: string): number | bigint | null {
  const [min, max] = BOUNDS.get(kind)!;
  let value: number | bigint;
  if (INTEGER.test(text)) {
    if (text.length <= MAX_SAFE_DIGITS) value = Number(text);
    else if (text.length > MAX_DIGITS) return null;
    else value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  } else {
    if (form === 'string') return null;
    const number = Number(text);
    if (!Number.isInteger(number)) return null;
    value = BigInt(number);
  }
  return value >= min && value <= max ? value : null;
}

function writeInteger(out: ByteWriter, kind: FieldKind, value: number | bigint): void {
  switch (kind) {
    case FieldKind.Sint32: {
      const number = Number(value);
      out.varint(((number << 1) ^ (number >> 31)) >>> 0);
      return;
    }
    case FieldKind.Sint64: {
      const wide = BigInt(value);
      out.varint64((wide << 1n) ^ (wide >> 63n));
      return;
    }
    case FieldKind.Fixed32:
    case FieldKind.Sfixed32:
      out.fixed32(Number(value));
      return;
    case FieldKind.Fixed64:
    case FieldKind.Sfixed64:
      out.fixed64(BigInt(value));
      return;
    default:
      if (typeof value === 'number' && value >= 0) out.varint(value);
      else out.varint64(BigInt(value));
  }
}
