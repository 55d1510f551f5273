// What a reset upstream stream means: to the client text, flag and status, to the cluster a counter.

import type { ClusterTrafficStats, UpstreamStreamInfo } from '../api/cluster.ts';
import { StreamResetReason } from '../api/codec.ts';
import { ResponseFlag } from '../api/stream-info.ts';

const texts: Readonly<Record<StreamResetReason, string>> = {
  [StreamResetReason.LocalReset]: 'local reset',
  [StreamResetReason.RemoteReset]: 'remote reset',
  [StreamResetReason.LocalRefusedStreamReset]: 'local refused stream reset',
  [StreamResetReason.RemoteRefusedStreamReset]: 'remote refused stream reset',
  [StreamResetReason.LocalConnectionFailure]: 'local connection failure',
  [StreamResetReason.RemoteConnectionFailure]: 'remote connection failure',
  [StreamResetReason.ConnectionTimeout]: 'connection timeout',
  [StreamResetReason.ConnectionTermination]: 'connection termination',
  [StreamResetReason.Overflow]: 'overflow',
  [StreamResetReason.ProtocolError]: 'protocol error',
  [StreamResetReason.ConnectError]: 'remote error with CONNECT request',
};

/** Envoy's words, as in local replies and response-code details. */
export function resetReasonText(reason: StreamResetReason): string {
  return texts[reason];
}

const flags: Readonly<Record<StreamResetReason, number>> = {
  [StreamResetReason.LocalReset]: ResponseFlag.LocalReset,
  [StreamResetReason.RemoteReset]: ResponseFlag.UpstreamRemoteReset,
  [StreamResetReason.LocalRefusedStreamReset]: ResponseFlag.LocalReset,
  [StreamResetReason.RemoteRefusedStreamReset]: ResponseFlag.UpstreamRemoteReset,
  [StreamResetReason.LocalConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [StreamResetReason.RemoteConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [StreamResetReason.ConnectionTimeout]: ResponseFlag.UpstreamConnectionFailure,
  [StreamResetReason.ConnectionTermination]: ResponseFlag.UpstreamConnectionTermination,
  [StreamResetReason.Overflow]: ResponseFlag.UpstreamOverflow,
  [StreamResetReason.ProtocolError]: ResponseFlag.UpstreamProtocolError,
  [StreamResetReason.ConnectError]: ResponseFlag.UpstreamRemoteReset,
};

export function resetReasonFlag(reason: StreamResetReason): number {
  return flags[reason];
}

/** 502 when the upstream broke the protocol, else 503. */
export function resetReasonStatus(reason: StreamResetReason): number {
  return reason === StreamResetReason.ProtocolError ? 502 : 503;
}

/** Body of the local reply. `isRetry` = this was not the first try. */
export function resetBody(reason: StreamResetReason, isRetry: boolean): string {
  const latest = isRetry ? 'retried and the latest ' : '';
  return `upstream connect error or disconnect/reset before headers. ${latest}reset reason: ${resetReasonText(reason)}`;
}

/** `upstream_reset_before_response_started{remote_connection_failure|...}`: no blanks. */
export function resetDetails(
  reason: StreamResetReason,
  responseStarted: boolean,
  transportFailureReason: string,
): string {
  const when = responseStarted ? 'after' : 'before';
  const more = transportFailureReason === '' ? '' : `|${transportFailureReason}`;
  const details = `upstream_reset_${when}_response_started{${resetReasonText(reason)}${more}}`;
  return details.replaceAll(/\s/g, '_');
}

/** As Envoy counts: only streams that are not their whole connection. `info` null = no connection was there. */
export function countStreamReset(
  stats: ClusterTrafficStats,
  info: UpstreamStreamInfo | null,
  reason: StreamResetReason,
): void {
  if (info?.protocol !== 'HTTP/2') return;
  switch (reason) {
    case StreamResetReason.LocalReset:
    case StreamResetReason.ProtocolError:
      stats.upstreamRqTxReset++;
      return;
    case StreamResetReason.RemoteReset:
      stats.upstreamRqRxReset++;
      return;
    case StreamResetReason.ConnectionTermination:
      stats.upstreamRqPendingFailureEject++;
      return;
  }
}
