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
  [ResponseFlag.UnconditionalDropOverload, 'UDO', 'UnconditionalDropOverload'],
  [ResponseFlag.OverloadManager, 'OM', 'OverloadManagerTerminated'],
  [ResponseFlag.DnsResolutionFailed, 'DF', 'DnsResolutionFailed'],
  [ResponseFlag.UpstreamOverflow, 'UO', 'UpstreamOverflow'],
  [ResponseFlag.ErrorRatioBreakerOpen, 'ERB', 'ErrorRatioBreakerOpen'],
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

/** A connection of tcp_proxy tries first and then sees that it has tried often enough. */
const connectionNames = [...names].sort(
  ([a], [b]) => Number(isRetryLimit(a)) - Number(isRetryLimit(b)),
);

function isRetryLimit(bit: number): boolean {
  return bit === ResponseFlag.UpstreamRetryLimitExceeded;
}

/** Texts of flags in one order. Few combinations ever occur: each is made once. */
class FlagTexts {
  readonly #order: typeof names;
  readonly #column: 1 | 2;
  readonly #texts = new Map<number, string>([[0, '-']]);

  constructor(order: typeof names, column: 1 | 2) {
    this.#order = order;
    this.#column = column;
  }

  get(flags: number): string {
    return this.#texts.get(flags) ?? this.#remember(flags);
  }

  #remember(flags: number): string {
    const text = this.#order
      .filter(([bit]) => (flags & bit) !== 0)
      .map((entry) => entry[this.#column])
      .join(',');
    this.#texts.set(flags, text);
    return text;
  }
}

const shortTexts = new FlagTexts(names, 1);
const longTexts = new FlagTexts(names, 2);
const shortTextsOfConnections = new FlagTexts(connectionNames, 1);
const longTextsOfConnections = new FlagTexts(connectionNames, 2);

/** `UO,UC` of a request, or of a connection; `-` when none is set. */
export function responseFlagsText(flags: number, isConnection: boolean): string {
  return (isConnection ? shortTextsOfConnections : shortTexts).get(flags);
}

/** `UpstreamOverflow,UpstreamConnectionTermination`; `-` when none is set. */
export function responseFlagsLongText(flags: number, isConnection: boolean): string {
  return (isConnection ? longTextsOfConnections : longTexts).get(flags);
}

/** Bits of short names; unknown names have none. */
export function flagBits(shortNames: readonly string[]): number {
  let bits = 0;
  for (const [bit, short] of names) if (shortNames.includes(short)) bits |= bit;
  return bits;
}
