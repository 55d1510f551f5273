// IP ranges: parsing, membership, and a set with longest-prefix lookup. Used by RBAC (source_ip),
// filter chain match, internal_address_config. An IPv4-mapped IPv6 address counts as IPv4.

import { ipBytes, maskBytes } from '../../common/ip-bytes.ts';

/** A range; `bytes` (4 or 16) already masked to `prefixLength` bits. */
export interface Cidr {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

/** Bytes of an IP literal (4 or 16), or null. A zone (`%eth0`) is ignored. */
export function parseIp(text: string): Uint8Array | null {
  const bytes = ipBytes(text);
  return bytes?.length === 16 && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** `10.0.0.0/8`, `::1/128`, or an address alone (its full length); null = not a range. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  if (slash === -1) return makeCidr(text, null);
  const length = text.slice(slash + 1);
  return /^[0-9]{1,3}$/.test(length) ? makeCidr(text.slice(0, slash), Number(length)) : null;
}

/** From Envoy's CidrRange (address_prefix, prefix_len); null length = a single address. */
export function makeCidr(address: string, prefixLength: number | null): Cidr | null {
  const bytes = parseIp(address);
  if (bytes === null) return null;
  const bits = bytes.length * 8;
  const length = prefixLength ?? bits;
  if (length > bits) return null;
  return { bytes: maskBytes(bytes, length), prefixLength: length };
}

/** Whether `ip` (from parseIp) lies in `cidr`; never across address families. */
export function cidrContains(cidr: Cidr, ip: Uint8Array): boolean {
  const { bytes, prefixLength } = cidr;
  if (bytes.length !== ip.length) return false;
  const whole = prefixLength >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== ip[i]) return false;
  const rest = prefixLength & 7;
  if (rest === 0) return true;
  return ((bytes[whole]! ^ ip[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}

/**
 * Ranges with a value each; `find` gives the value of the longest range that holds an address. One map
 * per prefix length that occurs, asked from the longest on: few lengths occur in practice.
 */
export class CidrMap<V> {
  readonly #v4: PrefixTable<V>[] = [];
  readonly #v6: PrefixTable<V>[] = [];

  /** The first value added for a range stays. */
  add(cidr: Cidr, value: V): void {
    const tables = cidr.bytes.length === 4 ? this.#v4 : this.#v6;
    let table = tables.find((candidate) => candidate.prefixLength === cidr.prefixLength);
    if (table === undefined) {
      table = { prefixLength: cidr.prefixLength, values: new Map() };
      tables.push(table);
      tables.sort((a, b) => b.prefixLength - a.prefixLength);
    }
    const key = maskedKey(cidr.bytes, cidr.prefixLength);
    if (!table.values.has(key)) table.values.set(key, value);
  }

  /** Null: no range holds `ip`. */
  find(ip: Uint8Array): V | null {
    for (const { prefixLength, values } of ip.length === 4 ? this.#v4 : this.#v6) {
      const value = values.get(maskedKey(ip, prefixLength));
      if (value !== undefined) return value;
    }
    return null;
  }
}

interface PrefixTable<V> {
  readonly prefixLength: number;
  readonly values: Map<string, V>;
}

function maskedKey(bytes: Uint8Array, prefixLength: number): string {
  let key = '';
  let bits = prefixLength;
  for (let i = 0; bits > 0; i++, bits -= 8) {
    key += String.fromCharCode(bits >= 8 ? bytes[i]! : bytes[i]! & (0xff00 >> bits));
  }
  return key;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
