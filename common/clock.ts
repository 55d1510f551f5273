// Time and chance as values, so that tests inject their own.

/** Where code gets its time from. */
export interface Clock {
  /** Monotonic milliseconds (fractional) since an arbitrary start; for durations and deadlines. */
  nowMs(): number;
  /** Monotonic milliseconds (fractional) on a scale that all threads share, which nowMs is not. */
  machineMs(): number;
  /** Wall clock, milliseconds since the Unix epoch; for logs and certificate times. */
  wallMs(): number;
}

const NS_PER_MS = 1e6;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  machineMs: () => Number(process.hrtime.bigint()) / NS_PER_MS,
  wallMs: () => Date.now(),
};

/** A uniform random number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();
