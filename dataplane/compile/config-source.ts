// core.v3.ConfigSource: where a resource that a message names comes from. Only ADS for now.

import type { ConfigSourceProto } from '../../proto/gen/types.ts';
import type { Compilation } from './compilation.ts';

/** Records an error unless the source is the aggregated stream. */
export function requireAds(
  source: ConfigSourceProto | undefined,
  path: string,
  compilation: Compilation,
): void {
  if (source === undefined) compilation.fail(path, 'is required');
  else if (source.ads !== undefined) {
    if (!compilation.context.hasAds) {
      compilation.fail(`${path}.ads`, 'needs dynamic_resources.ads_config');
    }
  } else {
    // The support table has already named any other kind of source that is set.
    if (Object.keys(source).every((key) => key === 'resource_api_version')) {
      compilation.fail(path, 'ads is required');
    }
  }
}
