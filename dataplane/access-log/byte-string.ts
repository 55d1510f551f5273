// Header values are latin1 strings: one character per byte on the wire. Texts of the config are Unicode.
// These two functions are the only bridges between them.

/** Anything past ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is the point
const NON_ASCII = /[^\x00-\x7f]/;

/** The UTF-8 bytes of a text, one character per byte: what Envoy would put on the wire. */
export function byteString(text: string): string {
  return NON_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

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
