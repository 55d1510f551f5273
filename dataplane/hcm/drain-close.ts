// When a draining listener ends its connections. Pure arithmetic; config.ts and connection-manager.ts ask it.
//
//   share of responses with Connection: close      1 |        ______
//   (gradual)                                        |      .'
//                                                  0 |____.'_________
//                                                     start  start + window

import type { DrainSequence } from '../api/drain.ts';

/** Clock.nowMs at which every response ends its connection. */
export function endMsOf(drain: DrainSequence): number {
  return drain.strategy === 'immediate' ? drain.startMs : drain.startMs + drain.windowMs;
}

/** Whether a response that begins now ends its connection; `random` in 0..1 (Envoy: DrainManagerImpl::drainClose). */
export function isDrainClose(drain: DrainSequence, nowMs: number, random: () => number): boolean {
  if (nowMs >= endMsOf(drain)) return true;
  return nowMs - drain.startMs > random() * drain.windowMs;
}

/**
 * When a connection without requests closes, ms from now: not before the window is over, because a client that
 * still uses it hears of the end from a response, and then spread over as long again, so that clients do not all
 * connect anew at once. With `immediate` after HCM.drain_timeout.
 */
export function closeIdleAfterMs(
  drain: DrainSequence,
  nowMs: number,
  drainTimeoutMs: number,
  random: () => number,
): number {
  if (drain.strategy === 'immediate') return drainTimeoutMs;
  return Math.max(0, endMsOf(drain) - nowMs + drain.windowMs * random());
}

/**
 * When an HTTP/2 connection hears GOAWAY at the latest, ms from now: at some time in the window, so that clients do
 * not all connect anew at once. It loses no request by it, so there is nothing to wait for.
 */
export function goAwayIdleAfterMs(
  drain: DrainSequence,
  nowMs: number,
  random: () => number,
): number {
  if (drain.strategy === 'immediate') return 0;
  return Math.max(0, drain.startMs - nowMs + drain.windowMs * random());
}
