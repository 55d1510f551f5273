// Byte strings (see common/byte-string.ts) as JSON literals.

/** Anything past ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is the point
const NON_ASCII = /[^\x00-\x7f]/;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The JSON literal of a byte string, as a byte string. Bytes that are good UTF-8 stay as they are; if
 * they are not, each byte past ASCII becomes `\u00xx` (as Envoy writes them).
 */
export function jsonText(bytes: string): string {
  const quoted = JSON.stringify(bytes);
  if (!NON_ASCII.test(quoted) || isUtf8(quoted)) return quoted;
  return quoted.replace(
    /[\x80-\xff]/g,
    (byte) => `\\u${byte.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isUtf8(bytes: string): boolean {
  try {
    decoder.decode(Buffer.from(bytes, 'latin1'));
    return true;
  } catch {
    // The decoder's only way to say no.
    return false;
  }
}
