// CIDR ranges of config.core.v3.CidrRange at run time: internal addresses, RBAC principals.

/** A compiled range; immutable. An IPv4 range never contains an IPv6 address and the other way round. */
export class CidrRange {
  readonly #isV4: boolean;
  readonly #v4: number;
  readonly #v4Mask: number;
  readonly #v6: readonly number[];
  readonly #prefixLength: number;

  /** `text` is `10.0.0.0/8`, `fd00::/8` or a bare address (a host range); throws when it is none. */
  constructor(text: string) {
    const slash = text.indexOf('/');
    const address = slash === -1 ? text : text.slice(0, slash);
    const v4 = parseIpv4(address);
    const v6 = v4 === -1 ? parseIpv6(address) : null;
    if (v4 === -1 && v6 === null) throw new Error(`not a CIDR range: ${text}`);
    this.#isV4 = v4 !== -1;
    const bits = this.#isV4 ? 32 : 128;
    const length = slash === -1 ? bits : Number(text.slice(slash + 1));
    if (!Number.isInteger(length) || length < 0) throw new Error(`not a CIDR range: ${text}`);
    this.#prefixLength = Math.min(length, bits);
    this.#v4Mask = this.#prefixLength === 0 ? 0 : (-1 << (32 - this.#prefixLength)) >>> 0;
    this.#v4 = this.#isV4 ? (v4 & this.#v4Mask) >>> 0 : 0;
    this.#v6 = v6 ?? [];
  }

  /** `ip` is an IP literal; anything else (the path of a Unix socket) is in no range. */
  contains(ip: string): boolean {
    if (this.#isV4) {
      const address = parseIpv4(ip);
      return address !== -1 && (address & this.#v4Mask) >>> 0 === this.#v4;
    }
    const groups = parseIpv6(ip);
    if (groups === null) return false;
    let left = this.#prefixLength;
    for (let i = 0; i < 8 && left > 0; i++, left -= 16) {
      const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff;
      if ((groups[i]! & mask) !== (this.#v6[i]! & mask)) return false;
    }
    return true;
  }
}

/** True when any of the ranges contains `ip`. */
export function anyRangeContains(ranges: readonly CidrRange[], ip: string): boolean {
  for (let i = 0; i < ranges.length; i++) if (ranges[i]!.contains(ip)) return true;
  return false;
}

/** Dotted quad as an unsigned 32-bit number, or -1. */
export function parseIpv4(text: string): number {
  const { length } = text;
  if (length < 7 || length > 15) return -1;
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (octet === -1 || ++dots > 3) return -1;
      address = address * 256 + octet;
      octet = -1;
      continue;
    }
    if (code < 0x30 || code > 0x39 || octet === 0) return -1;
    octet = octet === -1 ? code - 0x30 : octet * 10 + code - 0x30;
    if (octet > 255) return -1;
  }
  return dots === 3 && octet !== -1 ? address * 256 + octet : -1;
}

/** Eight 16-bit groups, or null. Takes `::`, and a dotted quad at the end; no zone, no brackets. */
export function parseIpv6(text: string): number[] | null {
  if (text.length < 2 || text.length > 45 || !text.includes(':')) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (i === parts.length - 1 && part.includes('.')) {
      const v4 = parseIpv4(part);
      if (v4 === -1) return null;
      groups.push(Math.floor(v4 / 65536), v4 % 65536);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}
