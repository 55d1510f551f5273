// Who the client is: x-forwarded-for, x-forwarded-proto, internal or external, x-envoy-internal,
// x-envoy-external-address, x-request-id. After Envoy's conn_manager_utility and headers.rst.
// Called by active-stream once per request, after the path checks and before the route is chosen.

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { Connection, SocketAddress } from '../api/connection.ts';
import { findField, type RequestHeaders, setField } from '../api/headers.ts';
import { CidrMap, parseCidr, parseIp } from '../network/cidr.ts';
import { type RequestScan, sanitizeExternal } from './header-sanitize.ts';
import { newRequestId, withoutTraceReason } from './request-id.ts';
import { forwardedClientCert } from './xfcc.ts';

/** Compiled from HcmConfig, shared by all connections of a filter chain. Stateless per request. */
export class ForwardedPolicy {
  readonly #config: HcmConfig;
  /** Null = no address is internal, which is the default. */
  readonly #internalRanges: CidrMap<true> | null;
  /** What stands in x-forwarded-for for a client on this host. */
  readonly #localAddress: string;

  constructor(config: HcmConfig, localAddress: string = hostAddress()) {
    this.#config = config;
    this.#internalRanges = rangesOf(config.internalCidrs);
    this.#localAddress = localAddress;
  }

  /**
   * Mutates the request's head and returns the client's trusted address (the peer's own when nothing
   * better is known). `scan` is what scanRequest found in the same fields. `internalOnly` = headers that
   * only internal requests may carry.
   */
  apply(
    headers: RequestHeaders,
    scan: RequestScan,
    connection: Connection,
    internalOnly: readonly string[],
  ): SocketAddress {
    const config = this.#config;
    const { fields } = headers;
    const peer = connection.remoteAddress;
    const hops = config.xffNumTrustedHops;
    const scheme = connection.tls === null ? 'http' : 'https';
    const forwardedFor = scan.forwardedFor === -1 ? '' : fields[scan.forwardedFor + 1]!;
    let client: SocketAddress | null = null;
    let mayBeInternal: boolean;

    if (config.useRemoteAddress) {
      mayBeInternal = scan.forwardedFor === -1;
      if (hops > 0 && forwardedFor !== '') client = addressFromRight(forwardedFor, hops - 1);
      client ??= peer;
      if (!config.skipXffAppend) this.#appendPeer(headers, scan, forwardedFor, peer);
      // Without trusted hops before us nobody may say what the scheme was.
      if (hops === 0 || scan.forwardedProto === -1) {
        if (scan.forwardedProto === -1) fields.push('x-forwarded-proto', scheme);
        else setField(fields, 'x-forwarded-proto', scheme);
      }
    } else {
      if (forwardedFor !== '') client = addressFromRight(forwardedFor, hops);
      mayBeInternal = client !== null && hops === 0 && !forwardedFor.includes(',');
      if (scan.forwardedProto === -1) fields.push('x-forwarded-proto', scheme);
    }
    const forwardedProto =
      config.useRemoteAddress && hops === 0
        ? scheme
        : scan.forwardedProto === -1
          ? scheme
          : fields[scan.forwardedProto + 1]!;
    headers.scheme =
      forwardedProto === 'http' || forwardedProto === 'https' ? forwardedProto : scheme;

    const isInternal = mayBeInternal && client !== null && this.#isInternalAddress(client);
    const isEdge = config.useRemoteAddress && !isInternal;
    if (isInternal) fields.push('x-envoy-internal', 'true');
    else if (scan.hasEnvoyHeaders || internalOnly.length > 0) {
      sanitizeExternal(fields, isEdge, scan.hasEnvoyHeaders, internalOnly);
    }
    const trusted = client ?? peer;
    this.#appendVia(headers, scan);
    if (isEdge && !isUnixSocket(trusted)) {
      setField(fields, 'x-envoy-external-address', trusted.ip);
    }
    if (config.generateRequestId) this.#setRequestId(headers, scan, isEdge);
    if (
      scan.forwardedClientCert !== -1 ||
      (connection.tls !== null && config.forwardClientCertDetails !== 'SANITIZE')
    ) {
      forwardedClientCert(headers, connection.tls, config);
    }
    return trusted;
  }

  #isInternalAddress(client: SocketAddress): boolean {
    if (isUnixSocket(client)) return this.#config.internalUnixSockets;
    if (this.#internalRanges === null) return false;
    const ip = parseIp(client.ip);
    return ip !== null && this.#internalRanges.find(ip) !== null;
  }

  #appendPeer(
    headers: RequestHeaders,
    scan: RequestScan,
    forwardedFor: string,
    peer: SocketAddress,
  ): void {
    if (isUnixSocket(peer)) return;
    const ip = isLoopback(peer.ip) ? this.#localAddress : peer.ip;
    const { fields } = headers;
    if (scan.forwardedFor === -1) fields.push('x-forwarded-for', ip);
    else fields[scan.forwardedFor + 1] = forwardedFor === '' ? ip : `${forwardedFor},${ip}`;
  }

  #appendVia(headers: RequestHeaders, scan: RequestScan): void {
    const { via } = this.#config;
    if (via === '') return;
    const { fields } = headers;
    const at = scan.via === -1 ? -1 : findField(fields, 'via');
    if (at === -1) fields.push('via', via);
    else fields[at + 1] = `${fields[at + 1]!}, ${via}`;
  }

  #setRequestId(headers: RequestHeaders, scan: RequestScan, isEdge: boolean): void {
    const { fields } = headers;
    if (scan.requestId === -1) {
      fields.push('x-request-id', newRequestId());
      return;
    }
    if (!isEdge) return;
    const kept = this.#config.preserveExternalRequestId ? headers.get('x-request-id') : null;
    setField(fields, 'x-request-id', kept === null ? newRequestId() : withoutTraceReason(kept));
  }
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
  const start = list.lastIndexOf(',', end - 1) + 1;
  const ip = list.slice(start, end).trim();
  return isIP(ip) === 0 ? null : { ip, port: 0 };
}

/** The main thread checked the texts when it compiled the config. */
function rangesOf(texts: readonly string[]): CidrMap<true> | null {
  if (texts.length === 0) return null;
  const ranges = new CidrMap<true>();
  for (const text of texts) {
    const range = parseCidr(text);
    if (range === null) throw new Error(`not a CIDR range: ${text}`);
    ranges.add(range, true);
  }
  return ranges;
}

function isUnixSocket(address: SocketAddress): boolean {
  return address.ip.startsWith('/') || address.ip === '';
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** This host's first address that is not loopback, IPv4 first; 127.0.0.1 when there is none. */
function hostAddress(): string {
  for (const family of ['IPv4', 'IPv6']) {
    for (const addresses of Object.values(networkInterfaces())) {
      for (const address of addresses ?? []) {
        if (!address.internal && address.family === family) return address.address;
      }
    }
  }
  return '127.0.0.1';
}
