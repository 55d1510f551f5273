// Reads a PROXY header, version 1 (text) or 2 (binary), from the first bytes of a connection. Format:
// "The PROXY protocol", haproxy.org, 2.1 and 2.2; what Envoy refuses is refused here.
//
//   v1: PROXY TCP4|TCP6|UNKNOWN <source> <destination> <source port> <destination port>\r\n   (<= 107 bytes)
//   v2: signature(12)  version|command(1)  family|transport(1)  length(2)  addresses  TLVs
//       TLV: type(1)  length(2)  value

import { isIPv4, isIPv6 } from 'node:net';
import { canonicalIp } from '../../../../common/ip-bytes.ts';
import type { ProxyProtocolTlv, SocketAddress } from '../../../api/connection.ts';
import { parseIp } from '../../../network/cidr.ts';

export interface ProxyHeader {
  readonly kind: 'header';
  readonly version: 1 | 2;
  /** Bytes of the header; what follows is the connection's. */
  readonly length: number;
  /** Null = LOCAL or UNKNOWN: the socket's own addresses stay. */
  readonly addresses: {
    readonly source: SocketAddress;
    readonly destination: SocketAddress;
  } | null;
  readonly tlvs: readonly ProxyProtocolTlv[];
}

export type ProxyHeaderOutcome =
  | ProxyHeader
  | { readonly kind: 'need-more' }
  /** The connection begins otherwise. */
  | { readonly kind: 'not-found' }
  | { readonly kind: 'malformed'; readonly version: 1 | 2 };

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_MAX_BYTES = 107;
const V2_HEAD_BYTES = 16;
const V2_IPV4_BYTES = 12;
const V2_IPV6_BYTES = 36;
/** The most that a header can take. */
export const MAX_PROXY_HEADER_BYTES = V2_HEAD_BYTES + 0xffff;

/** `data` = everything received so far, not empty. */
export function parseProxyHeader(data: Buffer): ProxyHeaderOutcome {
  if (beginsLike(data, V2_SIGNATURE)) {
    return data.length < V2_HEAD_BYTES ? { kind: 'need-more' } : parseV2(data);
  }
  if (beginsLike(data, V1_SIGNATURE)) {
    return data.length < V1_SIGNATURE.length ? { kind: 'need-more' } : parseV1(data);
  }
  return { kind: 'not-found' };
}

/** One is the beginning of the other. */
function beginsLike(data: Buffer, signature: Buffer): boolean {
  const length = Math.min(data.length, signature.length);
  return data.compare(signature, 0, length, 0, length) === 0;
}

function parseV1(data: Buffer): ProxyHeaderOutcome {
  const malformed: ProxyHeaderOutcome = { kind: 'malformed', version: 1 };
  const end = data.subarray(0, V1_MAX_BYTES).indexOf('\r\n', 0, 'latin1');
  if (end === -1) return data.length < V1_MAX_BYTES ? { kind: 'need-more' } : malformed;
  const parts = data.toString('latin1', V1_SIGNATURE.length, end).split(' ');
  const header = { kind: 'header', version: 1, length: end + 2, tlvs: [] } as const;
  if (parts[0] === 'UNKNOWN') return { ...header, addresses: null };
  const [family, sourceIp = '', destinationIp = '', sourcePort = '', destinationPort = ''] = parts;
  const isIp = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null;
  if (isIp === null || parts.length !== 5) return malformed;
  const source = { ip: canonicalIp(sourceIp), port: parsePort(sourcePort) };
  const destination = { ip: canonicalIp(destinationIp), port: parsePort(destinationPort) };
  if (!isIp(sourceIp) || !isIp(destinationIp) || source.port < 0 || destination.port < 0) {
    return malformed;
  }
  return isUnicast(source.ip) && isUnicast(destination.ip)
    ? { ...header, addresses: { source, destination } }
    : malformed;
}

/** -1 = not a port. The specification allows no sign and no leading zeros. */
function parsePort(text: string): number {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return -1;
  const port = Number(text);
  return port <= 0xffff ? port : -1;
}

function parseV2(data: Buffer): ProxyHeaderOutcome {
  const malformed: ProxyHeaderOutcome = { kind: 'malformed', version: 2 };
  const version = data[12]! >> 4;
  const command = data[12]! & 0xf;
  const length = data.readUInt16BE(14);
  if (version !== 2 || command > 1) return malformed;
  const addressBytes = command === 0 ? 0 : addressLength(data[13]!);
  if (addressBytes === -1 || length < addressBytes) return malformed;
  const end = V2_HEAD_BYTES + length;
  if (data.length < end) return { kind: 'need-more' };
  const header = { kind: 'header', version: 2, length: end } as const;
  // LOCAL: whatever else the header says is to be ignored.
  if (command === 0) return { ...header, addresses: null, tlvs: [] };
  const body = data.subarray(V2_HEAD_BYTES, end);
  const tlvs = parseTlvs(body.subarray(addressBytes));
  if (tlvs === null) return malformed;
  const ipBytes = addressBytes === V2_IPV4_BYTES ? 4 : 16;
  const source = readAddress(body, 0, ipBytes, 2 * ipBytes);
  const destination = readAddress(body, ipBytes, ipBytes, 2 * ipBytes + 2);
  return isUnicast(source.ip) && isUnicast(destination.ip)
    ? { ...header, addresses: { source, destination }, tlvs }
    : malformed;
}

/** Bytes of the address block: IPv4 or IPv6 over stream or datagram; -1 = none that we take. */
function addressLength(familyAndTransport: number): number {
  const transport = familyAndTransport & 0xf;
  if (transport !== 1 && transport !== 2) return -1;
  const family = familyAndTransport >> 4;
  return family === 1 ? V2_IPV4_BYTES : family === 2 ? V2_IPV6_BYTES : -1;
}

function readAddress(body: Buffer, ipAt: number, ipBytes: number, portAt: number): SocketAddress {
  const port = body.readUInt16BE(portAt);
  const bytes = body.subarray(ipAt, ipAt + ipBytes);
  return { ip: ipBytes === 4 ? bytes.join('.') : ipv6Text(bytes), port };
}

/** RFC 5952: the longest run of zero groups becomes '::'. */
function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2));
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [i, length];
    i += length;
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart === -1) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}

function parseTlvs(bytes: Buffer): ProxyProtocolTlv[] | null {
  const tlvs: ProxyProtocolTlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return null;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return null;
    // A copy: the peeked buffer is large and lives on otherwise.
    tlvs.push({ type: bytes[at]!, value: new Uint8Array(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return tlvs;
}

/** No connection has the unspecified, the broadcast or a multicast address. */
function isUnicast(ip: string): boolean {
  const bytes = parseIp(ip);
  if (bytes === null || bytes.every((byte) => byte === 0)) return false;
  if (bytes.length === 16) return bytes[0] !== 0xff;
  return (bytes[0]! & 0xf0) !== 0xe0 && !bytes.every((byte) => byte === 0xff);
}
