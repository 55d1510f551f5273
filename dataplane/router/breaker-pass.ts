// What a try owes the error-ratio breakers that let it through: those of its route, cluster and host. Made by tries.ts,
// told by whoever learns how the try ended; the first word counts.

import type { Clock } from '../../common/clock.ts';
import type { Cluster } from '../api/cluster.ts';
import type { Breaker, Host } from '../api/host.ts';
import type { RouteEntry } from './route-entry.ts';

/** Which breaker turned a try away, in the words of its details. */
export type BreakerScope = 'route' | 'cluster' | 'host';

/** See the file head. Times are Clock.machineMs. */
export class BreakerPass {
  readonly #cluster: Cluster;
  readonly #breakers: readonly Breaker[];
  readonly #tokens: readonly number[];
  #isOver: boolean;

  constructor(cluster: Cluster, breakers: readonly Breaker[], tokens: readonly number[]) {
    this.#cluster = cluster;
    this.#breakers = breakers;
    this.#tokens = tokens;
    this.#isOver = false;
  }

  end(hasFailed: boolean, nowMs: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (let i = 0; i < this.#breakers.length; i++) {
      if (this.#breakers[i]!.end(this.#tokens[i]!, hasFailed, nowMs)) {
        this.#cluster.stats.errorRatioBreakerOpened++;
      }
    }
  }

  /** The try was given up, or turned away by something of ours. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (let i = 0; i < this.#breakers.length; i++) this.#breakers[i]!.cancel(this.#tokens[i]!);
  }
}

/** Null = there is no breaker; a text = that one lets nothing through. */
export function passBreakers(
  route: RouteEntry,
  cluster: Cluster,
  host: Host,
  clock: Clock,
): BreakerPass | BreakerScope | null {
  if (route.breaker === null && cluster.breaker === null && host.breaker === null) return null;
  const nowMs = clock.machineMs();
  const scopes: readonly (readonly [BreakerScope, Breaker | null])[] = [
    ['route', route.breaker],
    ['cluster', cluster.breaker],
    ['host', host.breaker],
  ];
  const breakers: Breaker[] = [];
  const tokens: number[] = [];
  for (const [scope, breaker] of scopes) {
    if (breaker === null) continue;
    const token = breaker.acquire(nowMs);
    if (token < 0) {
      new BreakerPass(cluster, breakers, tokens).cancel();
      return scope;
    }
    breakers.push(breaker);
    tokens.push(token);
  }
  return new BreakerPass(cluster, breakers, tokens);
}
