// rate_limited_retry_back_off: how long a response asks its clients to wait. Used by RetryState.

import type { RateLimitedBackOffData } from '../../api/config/route.ts';
import { getField, type ResponseHeaders } from '../../api/headers.ts';

const DIGITS = /^\s*[0-9]{1,15}\s*$/;

/** Milliseconds > 0; null = the response does not say, or longer than we would wait. `wallMs`: the time of day. */
export function resetIntervalMs(
  { fields }: ResponseHeaders,
  { resetHeaders, maxIntervalMs }: RateLimitedBackOffData,
  wallMs: number,
): number | null {
  for (const { name, format } of resetHeaders) {
    const value = getField(fields, name);
    if (value === null || !DIGITS.test(value)) continue;
    const seconds = Number(value) - (format === 'UNIX_TIMESTAMP' ? Math.floor(wallMs / 1000) : 0);
    if (seconds < 0 || seconds * 1000 > maxIntervalMs) continue;
    // Envoy: the first that may be used decides, also if it says "now".
    return seconds === 0 ? null : seconds * 1000;
  }
  return null;
}
