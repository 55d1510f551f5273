import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  durationFromMs,
  durationMs,
  durationMsOr,
  formatDuration,
  formatTimestamp,
  fractionOf,
  percentToPpm,
  structString,
  timestampFromMs,
  wrapperOr,
} from './well-known.ts';

describe('well-known types', () => {
  it('turns durations into milliseconds and back', () => {
    assert.equal(durationMs({ seconds: 1, nanos: 250_000 }), 1000.25);
    assert.equal(durationMsOr(undefined, null), null);
    for (const ms of [0, 0.25, 1500, -1500, 86_400_000])
      assert.equal(durationMs(durationFromMs(ms)), ms);
  });

  it('prints durations and timestamps with 0, 3, 6 or 9 digits', () => {
    assert.equal(formatDuration({ seconds: 3, nanos: 0 }), '3s');
    assert.equal(formatDuration({ seconds: 0, nanos: -500_000_000 }), '-0.500s');
    assert.equal(formatDuration({ seconds: 0, nanos: 1000 }), '0.000001s');
    assert.equal(formatTimestamp(timestampFromMs(1_769_860_800_500)), '2026-01-31T12:00:00.500Z');
    assert.equal(formatTimestamp({ seconds: 0, nanos: 1 }), '1970-01-01T00:00:00.000000001Z');
    assert.equal(formatTimestamp({ seconds: 1e15, nanos: 0 }), '1000000000000000s');
  });

  it('tells a wrapper that is set to the default from an absent one', () => {
    assert.equal(wrapperOr({ value: 0 }, 7), 0);
    assert.equal(wrapperOr(undefined, 7), 7);
  });

  it('reads percentages; a numerator above the denominator means always', () => {
    assert.deepEqual(fractionOf({ numerator: 5 }), { numerator: 5, denominator: 100 });
    assert.deepEqual(fractionOf({ numerator: 2e6, denominator: 'MILLION' }), {
      numerator: 1_000_000,
      denominator: 1_000_000,
    });
    assert.equal(percentToPpm({ value: 12.5 }), 125_000);
    assert.equal(percentToPpm({}), 0);
  });

  it('reads strings of a Struct, own ones only', () => {
    assert.equal(structString({ a: 'b', c: 1 }, 'a'), 'b');
    assert.equal(structString({ a: 'b', c: 1 }, 'c'), undefined);
    assert.equal(structString({}, 'constructor'), undefined);
  });
});
