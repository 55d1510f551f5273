// Our breaker by the share of failed calls, in the metadata of a cluster or of a route: Envoy has none and passes it over
// (docs/adr/0019).

import { packAny } from '../../proto/any.ts';
import type { MetadataProto } from '../../proto/gen/types.ts';
import type { ErrorRatioSettings } from '../model/defaults.ts';

const BREAKER = 'remora.extensions.error_ratio_breaker.v1.ErrorRatioBreaker';
const keyOf = {
  SERVICE: 'remora.error_ratio_breaker',
  INSTANCE: 'remora.host_error_ratio_breaker',
  ROUTE: 'remora.error_ratio_breaker',
};

/** `SERVICE` and `INSTANCE` go into a cluster, `ROUTE` into a route; routes of one `name` have one breaker together. */
export function errorRatioBreaker(
  scope: keyof typeof keyOf,
  settings: Omit<ErrorRatioSettings, 'scope'>,
  name?: string,
): NonNullable<MetadataProto['typed_filter_metadata']> {
  const { thresholdPercent, minimumRequests, windowMs, openForMs, probes } = settings;
  // Of a type that it does not know Envoy takes an Any in binary, and a TypedStruct in JSON, too.
  const breaker = {
    type_url: `type.googleapis.com/${BREAKER}`,
    value: {
      error_percent_threshold: { value: thresholdPercent },
      minimum_requests: minimumRequests,
      window: `${windowMs / 1000}s`,
      open_time: `${openForMs / 1000}s`,
      max_probes: probes,
      ...(name === undefined ? {} : { name }),
    },
  };
  return { [keyOf[scope]]: packAny('xds.type.v3.TypedStruct', breaker) };
}
