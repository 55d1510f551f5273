import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGrpcTimeout, grpcTimeoutMs } from './grpc-timeout.ts';

test('grpc-timeout is read in every unit, parts of a millisecond count as one', () => {
  const table: readonly (readonly [string, number])[] = [
    ['0S', 0],
    ['5S', 5_000],
    ['500m', 500],
    ['2M', 120_000],
    ['1H', 3_600_000],
    ['1u', 1],
    ['1000u', 1],
    ['1001u', 2],
    ['1n', 1],
    ['99999999n', 100],
    ['99999999H', 99_999_999 * 3_600_000],
  ];
  for (const [value, expected] of table) assert.equal(grpcTimeoutMs(value), expected, value);
});

test('grpc-timeout of another form is none', () => {
  for (const value of ['', 'S', 'x', '5', '5s', '-1S', '1.5S', ' 5S', '123456789S', '5 S', '٣S']) {
    assert.equal(grpcTimeoutMs(value), -1, value);
  }
  assert.equal(grpcTimeoutMs(null), -1);
});

test('grpc-timeout is written with at most eight digits', () => {
  const table: readonly (readonly [number, string])[] = [
    [0, '0m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [100_000_000_000, '1666666M'],
    [99_999_999 * 60_000 + 60_000, '1666666H'],
    [99_999_999 * 3_600_000, '99999999H'],
    [Number.MAX_SAFE_INTEGER, '99999999H'],
  ];
  for (const [ms, expected] of table) assert.equal(formatGrpcTimeout(ms), expected, String(ms));
});
