// Options of outlier detection that Envoy does not have. They stand in the cluster's metadata, so that Envoy takes
// the same cluster and ignores them:
//
//   metadata: { filter_metadata: { remora.outlier_detection: { grpc_status_from_trailers: true } } }
//
// An error_matcher of the cluster judges heads, and goes before it.

import { joinPath } from '../../common/result.ts';
import type { MetadataProto } from '../../proto/gen/types.ts';
import { type Compilation, mapEntryPath } from '../compile/compilation.ts';

const NAMESPACE = 'remora.outlier_detection';
const OPTION = 'grpc_status_from_trailers';

/** Whether gRPC responses count by their trailers. `path` is the cluster's. */
export function grpcStatusFromTrailers(
  metadata: MetadataProto | undefined,
  hasOutlierDetection: boolean,
  path: string,
  compilation: Compilation,
): boolean {
  const options = metadata?.filter_metadata?.[NAMESPACE];
  if (options === undefined) return false;
  const at = mapEntryPath(joinPath(path, 'metadata.filter_metadata'), NAMESPACE);
  if (!hasOutlierDetection) compilation.fail(at, 'needs outlier_detection');
  for (const name of Object.keys(options)) {
    if (name !== OPTION) compilation.fail(`${at}.${name}`, 'not supported yet');
  }
  const value = options[OPTION] ?? false;
  if (typeof value !== 'boolean') compilation.fail(`${at}.${OPTION}`, 'must be true or false');
  return value === true;
}
