// retry_host_predicate: which hosts a retry avoids. Asked by RetryState for each host that the balancer offers.

import type { RetryHostPredicateData } from '../../api/config/route.ts';
import type { Host } from '../../api/host.ts';
import { LB_METADATA, type MetadataEntry, metadataText } from '../../api/metadata-match.ts';

/** `attempted`: the hosts of the tries so far. */
export function isRejected(
  predicate: RetryHostPredicateData,
  host: Host,
  attempted: readonly Host[],
): boolean {
  switch (predicate.kind) {
    case 'previous_hosts':
      return attempted.includes(host);
    case 'omit_canary_hosts':
      return host.canary;
    case 'omit_host_metadata':
      // Envoy: nothing to match is no match.
      return predicate.metadata.length > 0 && hasMetadata(host, predicate.metadata);
    default:
      return predicate satisfies never;
  }
}

function hasMetadata(host: Host, wanted: readonly MetadataEntry[]): boolean {
  const values = host.metadata?.[LB_METADATA];
  if (values === undefined) return false;
  return wanted.every(({ key, value }) => {
    const present = values[key];
    if (present === undefined) return false;
    // Envoy: a list has a value if one of its items is equal to it.
    if (Array.isArray(present)) return present.some((item) => metadataText(item) === value);
    return metadataText(present) === value;
  });
}
