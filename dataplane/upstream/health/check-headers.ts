// The headers that a config adds to health-check requests. Their values are access-log formats, of which only what
// names the host means something here.

import { compileMutations } from '../../access-log/header-mutations.ts';
import { connectionLogContext, type LogContext } from '../../api/access-log.ts';
import type { PlacedHost } from '../../api/config/cluster.ts';
import type { HeaderFields } from '../../api/headers.ts';
import type { HeaderMutationsData } from '../../api/matcher-data.ts';
import type { Protocol, StreamInfo } from '../../api/stream-info.ts';

/** Applies `mutations` to the fields of one host's requests; null = there are none. */
export type CheckHeaders = ((fields: HeaderFields, wallMs: number) => void) | null;

export function compileCheckHeaders(
  mutations: HeaderMutationsData,
  clusterName: string,
  host: PlacedHost,
  protocol: Protocol,
): CheckHeaders {
  const compiled = compileMutations(mutations);
  if (compiled === null) return null;
  return (fields, wallMs) =>
    compiled.apply(fields, logContext(clusterName, host, protocol, wallMs));
}

function logContext(
  clusterName: string,
  host: PlacedHost,
  protocol: Protocol,
  wallMs: number,
): LogContext {
  const nowhere = { ip: '', port: 0 };
  const streamInfo: StreamInfo = {
    startWallMs: wallMs,
    startMs: 0,
    lastDownstreamRxByteMs: -1,
    firstUpstreamTxByteMs: -1,
    lastUpstreamTxByteMs: -1,
    firstUpstreamRxByteMs: -1,
    lastUpstreamRxByteMs: -1,
    firstDownstreamTxByteMs: -1,
    lastDownstreamTxByteMs: -1,
    endMs: -1,
    protocol,
    responseCode: 0,
    responseCodeDetails: '',
    connectionTerminationDetails: '',
    downstreamLocalCloseReason: '',
    downstreamTransportFailureReason: '',
    responseFlags: 0,
    bytesReceived: 0,
    bytesSent: 0,
    routeName: '',
    virtualHostName: '',
    upstreamCluster: clusterName,
    upstreamHost: { ip: host.address, port: host.port },
    upstreamHostName: host.hostname,
    upstreamLocalAddress: null,
    upstreamProtocol: protocol,
    upstreamTls: null,
    upstreamTransportFailureReason: '',
    upstreamConnectionId: 0,
    upstreamRequestAttemptCount: 0,
    connectionId: 0,
    downstreamRemoteAddress: nowhere,
    downstreamDirectRemoteAddress: nowhere,
    downstreamLocalAddress: nowhere,
    downstreamTls: null,
    requestedServerName: '',
    filterChainName: '',
    dynamicMetadata: null,
    filterState: null,
    schemeMatchesUpstream: false,
    isHealthCheck: true,
    internalRedirects: null,
  };
  return connectionLogContext(streamInfo, 'NotSet');
}
