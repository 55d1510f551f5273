// The comparison itself: it must find what differs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, fits, sameDistribution } from './compare.ts';
import type { Observed } from './observe.ts';
import { always, ok, type Scenario } from './scenario.ts';

const scenario: Scenario = {
  name: 'any',
  hosts: [always(ok), always(ok), always(ok)],
  drive: async () => {},
  picks: 'exact',
};

function observed(sequence: readonly string[], more: Partial<Observed> = {}): Observed {
  const picks = { h0: 0, h1: 0, h2: 0, ...more.picks };
  for (const host of sequence) picks[host as keyof typeof picks]++;
  return {
    ...{ requests: [], events: {}, hosts: {}, stats: {}, notes: {} },
    ...more,
    picks,
    sequence,
  };
}

function paths(one: Scenario, envoy: Observed, remora: Observed): string[] {
  return differences(one, envoy, remora).map(({ path }) => path);
}

test('a value, a missing value and a value too many are differences', () => {
  const envoy = observed([], { stats: { a: '1', b: '2' } });
  const remora = observed([], { stats: { a: '2', c: '3' } });
  assert.deepEqual(paths(scenario, envoy, remora), ['stats/a', 'stats/b', 'stats/c']);
});

test('exact picks are the same hosts, rotated ones the same order, counted ones as many', () => {
  const a = observed(['h0', 'h1', 'h2', 'h0']);
  const b = observed(['h1', 'h2', 'h0', 'h1']);
  const c = observed(['h1', 'h0', 'h2', 'h1']);
  assert.deepEqual(paths(scenario, a, a), []);
  assert.deepEqual(paths(scenario, a, b), ['picks']);
  assert.deepEqual(paths({ ...scenario, picks: 'rotated' }, a, b), []);
  assert.deepEqual(paths({ ...scenario, picks: 'rotated' }, a, c), ['picks']);
  assert.deepEqual(paths({ ...scenario, picks: { within: 1 } }, a, c), []);
  assert.deepEqual(paths({ ...scenario, picks: { within: 0 } }, a, c), ['picks/within 0']);
});

test('hosts that nobody picked do not count in a rotation', () => {
  const rotated: Scenario = { ...scenario, picks: 'rotated' };
  assert.deepEqual(paths(rotated, observed(['h0', 'h2', 'h0']), observed(['h2', 'h0', 'h2'])), []);
});

test('distributions are told apart', () => {
  assert.equal(sameDistribution([100, 110, 90], [105, 95, 100]), true);
  assert.equal(sameDistribution([100, 100, 100], [180, 60, 60]), false);
  assert.equal(sameDistribution([10, 0], [0, 0]), false);
  assert.equal(fits([70, 30], [0.7, 0.3]), true);
  assert.equal(fits([500, 500], [0.7, 0.3]), false);
  assert.equal(fits([299, 1], [1, 0]), false);
});
