// The arithmetic of success rates and failure percentages over one interval (Envoy: outlier_detection_impl.cc,
// processSuccessRateEjections), without time, chance or shared memory. outlier/detector.ts is its only caller.

import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';

/** What a host did in the interval that has ended. */
export interface HostInterval {
  readonly successes: number;
  readonly failures: number;
}

/** Of the whole cluster, in percent; -1 = too few hosts had enough requests. */
export interface RateThreshold {
  readonly average: number;
  /** Hosts below it are outliers. */
  readonly ejectionThreshold: number;
}

export const noThreshold: RateThreshold = Object.freeze({ average: -1, ejectionThreshold: -1 });

/** A host by its index in what was analysed, with its rate in percent. */
export interface RatedHost {
  readonly index: number;
  readonly rate: number;
}

export interface IntervalAnalysis {
  readonly threshold: RateThreshold;
  /** Percent per host, for /clusters; -1 = too few requests. */
  readonly rates: readonly number[];
  readonly successRateOutliers: readonly RatedHost[];
  readonly failurePercentageOutliers: readonly RatedHost[];
}

/**
 * `hosts`: null = ejected, which takes no part but counts as a host of the cluster. Limits are compared as Envoy does:
 * with at least so many hosts, at least so many requests; below (not at) the threshold; at or above the percentage.
 */
export function analyseInterval(
  hosts: readonly (HostInterval | null)[],
  config: OutlierDetectionConfig,
): IntervalAnalysis {
  const rates = hosts.map(() => -1);
  const analysis = { rates, successRateOutliers: [], failurePercentageOutliers: [] };
  const { successRateMinimumHosts, failurePercentageMinimumHosts } = config;
  if (hosts.length < Math.min(successRateMinimumHosts, failurePercentageMinimumHosts)) {
    return { ...analysis, threshold: noThreshold };
  }
  const byRate: RatedHost[] = [];
  const byPercentage: RatedHost[] = [];
  hosts.forEach((host, index) => {
    if (host === null) return;
    const volume = host.successes + host.failures;
    // A host without any request has no rate, even where the wanted volume is 0.
    if (volume === 0) return;
    const rated = { index, rate: (host.successes * 100) / volume };
    const isRated = volume >= config.successRateRequestVolume;
    const isMeasured = volume >= config.failurePercentageRequestVolume;
    if (isRated) byRate.push(rated);
    if (isMeasured) byPercentage.push(rated);
    if (isRated || isMeasured) rates[index] = rated.rate;
  });
  const isRateKnown = byRate.length > 0 && byRate.length >= successRateMinimumHosts;
  const threshold = isRateKnown ? rateThreshold(byRate, config) : noThreshold;
  const isPercentageKnown =
    byPercentage.length > 0 && byPercentage.length >= failurePercentageMinimumHosts;
  return {
    threshold,
    rates,
    successRateOutliers: isRateKnown
      ? byRate.filter(({ rate }) => rate < threshold.ejectionThreshold)
      : [],
    failurePercentageOutliers: isPercentageKnown
      ? byPercentage.filter(({ rate }) => 100 - rate >= config.failurePercentageThreshold)
      : [],
  };
}

/** Mean less so many standard deviations of the population. */
function rateThreshold(
  hosts: readonly RatedHost[],
  { successRateStdevFactor }: OutlierDetectionConfig,
): RateThreshold {
  let sum = 0;
  for (const { rate } of hosts) sum += rate;
  const average = sum / hosts.length;
  let variance = 0;
  for (const { rate } of hosts) variance += (rate - average) ** 2;
  variance /= hosts.length;
  const factor = successRateStdevFactor / 1000;
  return { average, ejectionThreshold: average - factor * Math.sqrt(variance) };
}
