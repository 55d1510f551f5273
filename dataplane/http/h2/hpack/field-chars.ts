// What may stand in a field on HTTP/2 (RFC 9113 8.2.1). Used by the decoder only.

import { TOKEN_LOWER } from '../../header-names.ts';

/** 1 = may stand in a name: token characters without upper case. */
export const NAME_CHAR: Uint8Array = TOKEN_LOWER.map((lower, code) =>
  lower === code && code > 0 ? 1 : 0,
);

/** 1 = may stand in a value: HTAB, SP, visible ASCII, obs-text (RFC 9110 5.5). */
export const VALUE_CHAR: Uint8Array = new Uint8Array(256);
VALUE_CHAR.fill(1, 32, 127);
VALUE_CHAR.fill(1, 128);
VALUE_CHAR[9] = 1;

const SP = 32;
const HTAB = 9;

/** Whether bytes[start, end) may be a value: its characters, and no space or tab at either end. */
export function isValidValue(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  const first = bytes[start]!;
  const last = bytes[end - 1]!;
  if (first === SP || first === HTAB || last === SP || last === HTAB) return false;
  for (let i = start; i < end; i++) if (VALUE_CHAR[bytes[i]!] === 0) return false;
  return true;
}
