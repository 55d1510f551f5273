// Header values are latin1 strings: one character per byte on the wire. Texts of the config are Unicode; this is how
// they become header values and bodies.

/** Anything past ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is the point
const NON_ASCII = /[^\x00-\x7f]/;

/** The UTF-8 bytes of a text, one character per byte: what Envoy would put on the wire. */
export function byteString(text: string): string {
  return NON_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}
