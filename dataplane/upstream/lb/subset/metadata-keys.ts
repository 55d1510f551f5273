// Metadata of a route and of a host, key by key. Used by subset-balancer.ts.

import type { HostConfig } from '../../../api/config/cluster.ts';
import { LB_METADATA, type MetadataEntry, metadataText } from '../../../api/metadata-match.ts';

/** Those entries whose key is among `keys`. */
export function projected(
  entries: readonly MetadataEntry[],
  keys: readonly string[],
): readonly MetadataEntry[] {
  const some: MetadataEntry[] = [];
  for (let i = 0; i < entries.length; i++) {
    if (keys.includes(entries[i]!.key)) some.push(entries[i]!);
  }
  return some;
}

/** Envoy: metadataLabelMatch. Without entries every host matches, also one that has no metadata. */
export function hasValues(
  metadata: HostConfig['metadata'],
  entries: readonly MetadataEntry[],
  listAsAny: boolean,
): boolean {
  if (entries.length === 0) return true;
  const values = metadata?.[LB_METADATA];
  if (values === undefined) return false;
  return entries.every(({ key, value }) => {
    if (!Object.hasOwn(values, key)) return false;
    const own = values[key];
    if (listAsAny && Array.isArray(own)) return own.some((item) => metadataText(item) === value);
    return metadataText(own) === value;
  });
}
