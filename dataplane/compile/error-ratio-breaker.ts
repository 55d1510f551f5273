// Error-ratio breakers out of typed_filter_metadata, where Envoy does not look at them.

import { joinPath } from '../../common/result.ts';
import type { ErrorRatioBreakerProto, MetadataProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { ErrorRatioBreakerData } from '../api/config/error-ratio-breaker.ts';
import { type Compilation, mapEntryPath } from './compilation.ts';

/** Of all requests to a cluster, or by a route. */
export const BREAKER_KEY = 'remora.error_ratio_breaker';
/** Of the requests to each host of a cluster. */
export const HOST_BREAKER_KEY = 'remora.host_error_ratio_breaker';

const TYPE = 'remora.extensions.error_ratio_breaker.v1.ErrorRatioBreaker';
const DEFAULT_PERCENT = 50;
const DEFAULT_MINIMUM_REQUESTS = 20;
const DEFAULT_WINDOW_MS = 10_000;
const DEFAULT_OPEN_TIME_MS = 5_000;
const DEFAULT_MAX_PROBES = 3;
const MOST_PROBES = 255;

/** Null = there is none. `path` is that of what has the metadata. */
export function compileErrorRatioBreaker(
  metadata: MetadataProto | undefined,
  key: typeof BREAKER_KEY | typeof HOST_BREAKER_KEY,
  path: string,
  compilation: Compilation,
): ErrorRatioBreakerData | null {
  const any = metadata?.typed_filter_metadata?.[key];
  if (any === undefined) return null;
  const at = mapEntryPath(joinPath(path, 'metadata.typed_filter_metadata'), key);
  if (any.type_name !== TYPE || any.message === null) {
    compilation.fail(at, `must be a ${TYPE}`);
    return null;
  }
  const proto = any.message as ErrorRatioBreakerProto; // decoded as that very type
  const percent = proto.error_percent_threshold;
  const data: ErrorRatioBreakerData = {
    errorPercentThreshold: percent === undefined ? DEFAULT_PERCENT : (percent.value ?? 0),
    minimumRequests: wrapperOr(proto.minimum_requests, DEFAULT_MINIMUM_REQUESTS),
    windowMs: durationMsOr(proto.window, DEFAULT_WINDOW_MS),
    openTimeMs: durationMsOr(proto.open_time, DEFAULT_OPEN_TIME_MS),
    maxProbes: wrapperOr(proto.max_probes, DEFAULT_MAX_PROBES),
  };
  const check = (field: string, holds: boolean, message: string): void => {
    if (!holds) compilation.fail(`${at}.${field}`, message);
  };
  const { errorPercentThreshold, minimumRequests, windowMs, openTimeMs, maxProbes } = data;
  check(
    'error_percent_threshold',
    errorPercentThreshold > 0 && errorPercentThreshold <= 100,
    'must be above 0 and at most 100',
  );
  check('minimum_requests', minimumRequests >= 1, 'must be at least 1');
  check('window', windowMs > 0, 'must be above 0');
  check('open_time', openTimeMs > 0, 'must be above 0');
  check('max_probes', maxProbes >= 1 && maxProbes <= MOST_PROBES, 'must be between 1 and 255');
  return data;
}
