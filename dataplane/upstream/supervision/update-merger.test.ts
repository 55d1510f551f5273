import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { UpdateMerger } from './update-merger.ts';

const WINDOW_MS = 1000;

function setUp() {
  const timers = new FakeTimers();
  const stats = {
    clusterUpdated: 0,
    clusterUpdatedViaMerge: 0,
    updateMergeCancelled: 0,
    updateOutOfMergeWindow: 0,
  };
  let delivered = 0;
  const merger = new UpdateMerger({
    clock: timers.clock,
    timers,
    stats,
    deliver: () => delivered++,
  });
  return { timers, stats, merger, delivered: () => delivered };
}

test('changes of one window go out together at its end, counted from the first of them', () => {
  const { timers, stats, merger, delivered } = setUp();
  merger.update(false, WINDOW_MS);
  assert.equal(delivered(), 1);
  timers.advance(400);
  merger.update(true, WINDOW_MS);
  timers.advance(400);
  merger.update(true, WINDOW_MS);
  timers.advance(599);
  assert.equal(delivered(), 1);
  timers.advance(1);
  assert.equal(delivered(), 2);
  assert.equal(stats.clusterUpdated, 1);
  assert.equal(stats.clusterUpdatedViaMerge, 1);
  merger.update(true, WINDOW_MS);
  assert.equal(delivered(), 2, 'the next window began with that delivery');
});

test('the first change after a quiet window goes out at once', () => {
  const { timers, stats, merger, delivered } = setUp();
  merger.update(false, WINDOW_MS);
  timers.advance(WINDOW_MS);
  merger.update(true, WINDOW_MS);
  assert.equal(delivered(), 1, 'at the very end of the window it is still within');
  timers.advance(2 * WINDOW_MS + 1);
  assert.equal(delivered(), 2);
  merger.update(true, WINDOW_MS);
  assert.equal(stats.updateOutOfMergeWindow, 1);
  assert.equal(delivered(), 3);
});

test('hosts that come or go are told at once, with what waited', () => {
  const { timers, stats, merger, delivered } = setUp();
  merger.update(false, WINDOW_MS);
  merger.update(true, WINDOW_MS);
  merger.update(false, WINDOW_MS);
  assert.equal(delivered(), 2);
  assert.equal(stats.updateMergeCancelled, 1);
  timers.advance(5 * WINDOW_MS);
  assert.equal(delivered(), 2);
});

test('a window of 0 merges nothing; a closed merger is silent', () => {
  const { timers, merger, delivered } = setUp();
  for (let i = 1; i <= 3; i++) {
    merger.update(true, 0);
    assert.equal(delivered(), i);
  }
  merger.update(true, WINDOW_MS);
  merger.update(true, WINDOW_MS);
  merger.close();
  timers.advance(5 * WINDOW_MS);
  assert.equal(delivered(), 4);
});
