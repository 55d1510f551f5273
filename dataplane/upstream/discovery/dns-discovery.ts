// The hosts of a cluster of a DNS type. Main thread, once per process. What cannot be resolved now keeps the
// addresses that it had. STRICT_DNS: every address behind the names of a cluster is a host.
// LOGICAL_DNS: its one name is one host, whatever the address; new connections go to the first of the last answer.

import { isIP } from 'node:net';
import type { Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { HostConfig, LoadAssignment } from '../../api/config/cluster.ts';
import type { DnsConfig } from '../../api/config/dns.ts';
import type { NameResolver } from './name-resolver.ts';
import { type LookupOutcome, ResolvedName } from './resolved-name.ts';

/** `cluster.<name>.update_*` */
export interface DnsStats {
  updateAttempt: number;
  updateSuccess: number;
  updateFailure: number;
  updateEmpty: number;
  updateNoRebuild: number;
}

export interface DnsDiscoveryParts {
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

/** See the file head. */
export class DnsDiscovery {
  readonly #isLogical: boolean;
  /** load_assignment, in which hosts are names. */
  readonly #template: LoadAssignment;
  readonly #parts: DnsDiscoveryParts;
  readonly #names = new Map<string, ResolvedName>();
  #published: string | null = null;

  constructor(
    type: 'STRICT_DNS' | 'LOGICAL_DNS',
    dns: DnsConfig,
    template: LoadAssignment,
    parts: DnsDiscoveryParts,
  ) {
    this.#isLogical = type === 'LOGICAL_DNS';
    this.#template = template;
    this.#parts = parts;
    const { resolver, timers, random, stats } = parts;
    for (const { hosts } of template.localities) {
      for (const { address } of hosts) {
        if (isIP(address) !== 0 || this.#names.has(address)) continue;
        const name = new ResolvedName(address, dns, {
          resolver,
          timers,
          random,
          onAsk: () => {
            stats.updateAttempt++;
          },
          onAnswer: (outcome) => this.#onAnswer(outcome),
        });
        this.#names.set(address, name);
      }
    }
  }

  start(): void {
    if (this.#names.size === 0) this.#publish();
    for (const name of this.#names.values()) name.ask();
  }

  close(): void {
    for (const name of this.#names.values()) name.close();
  }

  #onAnswer(outcome: LookupOutcome): void {
    const { stats } = this.#parts;
    if (outcome.kind === 'failure') stats.updateFailure++;
    else stats.updateSuccess++;
    if (outcome.kind === 'empty') stats.updateEmpty++;
    for (const { wasAnswered } of this.#names.values()) if (!wasAnswered) return;
    this.#publish();
  }

  #publish(): void {
    const localities = this.#template.localities.map((locality) => ({
      ...locality,
      hosts: locality.hosts.flatMap((host) => this.#resolved(host)),
    }));
    const text = JSON.stringify(localities.map(({ hosts }) => hosts.map(({ address }) => address)));
    if (text === this.#published) {
      this.#parts.stats.updateNoRebuild++;
      return;
    }
    this.#published = text;
    this.#parts.onResolved({ ...this.#template, localities });
  }

  #resolved(host: HostConfig): HostConfig[] {
    const addresses = this.#names.get(host.address)?.addresses;
    if (addresses === undefined) return [host];
    const hostname = host.hostname === '' ? host.address : host.hostname;
    if (!this.#isLogical) {
      // Sorted: another order is no change.
      return [...addresses].sort().map((address) => ({ ...host, address, hostname }));
    }
    const [first] = addresses;
    return first === undefined
      ? []
      : [{ ...host, address: first, hostname, identity: `${host.address}:${host.port}` }];
  }
}
