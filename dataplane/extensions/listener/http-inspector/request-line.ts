// Tells from the first bytes of a plaintext connection whether HTTP is spoken, and which version. Looks at the
// first line only; consumes nothing.

/** `need-more`: nothing decided yet. */
export type HttpGuess = 'need-more' | 'http/1.0' | 'http/1.1' | 'h2c' | 'not-http';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** tchar of RFC 9110 5.6.2. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VERSION = /^HTTP\/[0-9]\.[0-9]$/;
const CR = 13;
const LF = 10;

/** `data` = everything received so far, not empty. */
export function guessHttp(data: Buffer): HttpGuess {
  const compared = Math.min(data.length, PREFACE.length);
  if (data.compare(PREFACE, 0, compared, 0, compared) === 0) {
    return data.length < PREFACE.length ? 'need-more' : 'h2c';
  }
  let end = 0;
  while (end < data.length && data[end] !== CR && data[end] !== LF) end++;
  const parts = data.toString('latin1', 0, end).split(' ');
  const isWhole = end < data.length;
  if (!isPlausible(parts, isWhole)) return 'not-http';
  if (!isWhole) return 'need-more';
  // Envoy: whatever is HTTP/1 and not 1.1 is 1.0.
  return parts[2] === 'HTTP/1.1' ? 'http/1.1' : 'http/1.0';
}

/** Method, target, version; of a line that has not ended only what is there is looked at. */
function isPlausible(parts: readonly string[], isWhole: boolean): boolean {
  const [method = '', target = '', version = ''] = parts;
  if (!METHOD.test(method) || parts.length > 3) return false;
  if (!isWhole)
    return parts.length < 2 || parts.length === 2 || 'HTTP/0.0'.length >= version.length;
  return parts.length === 3 && target !== '' && VERSION.test(version);
}
