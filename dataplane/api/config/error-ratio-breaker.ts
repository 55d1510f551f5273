// A compiled error-ratio breaker (remora.extensions.error_ratio_breaker.v1): plain data of a cluster, its hosts or a route.

/** Defaults are filled in. */
export interface ErrorRatioBreakerData {
  /** > 0, <= 100. */
  readonly errorPercentThreshold: number;
  /** >= 1 */
  readonly minimumRequests: number;
  readonly windowMs: number;
  readonly openTimeMs: number;
  /** 1..255 */
  readonly maxProbes: number;
}

/** Of a route: with the words that all workers share (upstream/error-ratio-breaker.ts draws them). */
export interface RouteBreakerData extends ErrorRatioBreakerData {
  readonly memory: SharedArrayBuffer;
}

/** 32-bit words of one breaker. */
export const BREAKER_WORDS = 13;

/** What the keys of routes' memory begin with (CompileContext.sharedMemory). */
export const ROUTE_BREAKER_MEMORY = 'error-ratio breaker of route ';
