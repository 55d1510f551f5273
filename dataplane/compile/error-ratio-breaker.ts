// Error-ratio breakers out of typed_filter_metadata, where Envoy does not look at them.

import { joinPath } from '../../common/result.ts';
import type { ErrorRatioBreakerProto, MetadataProto, RouteProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  BREAKER_WORDS,
  type ErrorRatioBreakerData,
  ROUTE_BREAKER_MEMORY,
  type RouteBreakerData,
} from '../api/config/error-ratio-breaker.ts';
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

/** Of a cluster; null = there is none. `path` is that of what has the metadata. */
export function compileErrorRatioBreaker(
  metadata: MetadataProto | undefined,
  key: typeof BREAKER_KEY | typeof HOST_BREAKER_KEY,
  path: string,
  compilation: Compilation,
): ErrorRatioBreakerData | null {
  const found = findBreaker(metadata, key, path, compilation);
  if (found === null) return null;
  if ((found.proto.name ?? '') !== '') {
    compilation.fail(`${found.path}.name`, 'goes with a route: a cluster has its own');
  }
  return compileFields(found, compilation);
}

/** Of a route of the configuration `configName`. A route that keeps its name keeps its breaker's state through updates. */
export function compileRouteBreaker(
  route: Pick<RouteProto, 'name' | 'metadata'>,
  path: string,
  compilation: Compilation,
  configName: string,
): RouteBreakerData | null {
  const found = findBreaker(route.metadata, BREAKER_KEY, path, compilation);
  if (found === null) return null;
  const name = [found.proto.name, route.name, path].find((of) => of !== undefined && of !== '');
  // The admin interface shows it.
  const key = `${ROUTE_BREAKER_MEMORY}${configName} ${name}`;
  return {
    ...compileFields(found, compilation),
    memory: compilation.context.sharedMemory(BREAKER_WORDS * 4, key),
  };
}

interface FoundBreaker {
  readonly proto: ErrorRatioBreakerProto;
  readonly path: string;
}

function findBreaker(
  metadata: MetadataProto | undefined,
  key: string,
  path: string,
  compilation: Compilation,
): FoundBreaker | null {
  const any = metadata?.typed_filter_metadata?.[key];
  if (any === undefined) return null;
  const at = mapEntryPath(joinPath(path, 'metadata.typed_filter_metadata'), key);
  if (any.type_name === TYPE && any.message !== null) {
    return { proto: any.message as ErrorRatioBreakerProto, path: at }; // decoded as that very type
  }
  compilation.fail(at, `must be a ${TYPE}`);
  return null;
}

function compileFields(
  { proto, path: at }: FoundBreaker,
  compilation: Compilation,
): ErrorRatioBreakerData {
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
