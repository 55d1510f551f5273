import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilterData, readFilterErrors } from '../../../../test/fakes/config.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { NetworkFilterStatus } from '../../../api/network-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import type { LocalRateLimitData } from './data.ts';
import { localRateLimitFilterFactory } from './filter.ts';

const { Continue, StopIteration } = NetworkFilterStatus;
const TYPE = 'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit';
const bucket = (fill = '1s') =>
  `token_bucket: {max_tokens: 2, tokens_per_fill: 1, fill_interval: ${fill}}`;

function compiled(body: string): LocalRateLimitData {
  return readFilterData(TYPE, `stat_prefix: rl, ${body}`) as LocalRateLimitData; // config.ts makes it
}

test('a connection without a token is closed, flagged and counted', () => {
  const subject = new NetworkFilterScenario(localRateLimitFilterFactory, compiled(bucket()));
  const opened = Array.from({ length: 3 }, () => subject.open());
  const statuses = opened.map(({ filter }) => filter.onNewConnection());
  assert.deepEqual(statuses, [Continue, Continue, StopIteration]);
  const { connection, streamInfo } = opened[2]!;
  assert.equal(connection.isOpen(), false);
  assert.equal(streamInfo.responseFlags, ResponseFlag.UpstreamRetryLimitExceeded);
  assert.equal(streamInfo.downstreamLocalCloseReason, 'local_ratelimit_close_over_limit');
  assert.equal(subject.stat('local_rate_limit.rl.rate_limited'), 1);
  subject.timers.advance(1000);
  assert.equal(subject.open().filter.onNewConnection(), Continue);
});

test('switched off by runtime_enabled it limits nobody', () => {
  const off = compiled(`${bucket()}, runtime_enabled: {default_value: false, runtime_key: a.b}`);
  const subject = new NetworkFilterScenario(localRateLimitFilterFactory, off);
  for (let i = 0; i < 5; i++) assert.equal(subject.open().filter.onNewConnection(), Continue);
});

test('one bucket is shared by filters of one share_key and equal figures, and by no others', () => {
  const inputs = ['share_key: a', 'share_key: b', ''].map((key) =>
    compiled(key === '' ? bucket() : `${bucket()}, ${key}`),
  );
  assert.equal(new Set(inputs.map(({ tokenBucket }) => tokenBucket.state)).size, 3);
  for (const { tokenBucket } of inputs) assert.equal(tokenBucket.state.byteLength, 8);
});

test('config: a fill interval below 50 ms is refused as Envoy does', () => {
  assert.deepEqual(readFilterErrors(TYPE, `stat_prefix: rl, ${bucket('0.049s')}`), [
    'token_bucket.fill_interval: local rate limit token bucket fill timer must be >= 50ms',
  ]);
  assert.deepEqual(readFilterErrors(TYPE, `stat_prefix: rl, ${bucket('0.05s')}`), []);
});
