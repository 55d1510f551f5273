// What a cluster's outlier detection shows to the admin interface (/clusters, /outliers). Plain data.

import type { RateThreshold } from './interval-analysis.ts';
import type { TimelineEntry } from './timeline.ts';

/** Of one host in the last interval, in percent; -1 = too few requests, or it was ejected. */
export interface HostRates {
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
}

/** A host that gets no traffic ('eject'), or less ('degrade'), right now. */
export interface EjectedHost {
  /** `ip:port` */
  readonly address: string;
  readonly action: 'eject' | 'degrade';
  /** Unix times in ms. */
  readonly sinceWallMs: number;
  /** The tick that will end it. */
  readonly untilWallMs: number;
  /** How often so far. */
  readonly times: number;
}

export interface OutlierStatus {
  readonly external: RateThreshold;
  readonly localOrigin: RateThreshold;
  readonly maxEjectionPercent: number;
  /** All of the cluster's. */
  readonly hosts: number;
  readonly ejected: readonly EjectedHost[];
  /** Oldest first. */
  readonly timeline: readonly TimelineEntry[];
}
