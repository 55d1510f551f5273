// Peak EWMA (ours, as in Finagle and Linkerd): of some hosts drawn at random, the one where a request would wait least,
// latency x (requests under way + 1) / weight. The latency is an average that rises at once and falls slowly, so that a
// host that stalls is left after one answer and tried again when its past has faded. Each worker has what it measured.

import type { Clock, Random } from '../../../../common/clock.ts';
import type { PeakEwmaData } from '../../../api/config/load-balancing.ts';
import type { HeaderFields } from '../../../api/headers.ts';
import type { HostMeter } from '../../../api/host.ts';
import type { UpstreamHost } from '../../host.ts';
import type { Picker } from '../pickers.ts';

/** How long one host takes to answer. */
export class LatencyMeter implements HostMeter {
  readonly #data: PeakEwmaData;
  readonly #clock: Clock;
  #latencyMs: number;
  /** When it was measured last; -Infinity = never. */
  #atMs: number;

  constructor(data: PeakEwmaData, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
    this.#latencyMs = data.defaultLatencyMs;
    this.#atMs = Number.NEGATIVE_INFINITY;
  }

  onResponseHeaders(status: number, _fields: HeaderFields, elapsedMs: number): void {
    // A host that fails fast must not look fast.
    this.#observe(status >= 500 ? Math.max(elapsedMs, this.#data.failureLatencyMs) : elapsedMs);
  }

  onResponseTrailers(): void {}

  onFailure(elapsedMs: number): void {
    this.#observe(Math.max(elapsedMs, this.#data.failureLatencyMs));
  }

  /** It would have taken longer than that. */
  onAbandoned(elapsedMs: number): void {
    if (elapsedMs > this.#latencyMs) this.#observe(elapsedMs);
  }

  #observe(ms: number): void {
    const nowMs = this.#clock.nowMs();
    if (ms > this.#latencyMs) this.#latencyMs = ms;
    else {
      const kept = Math.exp((this.#atMs - nowMs) / this.#data.decayTimeMs);
      this.#latencyMs = this.#latencyMs * kept + ms * (1 - kept);
    }
    this.#atMs = nowMs;
  }

  /**
   * What a request is to expect. What is long ago fades towards the default, so that who gets nothing any more is tried
   * again one day; but whom nobody has measured lately gets one request at a time, or every caller's at once would
   * fall upon an instance that has just started.
   */
  latencyMs(nowMs: number, active: number): number {
    const { decayTimeMs, defaultLatencyMs, failureLatencyMs } = this.#data;
    const kept = Math.exp((this.#atMs - nowMs) / decayTimeMs);
    const target = Math.min(this.#latencyMs, defaultLatencyMs);
    const faded = target + (this.#latencyMs - target) * kept;
    const isProbed = active > 0 && nowMs - this.#atMs > decayTimeMs;
    return isProbed ? Math.max(faded, failureLatencyMs) : faded;
  }
}

/** Over hosts that have a LatencyMeter. */
export class PeakEwmaPicker implements Picker {
  readonly #hosts: readonly UpstreamHost[];
  readonly #data: PeakEwmaData;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(hosts: readonly UpstreamHost[], data: PeakEwmaData, clock: Clock, random: Random) {
    this.#hosts = hosts;
    this.#data = data;
    this.#clock = clock;
    this.#random = random;
  }

  pick(): UpstreamHost | null {
    const hosts = this.#hosts;
    const { length } = hosts;
    if (length <= 1) return hosts[0] ?? null;
    const nowMs = this.#clock.nowMs();
    let best = (this.#random() * length) | 0;
    let bestCost = costOf(hosts[best]!, nowMs);
    for (let i = 1; i < this.#data.choiceCount; i++) {
      // Not the best again: with two hosts half of all picks would be blind.
      const other = (best + 1 + ((this.#random() * (length - 1)) | 0)) % length;
      const cost = costOf(hosts[other]!, nowMs);
      if (cost >= bestCost) continue;
      best = other;
      bestCost = cost;
    }
    return hosts[best]!;
  }
}

function costOf(host: UpstreamHost, nowMs: number): number {
  const meter = host.meter as LatencyMeter; // its cluster gave it one of this policy
  const active = host.rqActive();
  return (meter.latencyMs(nowMs, active) * (active + 1)) / host.weight();
}
