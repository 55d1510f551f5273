// The StreamInfo of one HTTP request. Made by active-stream at the first byte of the request, written by
// hcm and router, read by filters and access loggers until the stream is finished.

import type { Connection, SocketAddress, TlsInfo } from '../api/connection.ts';
import type { Protocol, StreamInfo } from '../api/stream-info.ts';

/** What a stream's info takes over from its connection. */
export type ConnectionFacts = Pick<
  Connection,
  'id' | 'remoteAddress' | 'directRemoteAddress' | 'localAddress' | 'tls' | 'requestedServerName'
>;

/** See api/stream-info.ts for the fields. Every field is set here, once, to its final type. */
export class HttpStreamInfo implements StreamInfo {
  startWallMs: number;
  startMs: number;
  lastDownstreamRxByteMs: number;
  firstUpstreamTxByteMs: number;
  lastUpstreamTxByteMs: number;
  firstUpstreamRxByteMs: number;
  lastUpstreamRxByteMs: number;
  firstDownstreamTxByteMs: number;
  lastDownstreamTxByteMs: number;
  endMs: number;
  protocol: Protocol;
  responseCode: number;
  responseCodeDetails: string;
  connectionTerminationDetails: string;
  downstreamLocalCloseReason: string;
  downstreamTransportFailureReason: string;
  responseFlags: number;
  bytesReceived: number;
  bytesSent: number;
  routeName: string;
  virtualHostName: string;
  upstreamCluster: string;
  upstreamHost: SocketAddress | null;
  upstreamHostName: string;
  upstreamLocalAddress: SocketAddress | null;
  upstreamProtocol: Protocol;
  upstreamTls: TlsInfo | null;
  upstreamTransportFailureReason: string;
  upstreamConnectionId: number;
  upstreamRequestAttemptCount: number;
  connectionId: number;
  downstreamRemoteAddress: SocketAddress;
  downstreamDirectRemoteAddress: SocketAddress;
  downstreamLocalAddress: SocketAddress;
  downstreamTls: TlsInfo | null;
  requestedServerName: string;
  schemeMatchesUpstream: boolean;
  isHealthCheck: boolean;
  filterChainName: string;
  dynamicMetadata: Record<string, Record<string, unknown>> | null;
  internalRedirects: StreamInfo['internalRedirects'];
  filterState: StreamInfo['filterState'];

  constructor(
    connection: ConnectionFacts,
    filterChainName: string,
    protocol: Protocol,
    nowMs: number,
    wallMs: number,
  ) {
    this.startWallMs = wallMs;
    this.startMs = nowMs;
    this.lastDownstreamRxByteMs = -1;
    this.firstUpstreamTxByteMs = -1;
    this.lastUpstreamTxByteMs = -1;
    this.firstUpstreamRxByteMs = -1;
    this.lastUpstreamRxByteMs = -1;
    this.firstDownstreamTxByteMs = -1;
    this.lastDownstreamTxByteMs = -1;
    this.endMs = -1;
    this.protocol = protocol;
    this.responseCode = 0;
    this.responseCodeDetails = '';
    this.connectionTerminationDetails = '';
    this.downstreamLocalCloseReason = '';
    this.downstreamTransportFailureReason = '';
    this.responseFlags = 0;
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.routeName = '';
    this.virtualHostName = '';
    this.upstreamCluster = '';
    this.upstreamHost = null;
    this.upstreamHostName = '';
    this.upstreamLocalAddress = null;
    this.upstreamProtocol = '';
    this.upstreamTls = null;
    this.upstreamTransportFailureReason = '';
    this.upstreamConnectionId = 0;
    this.upstreamRequestAttemptCount = 0;
    this.connectionId = connection.id;
    this.downstreamRemoteAddress = connection.remoteAddress;
    this.downstreamDirectRemoteAddress = connection.directRemoteAddress ?? connection.remoteAddress;
    this.downstreamLocalAddress = connection.localAddress;
    this.downstreamTls = connection.tls;
    this.requestedServerName = connection.requestedServerName;
    this.schemeMatchesUpstream = false;
    this.isHealthCheck = false;
    this.filterChainName = filterChainName;
    this.dynamicMetadata = null;
    this.internalRedirects = null;
    this.filterState = null;
  }

  /** The same request goes on in another stream (internal redirect): what is known of client and request stays. */
  goOnFrom(former: HttpStreamInfo): void {
    this.startWallMs = former.startWallMs;
    this.startMs = former.startMs;
    this.lastDownstreamRxByteMs = former.lastDownstreamRxByteMs;
    this.bytesReceived = former.bytesReceived;
    this.downstreamRemoteAddress = former.downstreamRemoteAddress;
    this.schemeMatchesUpstream = former.schemeMatchesUpstream;
    this.internalRedirects = former.internalRedirects;
  }
}
