// PROXY headers and what follows them, well-formed and not, for the comparison with Envoy.

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ipv4 = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x00, 0x20, 0x00]);
const ipv6 = Buffer.concat([
  Buffer.alloc(15),
  Buffer.from([9]),
  Buffer.alloc(15),
  Buffer.from([2, 0x10, 0, 0x20, 0]),
]);

/** A version 2 header; `version` and `length` only where they shall be wrong. */
function v2(
  command: number,
  family: number,
  body: Buffer,
  { version = 2, length = body.length } = {},
): Buffer {
  const head = Buffer.from('0d0a0d0a000d0a515549540a00000000', 'hex');
  head[12] = (version << 4) | command;
  head[13] = family;
  head.writeUInt16BE(length, 14);
  return Buffer.concat([head, body]);
}

function tlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]);
  return Buffer.concat([head, bytes]);
}

const withTlvs = (...tlvs: readonly Buffer[]): Buffer =>
  v2(1, 0x11, Buffer.concat([ipv4, ...tlvs]));
const v1 = (rest: string): Buffer => Buffer.from(`PROXY ${rest}`, 'latin1');
const good = 'TCP4 1.2.3.4 5.6.7.8 4096 8192';

export interface ProxyHeaderCase {
  readonly name: string;
  /** Without the request behind it. */
  readonly header: Buffer;
  /** We refuse what Envoy takes; docs/differences.md says why. */
  readonly isStricter?: true;
}

export const proxyHeaderCases: readonly ProxyHeaderCase[] = [
  { name: 'none', header: Buffer.alloc(0) },
  { name: 'v1 TCP4', header: v1(`${good}\r\n`) },
  { name: 'v1 TCP6', header: v1('TCP6 1::1 2::2 4096 8192\r\n') },
  { name: 'v1 UNKNOWN', header: v1('UNKNOWN\r\n') },
  { name: 'v1 UNKNOWN with rest', header: v1('UNKNOWN ffff::1 ffff::2 1 2\r\n') },
  { name: 'v1 unknown family', header: v1('TCP5 1.2.3.4 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 half an address', header: v1('TCP4 1.2.3 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 IPv6 as TCP4', header: v1('TCP4 1::1 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 IPv4 as TCP6', header: v1('TCP6 1.2.3.4 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 port too large', header: v1('TCP4 1.2.3.4 5.6.7.8 99999 8192\r\n') },
  { name: 'v1 ports 0', header: v1('TCP4 1.2.3.4 5.6.7.8 0 0\r\n') },
  { name: 'v1 negative port', header: v1('TCP4 1.2.3.4 5.6.7.8 -1 8192\r\n') },
  { name: 'v1 one word too many', header: v1(`${good} 9\r\n`) },
  { name: 'v1 one word too few', header: v1('TCP4 1.2.3.4 5.6.7.8 4096\r\n') },
  { name: 'v1 two spaces', header: v1(`  ${good}\r\n`) },
  { name: 'v1 bare LF', header: v1(`${good}\n`) },
  { name: 'v1 too long', header: v1(`${good}${' '.repeat(120)}\r\n`) },
  { name: 'v1 lower case', header: Buffer.from(`proxy ${good}\r\n`) },
  { name: 'v1 octal address', header: v1('TCP4 01.2.3.4 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 broadcast', header: v1('TCP4 255.255.255.255 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 from anywhere', header: v1('TCP4 0.0.0.0 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 to anywhere', header: v1('TCP4 1.2.3.4 0.0.0.0 4096 8192\r\n') },
  { name: 'v1 multicast', header: v1('TCP4 224.0.0.1 5.6.7.8 4096 8192\r\n') },
  { name: 'v1 to multicast', header: v1('TCP4 1.2.3.4 224.0.0.1 4096 8192\r\n') },
  { name: 'v1 IPv6 multicast', header: v1('TCP6 ff02::1 2::2 4096 8192\r\n') },
  { name: 'v1 signed port', header: v1('TCP4 1.2.3.4 5.6.7.8 +4096 8192\r\n'), isStricter: true },
  { name: 'v1 leading zero', header: v1('TCP4 1.2.3.4 5.6.7.8 04096 8192\r\n'), isStricter: true },
  { name: 'v2 IPv4', header: v2(1, 0x11, ipv4) },
  { name: 'v2 IPv6', header: v2(1, 0x21, ipv6) },
  { name: 'v2 datagram', header: v2(1, 0x12, ipv4) },
  { name: 'v2 Unix sockets', header: v2(1, 0x31, Buffer.alloc(216, 'a')) },
  { name: 'v2 LOCAL', header: v2(0, 0, Buffer.alloc(0)) },
  { name: 'v2 LOCAL with addresses', header: v2(0, 0x11, ipv4) },
  { name: 'v2 LOCAL with TLVs', header: v2(0, 0, tlv(2, 'x')) },
  { name: 'v2 unspecified', header: v2(1, 0, Buffer.alloc(0)) },
  { name: 'v2 no transport', header: v2(1, 0x10, ipv4) },
  { name: 'v2 unknown family', header: v2(1, 0x41, ipv4) },
  { name: 'v2 unknown command', header: v2(2, 0x11, ipv4) },
  { name: 'v2 of version 3', header: v2(1, 0x11, ipv4, { version: 3 }) },
  { name: 'v2 too short for its family', header: v2(1, 0x11, ipv4.subarray(0, 8)) },
  { name: 'v2 from multicast', header: v2(1, 0x11, Buffer.from([224, ...ipv4.subarray(1)])) },
  { name: 'v2 TLVs with rules', header: withTlvs(tlv(2, 'example.com'), tlv(0xe2, 'mine')) },
  {
    name: 'v2 TLV that is no UTF-8',
    header: withTlvs(tlv(2, Buffer.from('a\xff\xc3\xa9\xc3', 'latin1'))),
  },
  { name: 'v2 TLV twice', header: withTlvs(tlv(2, 'one'), tlv(2, 'two')) },
  { name: 'v2 empty TLV', header: withTlvs(tlv(2, '')) },
  { name: 'v2 huge TLV', header: withTlvs(tlv(0xe5, 'y'.repeat(60_000))) },
  { name: 'v2 TLV longer than the header', header: withTlvs(Buffer.from([2, 0, 200, 1, 2])) },
  { name: 'v2 TLV without its length', header: withTlvs(Buffer.from([2, 0])) },
];

/** What a case's client sends. */
export function payloadOf({ header }: ProxyHeaderCase): Buffer {
  return Buffer.concat([header, Buffer.from(request)]);
}
