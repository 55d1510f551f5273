// Words for settings that more than one part of an explanation speaks of.

import type { ErrorRatioSettings } from '../model/defaults.ts';
import { counted, durationText } from './explanation.ts';

/** retry_on tokens in words; unknown ones never pass the schema. */
const reasons: Readonly<Record<string, string>> = {
  '5xx': 'it is answered with 5xx or not at all',
  'gateway-error': 'it is answered with 502, 503 or 504, or reset',
  reset: 'the connection or stream breaks before an answer',
  'reset-before-request': 'the connection breaks before anything was sent',
  'connect-failure': 'no connection can be made',
  'refused-stream': 'the instance refuses it unprocessed',
  'retriable-4xx': 'it is answered with 409',
  cancelled: 'grpc-status is CANCELLED',
  'deadline-exceeded': 'grpc-status is DEADLINE_EXCEEDED',
  internal: 'grpc-status is INTERNAL',
  'resource-exhausted': 'grpc-status is RESOURCE_EXHAUSTED',
  unavailable: 'grpc-status is UNAVAILABLE',
};

export function furtherTriesText(count: number): string {
  return counted(count, 'further try', 'further tries');
}

/** `retryOn` as in a RetryPolicy: tokens with commas. */
export function reasonsOf(retryOn: string, codes: readonly number[]): string {
  const texts = retryOn
    .split(',')
    .map((token) =>
      token === 'retriable-status-codes'
        ? `it is answered with ${codes.join(', ')}`
        : (reasons[token] ?? token),
    );
  const last = texts.pop();
  return texts.length === 0 ? `${last}` : `${texts.join(', ')} or ${last}`;
}

/** `what` happens to `whose` calls. */
export function breakerText(
  settings: Omit<ErrorRatioSettings, 'scope'>,
  whose: string,
  what: string,
): string {
  const { thresholdPercent, minimumRequests, windowMs, openForMs, probes } = settings;
  return `when ${thresholdPercent} % of ${whose} fail within ${durationText(windowMs)} (of ${minimumRequests} at least), ${what} for ${durationText(openForMs)}; then ${counted(probes, 'call')} must go well`;
}
