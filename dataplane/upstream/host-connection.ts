// How a connection to a host of a cluster is made, for traffic (cluster.ts) and for health checks: the same TLS,
// source address, keep-alive and PROXY header for both.

import type { TimerService } from '../../common/timer.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ProxyProtocolInfo, SocketAddress } from '../api/connection.ts';
import type { TrafficCounters } from '../network/connection.ts';
import { connect, type UpstreamConnection } from '../network/connector.ts';
import { encodeProxyHeader } from '../network/proxy-header.ts';
import { type ClusterTls, connectorTls } from './cluster-tls.ts';

export interface HostConnectionOptions {
  /** Unique in the process. */
  readonly id: number;
  readonly config: ClusterConfig;
  readonly timers: TimerService;
  /** Null = plaintext. */
  readonly tls: ClusterTls | null;
  readonly address: SocketAddress;
  /** Of the endpoint, for auto_host_sni. */
  readonly hostname: string;
  /** '' = the SNI of the config. */
  readonly serverName: string;
  /** Whom a PROXY header names, null = nobody. */
  readonly downstream: ProxyProtocolInfo | null;
  /** What TLS offers where its config has no list; empty = nothing. */
  readonly alpnProtocols: readonly string[];
  readonly connectTimeoutMs: number;
  readonly traffic: TrafficCounters | null;
}

/** Begins to connect; add callbacks in the same turn (network/connector.ts). */
export function connectToHost(options: HostConnectionOptions): UpstreamConnection {
  const { config, tls, address, serverName, downstream } = options;
  const { proxyProtocol } = config;
  const wantsHostname = config.tls?.autoHostSni === true && serverName === '';
  const sni = wantsHostname ? options.hostname : serverName;
  return connect({
    id: options.id,
    timers: options.timers,
    address,
    tls: tls === null ? null : connectorTls(tls, sni, options.alpnProtocols),
    connectTimeoutMs: options.connectTimeoutMs,
    localIp: bindAddressFor(address, config.bind.addresses),
    preamble:
      proxyProtocol === null ? null : (own) => encodeProxyHeader(proxyProtocol, downstream, own),
    keepaliveS: config.tcpKeepalive?.timeS ?? config.bind.keepaliveS,
    bufferLimitBytes: config.perConnectionBufferLimitBytes,
    traffic: options.traffic,
  });
}

/** Envoy: the first of the host's family, or else the first. */
function bindAddressFor(host: SocketAddress, addresses: readonly string[]): string | null {
  const isV6 = host.ip.includes(':');
  return addresses.find((address) => address.includes(':') === isV6) ?? addresses[0] ?? null;
}
