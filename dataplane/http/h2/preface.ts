// The 24 bytes that an HTTP/2 client begins with (RFC 9113 3.4). Asked by the connection manager, which picks the
// codec, and read by the server codec.

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** What the first bytes of a connection are; 'more' = too few to tell. */
export function matchPreface(bytes: Buffer): 'match' | 'mismatch' | 'more' {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== PREFACE[i]) return 'mismatch';
  return length === PREFACE.length ? 'match' : 'more';
}
