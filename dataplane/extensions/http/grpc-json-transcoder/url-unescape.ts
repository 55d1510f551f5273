// Percent-decoding of what stands in a path or a query, as google.api.http's templates want it: what is no
// good escape stays as it is. Paths are byte strings (one character per byte); what comes out is text.

import type { UrlUnescapeSpec } from './data.ts';

const ESCAPE = /%([0-9A-Fa-f]{2})/g;
/** RFC 6570's reserved characters. */
const RESERVED = "!#$&'()*+,/:;=?@[]";

/** `spec`: which escapes stay. `plus`: a plus is a space. Null = what comes out is no UTF-8. */
export function unescapeUrl(text: string, spec: UrlUnescapeSpec, plus: boolean): string | null {
  const spaced = plus ? text.replaceAll('+', ' ') : text;
  if (/^[\x20-\x24\x26-\x7e]*$/.test(spaced)) return spaced;
  const bytes = spaced.replace(ESCAPE, (kept: string, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    if (spec === 'ALL_CHARACTERS_EXCEPT_RESERVED' && RESERVED.includes(char)) return kept;
    if (spec === 'ALL_CHARACTERS_EXCEPT_SLASH' && char === '/') return kept;
    return char;
  });
  const decoded = Buffer.from(bytes, 'latin1');
  const read = decoded.toString('utf8');
  // Only what was UTF-8 comes back as it was.
  return Buffer.from(read).equals(decoded) ? read : null;
}
