// What RBAC filters of both layers say about their verdicts, in Envoy's words.

import type { StreamInfo } from '../../../api/stream-info.ts';

/** RESPONSE_CODE_DETAILS or CONNECTION_TERMINATION_DETAILS of a denial; null = no policy matched. */
export function deniedDetails(policyName: string | null): string {
  const name = policyName === null ? 'none' : policyName.replaceAll(/\s/g, '_');
  return `rbac_access_denied_matched_policy[${name}]`;
}

/** What an access log filter looks for after Envoy's RBAC LOG action. */
export function noteLogHint(streamInfo: StreamInfo, hint: boolean): void {
  streamInfo.dynamicMetadata ??= {};
  streamInfo.dynamicMetadata['envoy.common'] = {
    ...streamInfo.dynamicMetadata['envoy.common'],
    access_log_hint: hint,
  };
}
