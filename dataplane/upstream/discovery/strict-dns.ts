// STRICT_DNS: every address behind the names of a cluster is a host. Runs in main, once per process.
// A name that cannot be resolved now keeps the addresses it had; nothing waits for a slow name.

import { isIP } from 'node:net';
import { JitteredBackoff } from '../../../common/backoff.ts';
import type { Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { ClusterConfig, HostConfig, LoadAssignment } from '../../api/config/cluster.ts';
import type { NameResolver } from './name-resolver.ts';
import type { UpdateStats } from './update-stats.ts';

export interface StrictDnsParts {
  readonly resolver: NameResolver;
  readonly timers: TimerService;
  readonly random: Random;
  readonly stats: UpdateStats;
  /** A new set of resolved hosts; also the first one, even when nothing could be resolved. */
  onResolved(assignment: LoadAssignment): void;
}

/** One name of the assignment, on its own timer. */
class Name {
  readonly host: string;
  /** null = never answered. */
  addresses: readonly string[] | null = null;
  isFirstDone = false;
  readonly backoff: JitteredBackoff;
  readonly timer: Timer;

  constructor(host: string, config: ClusterConfig, parts: StrictDnsParts, resolve: () => void) {
    this.host = host;
    const { failureRefreshBaseMs, failureRefreshMaxMs } = config.dns;
    this.backoff = new JitteredBackoff(failureRefreshBaseMs, failureRefreshMaxMs, parts.random);
    this.timer = parts.timers.createTimer(resolve, null);
  }
}

export class StrictDns {
  readonly #config: ClusterConfig;
  readonly #template: LoadAssignment;
  readonly #parts: StrictDnsParts;
  readonly #names = new Map<string, Name>();
  #published = '';
  #closed = false;

  constructor(config: ClusterConfig, template: LoadAssignment, parts: StrictDnsParts) {
    this.#config = config;
    this.#template = template;
    this.#parts = parts;
    for (const { hosts } of template.localities) {
      for (const { address } of hosts) {
        if (isIP(address) !== 0 || this.#names.has(address)) continue;
        const name = new Name(address, config, parts, () => void this.#resolve(name));
        this.#names.set(address, name);
      }
    }
  }

  start(): void {
    if (this.#names.size === 0) this.#publish();
    for (const name of this.#names.values()) void this.#resolve(name);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#names.values()) timer.stop();
  }

  async #resolve(name: Name): Promise<void> {
    const { stats, resolver } = this.#parts;
    const { lookupFamily } = this.#config.dns;
    stats.updateAttempt++;
    let nextMs: number;
    try {
      const found = await resolver.resolve(name.host, lookupFamily);
      if (this.#closed) return;
      if (found.length === 0) stats.updateEmpty++;
      stats.updateSuccess++;
      name.backoff.reset();
      // Envoy: an empty answer empties the name; only a failure to ask keeps what was there.
      name.addresses = [...new Set(found.map(({ ip }) => ip))].sort();
      nextMs = this.#refreshMs(found.map(({ ttlS }) => ttlS));
    } catch {
      if (this.#closed) return;
      stats.updateFailure++;
      nextMs = name.backoff.nextMs();
    }
    name.isFirstDone = true;
    name.timer.start(nextMs);
    if ([...this.#names.values()].every(({ isFirstDone }) => isFirstDone)) this.#publish();
  }

  #refreshMs(ttls: readonly number[]): number {
    const { respectTtl, refreshRateMs } = this.#config.dns;
    const shortest = Math.min(...ttls);
    // A TTL of 0 must not become a busy loop.
    if (!respectTtl || !Number.isFinite(shortest)) return refreshRateMs;
    return Math.max(1000, shortest * 1000);
  }

  #publish(): void {
    const localities = this.#template.localities.map((locality) => ({
      ...locality,
      hosts: locality.hosts.flatMap((host): HostConfig[] => {
        const name = this.#names.get(host.address);
        if (name === undefined) return [host];
        const hostname = host.hostname === '' ? host.address : host.hostname;
        return (name.addresses ?? []).map((address) => ({ ...host, address, hostname }));
      }),
    }));
    const text = JSON.stringify(localities);
    if (text === this.#published) return;
    this.#published = text;
    this.#parts.onResolved({ ...this.#template, localities });
  }
}
