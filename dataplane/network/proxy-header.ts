// Writes PROXY headers for upstream connections ("The PROXY protocol", haproxy.org, 2.1 and 2.2), and says
// which connections may be shared: none whose header would be another.

import { ipBytes } from '../../common/ip-bytes.ts';
import type { UpstreamProxyProtocolConfig } from '../api/config/proxy-protocol.ts';
import type {
  Connection,
  ProxyProtocolInfo,
  ProxyProtocolTlv,
  SocketAddress,
} from '../api/connection.ts';

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_PROXY = 0x21;
const V2_LOCAL = 0x20;
const FAMILY_UNSPEC = 0x00;
const FAMILY_TCP4 = 0x11;
const FAMILY_TCP6 = 0x21;
const MAX_BODY_BYTES = 0xffff;

/**
 * The header of a connection made for `downstream` (null = for nobody: v1 names the connection's own ends,
 * v2 says LOCAL). `own` = that connection's ends. Null = the TLVs do not fit into a header.
 */
export function encodeProxyHeader(
  config: UpstreamProxyProtocolConfig,
  downstream: ProxyProtocolInfo | null,
  own: { readonly local: SocketAddress; readonly remote: SocketAddress },
): Buffer | null {
  if (config.version === 1) {
    return downstream === null
      ? encodeV1(own.local, own.remote)
      : encodeV1(downstream.remoteAddress, downstream.localAddress);
  }
  if (downstream === null) return encodeV2(V2_LOCAL, FAMILY_UNSPEC, Buffer.alloc(0));
  const addresses = encodeAddresses(downstream.remoteAddress, downstream.localAddress);
  // A Unix socket has no address that could be passed on.
  if (addresses === null) return encodeV2(V2_LOCAL, FAMILY_UNSPEC, Buffer.alloc(0));
  const family = addresses.length === 12 ? FAMILY_TCP4 : FAMILY_TCP6;
  const tlvs = tlvsOf(config, downstream).map(encodeTlv);
  return encodeV2(V2_PROXY, family, Buffer.concat([addresses, ...tlvs]));
}

/** Whom the header of an upstream connection for this one names: whoever came in a header, else its own ends. */
export function proxyInfoOf({
  proxyProtocol,
  remoteAddress,
  localAddress,
}: Connection): ProxyProtocolInfo {
  return proxyProtocol ?? { remoteAddress, localAddress, tlvs: [] };
}

/** Connections with equal keys have equal headers. */
export function proxyHeaderKey(downstream: ProxyProtocolInfo, withTlvs: boolean): string {
  const { remoteAddress, localAddress, tlvs } = downstream;
  const ends = `${remoteAddress.ip} ${remoteAddress.port} ${localAddress.ip} ${localAddress.port}`;
  if (!withTlvs) return ends;
  const texts = tlvs.map(({ type, value }) => `${type}=${Buffer.from(value).toString('base64')}`);
  return `${ends} ${texts.join(' ')}`;
}

function encodeV1(source: SocketAddress, destination: SocketAddress): Buffer {
  const [from, to] = [ipBytes(source.ip), ipBytes(destination.ip)];
  if (from === null || to === null || from.length !== to.length) {
    return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  }
  const ends = `${source.ip} ${destination.ip} ${source.port} ${destination.port}`;
  return Buffer.from(`PROXY ${from.length === 4 ? 'TCP4' : 'TCP6'} ${ends}\r\n`, 'latin1');
}

function encodeAddresses(source: SocketAddress, destination: SocketAddress): Buffer | null {
  let from = ipBytes(source.ip);
  let to = ipBytes(destination.ip);
  if (from === null || to === null) return null;
  if (from.length !== to.length) [from, to] = [mapped(from), mapped(to)];
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([from, to, ports]);
}

/** An IPv4 address as an IPv6 one: a header has room for one family. */
function mapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16
    ? bytes
    : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes);
}

/** Ours first; of those that are passed on, the ones of other types. */
function tlvsOf(
  { addedTlvs, passThroughTlvs }: UpstreamProxyProtocolConfig,
  { tlvs }: ProxyProtocolInfo,
): readonly ProxyProtocolTlv[] {
  const passed = tlvs.filter(
    ({ type }) =>
      (passThroughTlvs === 'all' || passThroughTlvs.includes(type)) &&
      !addedTlvs.some((added) => added.type === type),
  );
  return [...addedTlvs, ...passed];
}

function encodeTlv({ type, value }: ProxyProtocolTlv): Buffer {
  return Buffer.concat([Buffer.of(type, value.length >> 8, value.length & 0xff), value]);
}

function encodeV2(versionAndCommand: number, family: number, body: Buffer): Buffer | null {
  if (body.length > MAX_BODY_BYTES) return null;
  const tail = Buffer.of(versionAndCommand, family, body.length >> 8, body.length & 0xff);
  return Buffer.concat([V2_SIGNATURE, tail, body]);
}
