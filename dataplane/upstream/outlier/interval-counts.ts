// Results of one host in the current interval, in its shared slot: workers add, main takes. Each result is one word
// of one Atomics.add, so that it falls into exactly one interval, whichever thread saw it and whenever main looks.

import { HostWord, type SlotRef } from '../shared-state.ts';
import type { HostInterval } from './interval-analysis.ts';

/** Worker: one result more. */
export function countResult({ words, base }: SlotRef, isSuccess: boolean): void {
  Atomics.add(words, base + (isSuccess ? HostWord.Successes : HostWord.Failures), 1);
}

/** Worker: one result of the connection itself, where these count apart. */
export function countLocalResult({ words, base }: SlotRef, isSuccess: boolean): void {
  const word = isSuccess ? HostWord.LocalOriginSuccesses : HostWord.LocalOriginFailures;
  Atomics.add(words, base + word, 1);
}

/** Main: ends the interval of that host. */
export function takeInterval(slot: SlotRef): HostInterval {
  return { successes: take(slot, HostWord.Successes), failures: take(slot, HostWord.Failures) };
}

/** The same of the connection's own results. */
export function takeLocalInterval(slot: SlotRef): HostInterval {
  return {
    successes: take(slot, HostWord.LocalOriginSuccesses),
    failures: take(slot, HostWord.LocalOriginFailures),
  };
}

/** Main: nothing of before counts any more. */
export function forgetIntervals(slot: SlotRef): void {
  takeInterval(slot);
  takeLocalInterval(slot);
}

/** Counts up to 2^32: read as unsigned. */
function take({ words, base }: SlotRef, word: HostWord): number {
  return Atomics.exchange(words, base + word, 0) >>> 0;
}
