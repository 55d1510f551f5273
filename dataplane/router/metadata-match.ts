// What a request asks of its host's metadata: what the route's metadata_match says (for one of weighted clusters merged
// with its own when the route was compiled) and, before that, what filters have said in dynamic metadata `envoy.lb`.

import { LB_METADATA, type MetadataMatch, mergeMetadataMatch } from '../api/metadata-match.ts';
import type { RouterState } from './stream-state.ts';

/** Null = any host will do. Envoy: Router::Filter::metadataMatchCriteria. */
export function metadataMatchOf(stream: RouterState): MetadataMatch | null {
  const ofRoute = stream.route === null ? null : stream.route.metadataMatch;
  const dynamic = stream.callbacks.streamInfo.dynamicMetadata?.[LB_METADATA];
  return dynamic === undefined ? ofRoute : mergeMetadataMatch(ofRoute, dynamic);
}
