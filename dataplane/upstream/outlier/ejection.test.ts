import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import { afterTick, type EjectionState, ejected, mayEject, neverEjected } from './ejection.ts';

const config = defaultOutlierDetection;

test('max_ejection_percent counts the host to be ejected', () => {
  const table = [
    { percent: 10, always: false, ejected: 0, hosts: 10, may: true },
    { percent: 10, always: false, ejected: 0, hosts: 9, may: false },
    { percent: 10, always: false, ejected: 1, hosts: 10, may: false },
    { percent: 50, always: false, ejected: 0, hosts: 2, may: true },
    { percent: 50, always: false, ejected: 1, hosts: 2, may: false },
    { percent: 50, always: false, ejected: 1, hosts: 4, may: true },
    { percent: 100, always: false, ejected: 3, hosts: 4, may: true },
    { percent: 0, always: false, ejected: 0, hosts: 100, may: false },
    { percent: 0, always: true, ejected: 0, hosts: 100, may: true },
    { percent: 10, always: true, ejected: 0, hosts: 1, may: true },
    { percent: 10, always: true, ejected: 1, hosts: 10, may: false },
    { percent: 300, always: false, ejected: 2, hosts: 3, may: true },
  ];
  for (const { percent, always, ejected: count, hosts, may } of table) {
    const given = { ...config, maxEjectionPercent: percent, alwaysEjectOneHost: always };
    assert.equal(
      mayEject(given, count, hosts),
      may,
      JSON.stringify({ percent, always, count, hosts }),
    );
  }
});

test('an ejection lasts base times their number, up to max_ejection_time', () => {
  // base 30 s, max 300 s: 30, 60, ... 300, then 300.
  let state: EjectionState = neverEjected;
  let nowMs = 0;
  for (const seconds of [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]) {
    state = ejected(state, config, nowMs, 0);
    const before = afterTick(state, config, nowMs + seconds * 1000 - 1);
    assert.equal(before.isEjected, true, `${seconds} s less 1 ms`);
    nowMs += seconds * 1000;
    state = afterTick(state, config, nowMs);
    assert.equal(state.isEjected, false, `${seconds} s`);
  }
  assert.equal(state.numEjections, 12);
});

test('the back-off shrinks by one per quiet interval, from one interval after the un-ejection on', () => {
  let state = ejected(ejected(ejected(neverEjected, config, 0, 0), config, 0, 0), config, 0, 0);
  assert.equal(state.backoff, 3);
  state = afterTick(state, config, 90_000);
  assert.equal(state.isEjected, false);
  const seen = [95_000, 100_000, 110_000, 120_000, 130_000].map((nowMs) => {
    state = afterTick(state, config, nowMs);
    return state.backoff;
  });
  assert.deepEqual(seen, [3, 2, 1, 0, 0]);
});

test('jitter comes on top, even of max_ejection_time', () => {
  const state = ejected({ ...neverEjected, backoff: 20 }, config, 0, 5_000);
  assert.equal(afterTick(state, config, 304_999).isEjected, true);
  assert.equal(afterTick(state, config, 305_000).isEjected, false);
});

test('the back-off stops growing once base times it is past max + base', () => {
  let state: EjectionState = neverEjected;
  for (let i = 0; i < 30; i++) state = ejected(state, config, 0, 0);
  assert.equal(state.backoff, 11);
});
