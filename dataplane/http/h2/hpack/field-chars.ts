// What may stand in a field on HTTP/2 (RFC 9113 8.2.1). Used by the decoder only.

import { TOKEN_LOWER } from '../../header-names.ts';

/** 1 = may stand in a name: token characters without upper case. */
export const NAME_CHAR: Uint8Array = TOKEN_LOWER.map((lower, code) =>
  lower === code && code > 0 ? 1 : 0,
);

/** 1 = must not stand in a value, which is HTAB, SP, visible ASCII and obs-text (RFC 9110 5.5). */
const NOT_IN_VALUE = new Uint8Array(256);
NOT_IN_VALUE.fill(1, 0, 32);
NOT_IN_VALUE[9] = 0;
NOT_IN_VALUE[127] = 1;

const SP = 32;
const HTAB = 9;

/**
 * A hash of bytes[start, end), not empty, 0 or more; -1 when a character is among them that may not be in a value.
 */
export function valueHash(bytes: Uint8Array, start: number, end: number): number {
  let bad = 0;
  let hash = 0;
  for (let i = start; i < end; i++) {
    const char = bytes[i]!;
    bad |= NOT_IN_VALUE[char]!;
    hash = Math.imul(hash, 31) + char;
  }
  return bad === 0 ? hash & 0x7fffffff : -1;
}

/** bytes[start, end), not empty, begin or end with a space or tab. */
export function isPadded(bytes: Uint8Array, start: number, end: number): boolean {
  return isOuterSpace(bytes[start]!) || isOuterSpace(bytes[end - 1]!);
}

/** `value` without spaces and tabs at its ends; the same string when there are none. */
export function trimmed(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isOuterSpace(value.charCodeAt(start))) start++;
  while (end > start && isOuterSpace(value.charCodeAt(end - 1))) end--;
  return value.substring(start, end);
}

function isOuterSpace(char: number): boolean {
  return char === SP || char === HTAB;
}
