// A retry budget by rate, which Envoy does not have. Envoy's counts retries of the moment: where answers come fast few
// run at a time, and three of them (min_retry_concurrency) are many. This one counts what was begun in the last time. It
// stands in the cluster's metadata, so that Envoy takes the same cluster and ignores it:
//
//   metadata: { filter_metadata: { remora.retry_budget: { percent: 20, interval_s: 10, min_retries_per_second: 1 } } }

import { joinPath } from '../../common/result.ts';
import type { MetadataProto } from '../../proto/gen/types.ts';
import { RECENT_REQUESTS_BYTES, type RetryRateConfig } from '../api/config/cluster.ts';
import { type Compilation, mapEntryPath } from '../compile/compilation.ts';

const NAMESPACE = 'remora.retry_budget';

/** Name to default, least and most. */
const options = {
  percent: [20, 0, 100],
  interval_s: [10, 1, 3600],
  min_retries_per_second: [1, 0, 1_000_000],
} as const;

/** Null = none. `path` is the cluster's. */
export function compileRetryRate(
  metadata: MetadataProto | undefined,
  clusterName: string,
  path: string,
  compilation: Compilation,
): RetryRateConfig | null {
  const given = metadata?.filter_metadata?.[NAMESPACE];
  if (given === undefined) return null;
  const at = mapEntryPath(joinPath(path, 'metadata.filter_metadata'), NAMESPACE);
  for (const name of Object.keys(given)) {
    if (!(name in options)) compilation.fail(`${at}.${name}`, 'not supported yet');
  }
  const numberOf = (name: keyof typeof options): number => {
    const [fallback, least, most] = options[name];
    const value = given[name] ?? fallback;
    if (typeof value === 'number' && value >= least && value <= most) return value;
    compilation.fail(`${at}.${name}`, `must be a number from ${least} to ${most}`);
    return fallback;
  };
  const memory = (what: string) =>
    compilation.context.sharedMemory(RECENT_REQUESTS_BYTES, `retry rate ${what} ${clusterName}`);
  return {
    percent: numberOf('percent'),
    intervalMs: 1000 * numberOf('interval_s'),
    minRetriesPerSecond: numberOf('min_retries_per_second'),
    requests: memory('requests'),
    retries: memory('retries'),
  };
}
