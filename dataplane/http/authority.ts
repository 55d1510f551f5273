// What may stand in Host and :authority (RFC 3986 3.2, RFC 9110 4.2). Asked by the codecs.

/** reg-name characters of RFC 3986 less ',' (a joined pair of Hosts); not '@', not '/'. */
const REG_NAME_CHAR = new Uint8Array(128);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;=") {
  REG_NAME_CHAR[char.charCodeAt(0)] = 1;
}

/** `host`, `host:port` or `[v6]:port`, not empty, port at most 65535. */
export function isValidAuthority(authority: string): boolean {
  const { length } = authority;
  let i = 0;
  if (authority.charCodeAt(0) === 0x5b) {
    const close = authority.indexOf(']');
    if (close < 3) return false;
    for (i = 1; i < close; i++) {
      const code = authority.charCodeAt(i);
      const isHex = (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 102);
      // ':' and '.' of an embedded IPv4; '%' starts a zone, which has no place in a Host.
      if (!isHex && code !== 0x3a && code !== 0x2e) return false;
    }
    i = close + 1;
  } else {
    for (; i < length; i++) {
      const code = authority.charCodeAt(i);
      if (code > 126 || REG_NAME_CHAR[code] === 0) break;
    }
    if (i === 0) return false;
  }
  return i === length || (authority.charCodeAt(i) === 0x3a && isPort(authority, i + 1));
}

/** `host:` with nothing behind is legal (RFC 3986 3.2.3). */
function isPort(authority: string, start: number): boolean {
  if (authority.length - start > 5) return false;
  let port = 0;
  for (let i = start; i < authority.length; i++) {
    const digit = authority.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
