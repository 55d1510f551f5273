// How connections are told that their listener goes away: main sends it to the workers as plain data, the
// listener manager hands it to filter chains. Envoy: --drain-strategy and --drain-time-s.

/** `gradual`: the share of responses that end their connection grows over the window; `immediate`: all do. */
export type DrainStrategy = 'gradual' | 'immediate';

export interface DrainSequence {
  readonly strategy: DrainStrategy;
  /** Clock.nowMs of the worker. */
  readonly startMs: number;
  /** >= 0, ms; for `gradual` only. */
  readonly windowMs: number;
}

/** For a filter chain or listener that was replaced: nobody may stay on it. */
export function immediateDrain(startMs: number): DrainSequence {
  return { strategy: 'immediate', startMs, windowMs: 0 };
}
