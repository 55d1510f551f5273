// One run: a service of `hosts` instances at a given use, some callers, one policy, one scenario.

import { assignmentOf, hostConfig, seededRandom } from '../../test/fakes/cluster-config.ts';
import { Caller } from './caller.ts';
import { clusterOf } from './policies.ts';
import { END_MS, type Scenario, WARM_MS } from './scenarios.ts';
import { Server } from './server.ts';
import { SimulatedTime } from './time.ts';

export interface Setting {
  readonly hosts: number;
  readonly callers: number;
  /** Of each instance: calls at once, and the mean of a call. */
  readonly concurrency: number;
  readonly meanMs: number;
  /** Share of what the instances can do that is asked of them. */
  readonly use: number;
  readonly seed: number;
}

/** Latencies in ms are of all calls, from their begin to their end, good or bad. */
export interface Outcome {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Share of calls that failed. */
  readonly errors: number;
  /** Tries per call. */
  readonly amplification: number;
  /** Calls that the first instance got, relative to its fair share. */
  readonly firstShare: number;
}

/** A try is given up after so many times the mean. */
const PER_TRY_MEANS = 20;
/** Users whose calls a hashing policy keeps together. */
const USERS = 10_000;

export function simulate(policy: string, scenario: Scenario, setting: Setting): Outcome {
  const { hosts, callers, concurrency, meanMs, use, seed } = setting;
  const time = new SimulatedTime();
  const random = seededRandom(seed);
  const addresses = Array.from(
    { length: hosts },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  );
  const servers = addresses.map(() => new Server(time, random, concurrency, meanMs));
  const byAddress = new Map(addresses.map((address, i) => [address, servers[i]!]));
  const config = clusterOf(policy);
  const sidecars = Array.from(
    { length: callers },
    () => new Caller(config, byAddress, time, random, PER_TRY_MEANS * meanMs),
  );
  const announce = (isThere: (index: number) => boolean): void => {
    const there = addresses.filter((_, index) => isThere(index));
    const assignment = assignmentOf(
      there.map((address) => hostConfig(address)),
      config.edsServiceName,
    );
    for (const sidecar of sidecars) sidecar.applyEndpoints(assignment);
  };
  announce(() => true);
  scenario.begin({ time, servers, announce });

  const users = Array.from({ length: USERS }, () =>
    BigInt.asUintN(
      64,
      (BigInt((random() * 2 ** 32) | 0) << 32n) ^ BigInt((random() * 2 ** 32) | 0),
    ),
  );
  const latenciesMs: number[] = [];
  let errors = 0;
  let begun = 0;
  const meanGapMs = meanMs / (use * hosts * concurrency);
  const next = (): void => {
    const isMeasured = time.nowMs() >= WARM_MS;
    if (isMeasured) begun++;
    const sidecar = sidecars[(random() * callers) | 0]!;
    sidecar.call(users[(random() * USERS) | 0]!, ({ isOk, ms }) => {
      if (!isMeasured) return;
      latenciesMs.push(ms);
      if (!isOk) errors++;
    });
    time.after(-Math.log(1 - random()) * meanGapMs, next);
  };
  time.after(0, next);
  time.runUntil(WARM_MS);
  const [triesBefore, firstBefore] = [sum(sidecars.map(({ tries }) => tries)), servers[0]!.arrived];
  time.runUntil(END_MS);
  const tries = sum(sidecars.map((sidecar) => sidecar.tries)) - triesBefore;
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? 0;
  return {
    calls: begun,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    errors: errors / sorted.length,
    amplification: tries / begun,
    firstShare: ((servers[0]!.arrived - firstBefore) * hosts) / tries,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
