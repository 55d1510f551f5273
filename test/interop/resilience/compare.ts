// Lists what two observations differ in, each difference as a path with both values.

import type { Observed } from './observe.ts';
import type { Picks, Scenario } from './scenario.ts';

export interface Difference {
  /** E.g. `stats/cluster.upstream_rq_retry`, `requests/3/log/0/flags`, `picks`. */
  readonly path: string;
  readonly envoy: string;
  readonly remora: string;
}

export function differences(
  scenario: Scenario,
  envoy: Observed,
  remora: Observed,
): readonly Difference[] {
  const flat = [view(scenario, envoy), view(scenario, remora)].map((one) => {
    const paths = new Map<string, string>();
    flatten('', one, paths);
    return paths;
  });
  const [left = new Map(), right = new Map()] = flat;
  const found: Difference[] = [];
  for (const path of new Set<string>([...left.keys(), ...right.keys()])) {
    const [a = 'none', b = 'none'] = [left.get(path), right.get(path)];
    if (a !== b) found.push({ path, envoy: a, remora: b });
  }
  return [...found, ...pickDifferences(scenario.picks, envoy, remora)];
}

function view(scenario: Scenario, observed: Observed): unknown {
  const { requests, events, hosts, stats, notes } = observed;
  const how = scenario.requests ?? 'in order';
  const compared =
    how === 'any'
      ? []
      : how === 'in order'
        ? requests
        : requests
            .map((one) => JSON.stringify(one))
            .sort()
            .map((text) => JSON.parse(text));
  return { requests: compared, events, hosts, stats, notes };
}

function flatten(path: string, value: unknown, into: Map<string, string>): void {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value))
      flatten(path === '' ? key : `${path}/${key}`, inner, into);
  } else into.set(path, JSON.stringify(value) ?? 'undefined');
}

function pickDifferences(picks: Picks, envoy: Observed, remora: Observed): readonly Difference[] {
  if (picks === 'any') return [];
  if (picks === 'exact' || picks === 'rotated') {
    const [a, b] = [envoy, remora].map((one) =>
      JSON.stringify(picks === 'exact' ? one.sequence : rotated(one)),
    );
    return a === b ? [] : [{ path: 'picks', envoy: a ?? '', remora: b ?? '' }];
  }
  const counts = [envoy, remora].map((one) => Object.values(one.picks));
  const [ofEnvoy = [], ofRemora = []] = counts;
  const said = { envoy: JSON.stringify(envoy.picks), remora: JSON.stringify(remora.picks) };
  if ('within' in picks) {
    const apart = ofEnvoy.some((count, i) => Math.abs(count - (ofRemora[i] ?? 0)) > picks.within);
    return apart ? [{ path: `picks/within ${picks.within}`, ...said }] : [];
  }
  const found: Difference[] = [];
  if (!sameDistribution(ofEnvoy, ofRemora)) found.push({ path: 'picks/chi-squared', ...said });
  const { shares } = picks;
  if (shares !== undefined && !(fits(ofEnvoy, shares) && fits(ofRemora, shares)))
    found.push({ path: `picks/shares ${JSON.stringify(shares)}`, ...said });
  return found;
}

/** Labels renumbered in the cyclic order of the hosts that were picked at all, from the first pick on. */
function rotated({ picks, sequence }: Observed): readonly string[] {
  const labels = Object.keys(picks).filter((label) => (picks[label] ?? 0) > 0);
  const first = labels.indexOf(sequence[0] ?? '');
  return sequence.map((label) => {
    const index = (labels.indexOf(label) - first + labels.length) % labels.length;
    return labels[index] ?? label;
  });
}

/** Two samples of one distribution, at p = 0.0001. */
export function sameDistribution(a: readonly number[], b: readonly number[]): boolean {
  const [sumA, sumB] = [sum(a), sum(b)];
  if (sumA === 0 || sumB === 0) return sumA === sumB;
  let statistic = 0;
  let cells = 0;
  a.forEach((count, i) => {
    const both = count + (b[i] ?? 0);
    if (both === 0) return;
    cells++;
    const expectedA = (both * sumA) / (sumA + sumB);
    const expectedB = both - expectedA;
    statistic += (count - expectedA) ** 2 / expectedA + ((b[i] ?? 0) - expectedB) ** 2 / expectedB;
  });
  return statistic <= criticalValue(cells - 1);
}

/** A sample of the distribution `shares`, at p = 0.0001; a share of 0 allows none. */
export function fits(counts: readonly number[], shares: readonly number[]): boolean {
  const total = sum(counts);
  let statistic = 0;
  let cells = 0;
  for (const [i, share] of shares.entries()) {
    const count = counts[i] ?? 0;
    if (share === 0) {
      if (count > 0) return false;
      continue;
    }
    cells++;
    statistic += (count - total * share) ** 2 / (total * share);
  }
  return statistic <= criticalValue(cells - 1);
}

/** Of the chi-squared distribution at p = 0.0001 (Wilson and Hilferty). */
function criticalValue(freedom: number): number {
  if (freedom === 0) return 0;
  const z = 3.719;
  const share = 2 / (9 * freedom);
  return freedom * (1 - share + z * Math.sqrt(share)) ** 3;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0);
}
