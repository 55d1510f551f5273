// Who the client is: x-forwarded-for, x-forwarded-proto, internal or external, x-envoy-internal,
// x-envoy-external-address, x-request-id. After Envoy's conn_manager_utility and headers.rst.
// Called by active-stream once per request, after the path checks and before the route is chosen.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { Connection, SocketAddress } from '../api/connection.ts';
import { findField, type RequestHeaders, removeField, setField } from '../api/headers.ts';
import type { CidrMap } from '../network/cidr.ts';
import { hostAddress } from '../network/host-address.ts';
import { addressFromRight, containsAddress, rangesOf } from './client-address.ts';
import { type RequestScan, sanitizeExternal } from './header-sanitize.ts';
import { compileDetectors, type OriginalIpDetector } from './original-ip.ts';
import { newRequestId, withoutTraceReason } from './request-id.ts';
import { forwardedClientCert } from './xfcc.ts';

/** Compiled from HcmConfig, shared by all connections of a filter chain. Stateless per request. */
export class ForwardedPolicy {
  readonly #config: HcmConfig;
  /** Null = no address is internal, which is the default. */
  readonly #internalRanges: CidrMap<true> | null;
  /** What stands in x-forwarded-for for a client on this host. */
  readonly #localAddress: string;
  readonly #detectors: readonly OriginalIpDetector[];

  constructor(config: HcmConfig, localAddress: string = hostAddress()) {
    this.#config = config;
    this.#internalRanges = rangesOf(config.internalCidrs);
    this.#localAddress = localAddress;
    this.#detectors = compileDetectors(config);
  }

  /**
   * Mutates the request's head and returns the client's trusted address (the peer's own when nothing
   * better is known), or the status that an extension refuses the request with. `scan` is what scanRequest
   * found in the same fields. `internalOnly` = headers that only internal requests may carry.
   */
  apply(
    headers: RequestHeaders,
    scan: RequestScan,
    connection: Connection,
    internalOnly: readonly string[],
  ): SocketAddress | number {
    const config = this.#config;
    const { fields } = headers;
    const peer = connection.remoteAddress;
    const hops = config.xffNumTrustedHops;
    const forwardedFor = scan.forwardedFor === -1 ? '' : fields[scan.forwardedFor + 1]!;
    let client: SocketAddress | null = null;
    let mayBeInternal = false;

    if (config.useRemoteAddress) {
      mayBeInternal = scan.forwardedFor === -1;
      if (hops > 0 && forwardedFor !== '') client = addressFromRight(forwardedFor, hops - 1);
      client ??= peer;
      if (!config.skipXffAppend) this.#appendPeer(headers, scan, forwardedFor, peer);
    } else if (this.#detectors.length > 0) {
      // As in Envoy the first one that knows, or refuses, decides; each that is asked may want the peer added.
      let appends = false;
      for (let i = 0; i < this.#detectors.length && client === null; i++) {
        const detected = this.#detectors[i]!.detect(fields, forwardedFor, peer);
        if (typeof detected === 'number') return detected;
        client = detected.client;
        mayBeInternal = detected.isTrusted;
        if (!detected.skipXffAppend) appends = true;
      }
      if (appends) this.#appendPeer(headers, scan, forwardedFor, peer);
    } else {
      if (forwardedFor !== '') client = addressFromRight(forwardedFor, hops);
      mayBeInternal = client !== null && hops === 0 && !forwardedFor.includes(',');
    }
    this.#setScheme(headers, scan, connection);
    if (config.appendXForwardedPort) {
      setForwardedPort(headers, connection, config.useRemoteAddress && hops === 0);
    }

    const isInternal = mayBeInternal && client !== null && this.#isInternalAddress(client);
    const isEdge = config.useRemoteAddress && !isInternal;
    if (isInternal) fields.push('x-envoy-internal', 'true');
    else if (scan.hasEnvoyHeaders || internalOnly.length > 0) {
      sanitizeExternal(fields, isEdge, scan.hasEnvoyHeaders, internalOnly);
    }
    // Stricter than Envoy: at the edge nobody is there who could have said it truly.
    if (isEdge && hops === 0 && scan.hasForwardedHost) removeField(fields, 'x-forwarded-host');
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

  /** x-forwarded-proto, and the scheme that routes see. */
  #setScheme(headers: RequestHeaders, scan: RequestScan, connection: Connection): void {
    const { useRemoteAddress, xffNumTrustedHops, schemeToOverwrite } = this.#config;
    const { fields } = headers;
    const scheme = connection.tls === null ? 'http' : 'https';
    // As in Envoy :scheme stays, whatever x-forwarded-proto says.
    const own = scan.hasScheme && isScheme(headers.scheme) ? headers.scheme : '';
    if (schemeToOverwrite !== '') {
      setField(fields, 'x-forwarded-proto', schemeToOverwrite);
      headers.scheme = schemeToOverwrite;
      return;
    }
    if (scan.forwardedProto === -1) {
      fields.push('x-forwarded-proto', scheme);
      headers.scheme = own || scheme;
      return;
    }
    // Without trusted hops before us nobody may say what the scheme was.
    if (useRemoteAddress && xffNumTrustedHops === 0) {
      setField(fields, 'x-forwarded-proto', scheme);
      headers.scheme = own || scheme;
      return;
    }
    const said = fields[scan.forwardedProto + 1]!;
    headers.scheme = own || (isScheme(said) ? said : scheme);
  }

  #isInternalAddress(client: SocketAddress): boolean {
    if (isUnixSocket(client)) return this.#config.internalUnixSockets;
    return this.#internalRanges !== null && containsAddress(this.#internalRanges, client);
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
    if (scan.requestId === -1 || headers.get('x-request-id') === '') {
      setField(fields, 'x-request-id', newRequestId());
      return;
    }
    if (!isEdge) return;
    const { preserveExternalRequestId, packTraceReason } = this.#config;
    if (!preserveExternalRequestId) {
      setField(fields, 'x-request-id', newRequestId());
    } else if (packTraceReason) {
      const kept = headers.get('x-request-id');
      if (kept !== null) setField(fields, 'x-request-id', withoutTraceReason(kept));
    }
  }
}

/** x-forwarded-port: the port that the client reached; what a proxy before us said stays if it is believed. */
function setForwardedPort(
  headers: RequestHeaders,
  connection: Connection,
  overwrites: boolean,
): void {
  if (isUnixSocket(connection.localAddress)) return;
  if (!overwrites && findField(headers.fields, 'x-forwarded-port') !== -1) return;
  setField(headers.fields, 'x-forwarded-port', String(connection.localAddress.port));
}

function isScheme(text: string): boolean {
  return text === 'http' || text === 'https';
}

function isUnixSocket(address: SocketAddress): boolean {
  return address.ip.startsWith('/') || address.ip === '';
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}
