// Single JSON values as text: strings from UTF-8 bytes, numbers, times. The writer of messages (json-writer.ts)
// calls these; they know no descriptors.

import { isUtf8 } from 'node:buffer';
import type { ByteWriter } from './byte-writer.ts';

const HEX = '0123456789abcdef';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What stands behind the backslash; by byte. */
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
]);

/**
 * `from[start..end)` as a JSON string. As Envoy does, `<`, `>` and the two separators that end a line in
 * JavaScript are escaped too. False = the bytes are no UTF-8; some of them may have been written.
 */
export function writeString(out: ByteWriter, from: Buffer, start: number, end: number): boolean {
  out.byte(QUOTE);
  let isAscii = true;
  let runStart = start;
  for (let i = start; i < end; i++) {
    const byte = from[i]!;
    if (byte >= 0x80) {
      isAscii = false;
      // U+2028 and U+2029
      if (byte !== 0xe2 || from[i + 1] !== 0x80 || (from[i + 2]! | 1) !== 0xa9 || i + 2 >= end) {
        continue;
      }
      out.bytes(from, runStart, i);
      out.latin1(from[i + 2] === 0xa8 ? '\\u2028' : '\\u2029');
      i += 2;
      runStart = i + 1;
      continue;
    }
    if (!needsEscape(byte)) continue;
    out.bytes(from, runStart, i);
    runStart = i + 1;
    out.byte(BACKSLASH);
    const short = SHORT_ESCAPES.get(byte);
    out.latin1(short ?? `u00${HEX[byte >>> 4]!}${HEX[byte & 15]!}`);
  }
  out.bytes(from, runStart, end);
  out.byte(QUOTE);
  return isAscii || isUtf8(from.subarray(start, end));
}

function needsEscape(byte: number): boolean {
  return (
    byte < 0x20 ||
    byte === QUOTE ||
    byte === BACKSLASH ||
    byte === 0x3c ||
    byte === 0x3e ||
    byte === 0x7f
  );
}

/** A double; what JSON has no number for is a string. */
export function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  return Number.isNaN(value) ? '"NaN"' : value > 0 ? '"Infinity"' : '"-Infinity"';
}

/** Below it every integer is a float. */
const FLOAT_INTEGERS = 2 ** 24;

/** The shortest decimal that reads back as the same float. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return doubleText(value);
  if (Number.isInteger(value) && Math.abs(value) < FLOAT_INTEGERS) return doubleText(value);
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(9)));
}

const MIN_TIMESTAMP_S = -62_135_596_800;
const MAX_TIMESTAMP_S = 253_402_300_799;
const MAX_DURATION_S = 315_576_000_000;
const MAX_NANOS = 999_999_999;

/** RFC 3339 without quotes; text that begins with a space is an error. */
export function timestampText(seconds: number, nanos: number): string {
  if (seconds < MIN_TIMESTAMP_S) return ' minimum acceptable time value is 0001-01-01T00:00:00Z';
  if (seconds > MAX_TIMESTAMP_S) return ' maximum acceptable time value is 9999-12-31T23:59:59Z';
  if (nanos < 0 || nanos > MAX_NANOS) return ' timestamp nanos out of range';
  const date = new Date(seconds * 1000).toISOString();
  return `${date.slice(0, 19)}${fractionText(nanos)}Z`;
}

/** `1.500s`; text that begins with a space is an error. */
export function durationText(seconds: number, nanos: number): string {
  if (Math.abs(seconds) > MAX_DURATION_S || Math.abs(nanos) > MAX_NANOS) {
    return ' duration out of range';
  }
  if ((seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0)) {
    return ' nanos and seconds signs do not match';
  }
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(seconds)}${fractionText(Math.abs(nanos))}s`;
}

/** Three, six or nine digits, or none. */
function fractionText(nanos: number): string {
  if (nanos === 0) return '';
  const digits = String(nanos).padStart(9, '0');
  if (digits.endsWith('000000')) return `.${digits.slice(0, 3)}`;
  return digits.endsWith('000') ? `.${digits.slice(0, 6)}` : `.${digits}`;
}
