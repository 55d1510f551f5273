// What a request asks of its host's metadata: what the route's metadata_match says (for one of weighted clusters merged
// with its own when the route was compiled) and, before that, what filters have said in dynamic metadata `envoy.lb` of
// the connection and, before all, of the request.

import { LB_METADATA, type MetadataMatch, mergeMetadataMatch } from '../api/metadata-match.ts';
import type { RouterState } from './stream-state.ts';

/** Null = any host will do. Envoy: Router::Filter::metadataMatchCriteria. */
export function metadataMatchOf(stream: RouterState): MetadataMatch | null {
  const { connection, streamInfo } = stream.callbacks;
  let match = stream.route === null ? null : stream.route.metadataMatch;
  const ofConnection = connection?.dynamicMetadata?.[LB_METADATA];
  if (ofConnection !== undefined) match = mergeMetadataMatch(match, ofConnection);
  const ofRequest = streamInfo.dynamicMetadata?.[LB_METADATA];
  return ofRequest === undefined ? match : mergeMetadataMatch(match, ofRequest);
}
