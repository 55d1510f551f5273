// Names of the response flags (%RESPONSE_FLAGS%, %RESPONSE_FLAGS_LONG%, response_flag filters).

import { ResponseFlag } from '../api/stream-info.ts';

/**
 * [bit, short, long]. Envoy prints flags in the order in which they were set. A set of bits has no memory of
 * that, so this is the order in which one request can meet them: faults and limits on the way in, then what
 * spoilt a retry, then what ended the last try, then the client's side.
 */
const names: readonly (readonly [bit: number, short: string, long: string])[] = [
  [ResponseFlag.DelayInjected, 'DI', 'DelayInjected'],
  [ResponseFlag.FaultInjected, 'FI', 'FaultInjected'],
  [ResponseFlag.RateLimited, 'RL', 'RateLimited'],
  [ResponseFlag.RateLimitServiceError, 'RLSE', 'RateLimitServiceError'],
  [ResponseFlag.UnauthorizedExternalService, 'UAEX', 'UnauthorizedExternalService'],
  [ResponseFlag.InvalidEnvoyRequestHeaders, 'IH', 'InvalidEnvoyRequestHeaders'],
  [ResponseFlag.FailedLocalHealthCheck, 'LH', 'FailedLocalHealthCheck'],
  [ResponseFlag.NoRouteFound, 'NR', 'NoRouteFound'],
  [ResponseFlag.NoFilterConfigFound, 'NFCF', 'NoFilterConfigFound'],
  [ResponseFlag.NoClusterFound, 'NC', 'NoClusterFound'],
  [ResponseFlag.DropOverLoad, 'DO', 'DropOverload'],
  [ResponseFlag.OverloadManager, 'OM', 'OverloadManagerTerminated'],
  [ResponseFlag.DnsResolutionFailed, 'DF', 'DnsResolutionFailed'],
  [ResponseFlag.UpstreamOverflow, 'UO', 'UpstreamOverflow'],
  [ResponseFlag.UpstreamRetryLimitExceeded, 'URX', 'UpstreamRetryLimitExceeded'],
  [ResponseFlag.NoHealthyUpstream, 'UH', 'NoHealthyUpstream'],
  [ResponseFlag.UpstreamConnectionFailure, 'UF', 'UpstreamConnectionFailure'],
  [ResponseFlag.UpstreamConnectionTermination, 'UC', 'UpstreamConnectionTermination'],
  [ResponseFlag.UpstreamRemoteReset, 'UR', 'UpstreamRemoteReset'],
  [ResponseFlag.LocalReset, 'LR', 'LocalReset'],
  [ResponseFlag.UpstreamProtocolError, 'UPE', 'UpstreamProtocolError'],
  [ResponseFlag.UpstreamRequestTimeout, 'UT', 'UpstreamRequestTimeout'],
  [ResponseFlag.UpstreamMaxStreamDurationReached, 'UMSDR', 'UpstreamMaxStreamDurationReached'],
  [ResponseFlag.StreamIdleTimeout, 'SI', 'StreamIdleTimeout'],
  [ResponseFlag.DurationTimeout, 'DT', 'DurationTimeout'],
  [ResponseFlag.DownstreamProtocolError, 'DPE', 'DownstreamProtocolError'],
  [ResponseFlag.DownstreamRemoteReset, 'DR', 'DownstreamRemoteReset'],
  [ResponseFlag.DownstreamConnectionTermination, 'DC', 'DownstreamConnectionTermination'],
];

// Few combinations ever occur: each text is made once.
const shortTexts = new Map<number, string>([[0, '-']]);
const longTexts = new Map<number, string>([[0, '-']]);

/** `UO,UC`; `-` when none is set. */
export function responseFlagsText(flags: number): string {
  return shortTexts.get(flags) ?? remember(shortTexts, flags, 1);
}

/** `UpstreamOverflow,UpstreamConnectionTermination`; `-` when none is set. */
export function responseFlagsLongText(flags: number): string {
  return longTexts.get(flags) ?? remember(longTexts, flags, 2);
}

function remember(texts: Map<number, string>, flags: number, column: 1 | 2): string {
  const text = names
    .filter(([bit]) => (flags & bit) !== 0)
    .map((entry) => entry[column])
    .join(',');
  texts.set(flags, text);
  return text;
}

/** Bits of short names; unknown names have none. */
export function flagBits(shortNames: readonly string[]): number {
  let bits = 0;
  for (const [bit, short] of names) if (shortNames.includes(short)) bits |= bit;
  return bits;
}
