// STRICT_DNS: every address behind the names of a cluster is a host. Main thread, once per process. Each
// name has its own timer; a name that cannot be resolved now keeps the addresses that it had.
//
//   ask --answer--> addresses, again after TTL or dns_refresh_rate
//    '---failure, or no address---> addresses stay, again after the failure back-off

import { isIP } from 'node:net';
import { JitteredBackoff } from '../../../common/backoff.ts';
import type { Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { DnsConfig, HostConfig, LoadAssignment } from '../../api/config/cluster.ts';
import type { NameResolver, ResolvedAddress } from './name-resolver.ts';

/** `cluster.<name>.update_*` */
export interface DnsStats {
  updateAttempt: number;
  updateSuccess: number;
  updateFailure: number;
  updateEmpty: number;
  updateNoRebuild: number;
}

export interface StrictDnsParts {
  readonly resolver: NameResolver;
  readonly timers: TimerService;
  readonly random: Random;
  readonly stats: DnsStats;
  /**
   * A new set of resolved hosts. First when every name has been asked once, even when none could be
   * resolved; later only when something changed.
   */
  onResolved(assignment: LoadAssignment): void;
}

/** One name of the assignment. */
interface Target {
  readonly name: string;
  /** Sorted; empty until the first answer. */
  addresses: readonly string[];
  wasAsked: boolean;
  readonly backoff: JitteredBackoff | null;
  readonly timer: Timer;
}

export class StrictDns {
  readonly #dns: DnsConfig;
  /** load_assignment, in which hosts are names. */
  readonly #template: LoadAssignment;
  readonly #parts: StrictDnsParts;
  readonly #targets = new Map<string, Target>();
  #published: string | null = null;
  #isClosed = false;

  constructor(dns: DnsConfig, template: LoadAssignment, parts: StrictDnsParts) {
    this.#dns = dns;
    this.#template = template;
    this.#parts = parts;
    for (const { hosts } of template.localities) {
      for (const { address } of hosts) {
        if (isIP(address) !== 0 || this.#targets.has(address)) continue;
        const timer = parts.timers.createTimer((name) => this.#ask(name), address);
        this.#targets.set(address, {
          name: address,
          addresses: [],
          wasAsked: false,
          backoff: failureBackoff(dns, parts.random),
          timer,
        });
      }
    }
  }

  start(): void {
    if (this.#targets.size === 0) this.#publish();
    for (const name of this.#targets.keys()) this.#ask(name);
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#targets.values()) timer.stop();
  }

  #ask(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) return;
    this.#parts.stats.updateAttempt++;
    this.#parts.resolver.resolve(name, this.#dns.lookupFamily).then(
      (found) => this.#onAnswer(target, found),
      () => this.#onFailure(target),
    );
  }

  #onAnswer(target: Target, found: readonly ResolvedAddress[]): void {
    if (this.#isClosed) return;
    const { stats } = this.#parts;
    stats.updateSuccess++;
    if (found.length === 0) {
      // Envoy would drop the hosts; a name server that flaps must not empty a cluster that works.
      stats.updateEmpty++;
      this.#askAgain(target, this.#failureDelayMs(target));
      return;
    }
    target.backoff?.reset();
    target.addresses = [...new Set(found.map(({ ip }) => ip))].sort();
    this.#askAgain(target, this.#refreshDelayMs(found));
  }

  #onFailure(target: Target): void {
    if (this.#isClosed) return;
    this.#parts.stats.updateFailure++;
    this.#askAgain(target, this.#failureDelayMs(target));
  }

  #askAgain(target: Target, delayMs: number): void {
    target.wasAsked = true;
    target.timer.start(delayMs);
    for (const { wasAsked } of this.#targets.values()) if (!wasAsked) return;
    this.#publish();
  }

  #failureDelayMs(target: Target): number {
    return target.backoff?.nextMs() ?? this.#dns.failureRefreshBaseMs;
  }

  #refreshDelayMs(found: readonly ResolvedAddress[]): number {
    const { respectTtl, refreshRateMs } = this.#dns;
    const shortestS = Math.min(...found.map(({ ttlS }) => ttlS));
    // A TTL of 0 must not become a busy loop; the hosts file has none.
    if (!respectTtl || shortestS === 0 || !Number.isFinite(shortestS)) return refreshRateMs;
    return shortestS * 1000;
  }

  #publish(): void {
    const localities = this.#template.localities.map((locality) => ({
      ...locality,
      hosts: locality.hosts.flatMap((host): HostConfig[] => {
        const target = this.#targets.get(host.address);
        if (target === undefined) return [host];
        const hostname = host.hostname === '' ? host.address : host.hostname;
        return target.addresses.map((address) => ({ ...host, address, hostname }));
      }),
    }));
    const text = JSON.stringify(localities.map(({ hosts }) => hosts.map(({ address }) => address)));
    if (text === this.#published) {
      this.#parts.stats.updateNoRebuild++;
      return;
    }
    this.#published = text;
    this.#parts.onResolved({ ...this.#template, localities });
  }
}

/** Null = a fixed delay: without dns_failure_refresh_rate both bounds are dns_refresh_rate. */
function failureBackoff(dns: DnsConfig, random: Random): JitteredBackoff | null {
  const { failureRefreshBaseMs: baseMs, failureRefreshMaxMs: maxMs } = dns;
  return baseMs === maxMs ? null : new JitteredBackoff(baseMs, maxMs, random);
}
