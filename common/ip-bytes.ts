// IP literals as bytes. Used where ranges are compared, in config and in workers (network/cidr.ts).

import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Bytes of an IP literal, 4 or 16, in network order; null = not one. A zone (`%eth0`) is ignored. */
export function ipBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  const zone = text.indexOf('%');
  const plain = zone === -1 ? text : text.slice(0, zone);
  return isIPv6(plain) ? ipv6Bytes(plain) : null;
}

/**
 * The one spelling of an IP literal: `2001:DB8:0::1` -> `2001:db8::1`, as inet_ntop has it. Hashes, logs and host names
 * are made of texts. A text that is no literal, or one with a zone, stays.
 */
export function canonicalIp(text: string): string {
  if (!text.includes(':') || text.includes('%') || !isIPv6(text)) return text;
  return new SocketAddress({ address: text, family: 'ipv6' }).address;
}

/** A copy whose bits behind the first `prefixLength` are zero. */
export function maskBytes(bytes: Uint8Array, prefixLength: number): Uint8Array {
  const masked = Uint8Array.from(bytes);
  for (let bit = prefixLength; bit < bytes.length * 8; bit++) {
    masked[bit >> 3]! &= ~(0x80 >> (bit & 7));
  }
  return masked;
}

/** `text` is known to be valid IPv6 without a zone. */
function ipv6Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  let plain = text;
  if (text.includes('.')) {
    const colon = text.lastIndexOf(':');
    const [a = 0, b = 0, c = 0, d = 0] = text
      .slice(colon + 1)
      .split('.')
      .map(Number);
    plain = `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = plain.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [
    ...front,
    ...new Array<string>(8 - front.length - back.length).fill('0'),
    ...back,
  ];
  groups.forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    bytes[i * 2] = value >> 8;
    bytes[i * 2 + 1] = value & 0xff;
  });
  return bytes;
}
