// Rapid reset (CVE-2023-44487): when a connection resets most of its requests before they are answered. Pure
// arithmetic after Envoy's ConnectionManagerImpl::maybeDrainDueToPrematureResets; connection-manager counts and asks.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { StreamInfo } from '../api/stream-info.ts';

type Limits = HcmConfig['prematureResets'];

/** Why the connection was closed: its streams' RESPONSE_CODE_DETAILS. */
export const TOO_MANY_PREMATURE_RESETS = 'too_many_premature_resets';

/** The stream is over: it lived no longer than a second (by default) and had no answer. */
export function isPrematureReset(info: StreamInfo, limits: Limits): boolean {
  if (info.responseCode !== 0) return false;
  return Math.floor((info.endMs - info.startMs) / 1000) <= limits.minStreamLifetimeS;
}

/** At least half of `ended` requests, or so many that it will be half of the first totalStreamCount, come what may. */
export function resetsTooMuch(premature: number, ended: number, limits: Limits): boolean {
  return premature * 2 >= Math.max(ended, limits.totalStreamCount);
}
