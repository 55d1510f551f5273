// type.v3.TokenBucket -> TokenBucketData, for the local rate limits.

import type { TokenBucketProto } from '../../../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../../../proto/well-known.ts';
import type { Compilation } from '../../../compile/compilation.ts';
import type { TokenBucketData } from './data.ts';

/** Envoy's floor. */
const MIN_FILL_INTERVAL_MS = 50;
const STATE_BYTES = 8;

/** `shareKey` as in TokenBucketData. */
export function compileTokenBucket(
  bucket: TokenBucketProto,
  path: string,
  shareKey: string | null,
  compilation: Compilation,
): TokenBucketData {
  const maxTokens = bucket.max_tokens ?? 0;
  const tokensPerFill = wrapperOr(bucket.tokens_per_fill, 1);
  const fillIntervalMs = durationMsOr(bucket.fill_interval, MIN_FILL_INTERVAL_MS);
  if (fillIntervalMs < MIN_FILL_INTERVAL_MS) {
    compilation.fail(
      `${path}.fill_interval`,
      'local rate limit token bucket fill timer must be >= 50ms',
    );
  }
  const key =
    shareKey === null
      ? undefined
      : `${JSON.stringify(shareKey)} ${maxTokens} ${tokensPerFill} ${fillIntervalMs}`;
  const state = compilation.context.sharedMemory(STATE_BYTES, key);
  return { maxTokens, tokensPerFill, fillIntervalMs, shareKey, state };
}
