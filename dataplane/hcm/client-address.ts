// Addresses in x-forwarded-for and sets of them. Shared by forwarded.ts and original-ip.ts.

import { isIP } from 'node:net';
import { canonicalIp } from '../../common/ip-bytes.ts';
import type { SocketAddress } from '../api/connection.ts';
import { CidrMap, parseCidr, parseIp } from '../network/cidr.ts';

/** A literal with blanks around it; null = it is none. */
export function addressOf(text: string): SocketAddress | null {
  const ip = text.trim();
  return isIP(ip) === 0 ? null : { ip: canonicalIp(ip), port: 0 };
}

/**
 * The address before the last `skip` ones of an x-forwarded-for list, or null when there are not that many
 * or it is no IP literal.
 */
export function addressFromRight(list: string, skip: number): SocketAddress | null {
  let end = list.length;
  for (let i = 0; i < skip; i++) {
    end = list.lastIndexOf(',', end - 1);
    if (end <= 0) return null;
  }
  return addressOf(list.slice(list.lastIndexOf(',', end - 1) + 1, end));
}

/** Null when there are none. The main thread checked the texts when it compiled the config. */
export function rangesOf(texts: readonly string[]): CidrMap<true> | null {
  if (texts.length === 0) return null;
  const ranges = new CidrMap<true>();
  for (const text of texts) {
    const range = parseCidr(text);
    if (range === null) throw new Error(`not a CIDR range: ${text}`);
    ranges.add(range, true);
  }
  return ranges;
}

export function containsAddress(ranges: CidrMap<true>, address: SocketAddress): boolean {
  const ip = parseIp(address.ip);
  return ip !== null && ranges.find(ip) !== null;
}
