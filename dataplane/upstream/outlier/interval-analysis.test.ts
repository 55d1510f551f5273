import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import { analyseInterval, type HostInterval, noThreshold } from './interval-analysis.ts';

type Config = Partial<OutlierDetectionConfig>;

const of = (successes: number, failures: number): HostInterval => ({ successes, failures });
const analyse = (hosts: readonly (HostInterval | null)[], given: Config = {}) =>
  analyseInterval(hosts, { ...defaultOutlierDetection, ...given });

/** Worked out by hand: percent, mean, standard deviation of the population, mean - 1.9 of them. */
const tables = [
  {
    name: 'one host at half, four perfect: 90, 20, 52',
    hosts: [of(50, 50), of(100, 0), of(100, 0), of(100, 0), of(100, 0)],
    average: 90,
    threshold: 52,
    outliers: [0],
  },
  {
    name: 'all equal: no deviation, and nobody is below the mean',
    hosts: [of(90, 10), of(90, 10), of(90, 10), of(90, 10), of(90, 10)],
    average: 90,
    threshold: 90,
    outliers: [],
  },
  {
    name: 'one of six fails all: 83.3, 37.27, 12.52',
    hosts: [of(0, 100), ...Array.from({ length: 5 }, () => of(100, 0))],
    average: 83.3333,
    threshold: 12.5245,
    outliers: [0],
  },
  {
    name: 'half of them fail half: 75, 25, 27.5: a deviation that wide excuses all',
    hosts: [of(50, 50), of(50, 50), of(50, 50), of(100, 0), of(100, 0), of(100, 0)],
    average: 75,
    threshold: 27.5,
    outliers: [],
  },
  {
    // Rates 17 x 99.5, 99, 97, 80: sum 1967.5; squares of deviations 21.52 + 0.39 + 1.89 + 337.64 = 361.44.
    name: 'a bad host hides a lesser one: 98.375, 4.2511, 90.30',
    hosts: [...Array.from({ length: 17 }, () => of(199, 1)), of(198, 2), of(194, 6), of(160, 40)],
    average: 98.375,
    threshold: 90.298,
    outliers: [19],
  },
];

for (const { name, hosts, average, threshold, outliers } of tables) {
  test(`success rates: ${name}`, () => {
    const analysis = analyse(hosts);
    assert.ok(
      Math.abs(analysis.threshold.average - average) < 1e-3,
      `${analysis.threshold.average}`,
    );
    const { ejectionThreshold } = analysis.threshold;
    assert.ok(Math.abs(ejectionThreshold - threshold) < 1e-3, `${ejectionThreshold}`);
    assert.deepEqual(
      analysis.successRateOutliers.map(({ index }) => index),
      outliers,
    );
  });
}

test('the factor is in thousandths of a deviation', () => {
  const hosts = [of(50, 50), of(100, 0), of(100, 0), of(100, 0), of(100, 0)];
  const threshold = (successRateStdevFactor: number) =>
    analyse(hosts, { successRateStdevFactor }).threshold.ejectionThreshold;
  assert.deepEqual([0, 1000, 2000, 3000].map(threshold), [90, 70, 50, 30]);
  // At the threshold is not below it.
  assert.deepEqual(analyse(hosts, { successRateStdevFactor: 2000 }).successRateOutliers, []);
});

test('too few requests: such a host neither counts nor is an outlier, and too few hosts give no threshold', () => {
  const hosts = [of(0, 99), of(100, 0), of(100, 0), of(100, 0), of(100, 0)];
  const { threshold, successRateOutliers, rates } = analyse(hosts);
  assert.equal(threshold, noThreshold);
  assert.deepEqual(successRateOutliers, []);
  // 99 are enough for the failure percentage, so the rate is known.
  assert.deepEqual(rates, [0, 100, 100, 100, 100]);
  assert.equal(analyse([of(0, 100), ...hosts.slice(1)]).threshold.average, 80);
});

test('an ejected host takes no part', () => {
  const perfect = Array.from({ length: 5 }, () => of(100, 0));
  const { threshold, rates } = analyse([null, ...perfect]);
  assert.equal(threshold.average, 100);
  assert.deepEqual(rates, [-1, 100, 100, 100, 100, 100]);
  assert.equal(analyse([null, ...perfect.slice(1)]).threshold, noThreshold);
});

test('failure percentages: hosts at or above the threshold, if enough hosts had enough requests', () => {
  const hosts = [of(15, 85), of(16, 84), of(0, 50), of(0, 49), of(50, 0), of(50, 0)];
  const failing = (given: Config = {}) =>
    analyse(hosts, given).failurePercentageOutliers.map(({ index }) => index);
  assert.deepEqual(failing(), [0, 2]);
  assert.deepEqual(failing({ failurePercentageThreshold: 84 }), [0, 1, 2]);
  assert.deepEqual(failing({ failurePercentageThreshold: 0 }), [0, 1, 2, 4, 5]);
  assert.deepEqual(failing({ failurePercentageRequestVolume: 49 }), [0, 2, 3]);
  assert.deepEqual(failing({ failurePercentageMinimumHosts: 6 }), []);
  assert.deepEqual(
    failing({ failurePercentageMinimumHosts: 6, failurePercentageRequestVolume: 1 }),
    [0, 2, 3],
  );
});

test('minimum hosts of 0 and volumes of 0 mean whoever had a request', () => {
  const given = { successRateMinimumHosts: 0, successRateRequestVolume: 0 };
  assert.deepEqual(analyse([of(0, 0), of(1, 1)], given).rates, [-1, 50]);
  assert.equal(analyse([of(0, 0)], given).threshold, noThreshold);
  assert.equal(analyse([], given).threshold, noThreshold);
});

test('rates are unknown between both volumes and below', () => {
  const given = { successRateRequestVolume: 10, failurePercentageRequestVolume: 20 };
  const hosts = [of(9, 0), of(10, 0), of(20, 0), of(0, 0), of(5, 5)];
  assert.deepEqual(analyse(hosts, given).rates, [-1, 100, 100, -1, 50]);
});
