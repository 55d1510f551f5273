// metadata_match of a route or of one of its weighted clusters.

import type { MetadataProto } from '../../proto/gen/types.ts';
import { LB_METADATA, type MetadataMatch, mergeMetadataMatch } from '../api/metadata-match.ts';

/** Merged over `base`; of the namespaces only `envoy.lb` counts. Null = nothing is asked for. */
export function compileMetadataMatch(
  metadata: MetadataProto | undefined,
  base: MetadataMatch | null,
): MetadataMatch | null {
  const values = metadata?.filter_metadata?.[LB_METADATA];
  return values === undefined ? base : mergeMetadataMatch(base, values);
}
