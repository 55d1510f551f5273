// One name that is asked for again and again, and what it resolved to last. Used by the DNS cluster types and by
// the DNS cache. Main thread.
//
//   ask --addresses--> kept; again after TTL or refresh rate, and jitter
//    '---failure, or no address---> the former ones stay; again after the failure back-off

import { JitteredBackoff } from '../../../common/backoff.ts';
import type { Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { DnsConfig, DnsRefresh } from '../../api/config/dns.ts';
import type { NameResolver, ResolvedAddress } from './name-resolver.ts';

export interface ResolvedNameParts {
  readonly resolver: NameResolver;
  readonly timers: TimerService;
  readonly random: Random;
  onAsk(): void;
  /** Each answer and failure, after `addresses` was set and before the next question is due. */
  onAnswer(outcome: LookupOutcome, name: ResolvedName): void;
  /** It is due again; false = it is not wanted any more and will be closed. Default: it always is. */
  isStillWanted?(name: ResolvedName): boolean;
}

export type LookupOutcome =
  | { readonly kind: 'addresses' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'failure'; readonly error: unknown };

/** See the file head. */
export class ResolvedName {
  readonly name: string;
  /** Of the last answer that had any, in its order; empty until then. */
  addresses: readonly string[] = [];
  wasAnswered = false;
  readonly #dns: DnsConfig;
  readonly #parts: ResolvedNameParts;
  readonly #backoff: JitteredBackoff | null;
  readonly #timer: Timer;
  #isClosed = false;

  constructor(name: string, dns: DnsConfig, parts: ResolvedNameParts) {
    this.name = name;
    this.#dns = dns;
    this.#parts = parts;
    this.#backoff = failureBackoff(dns, parts.random);
    this.#timer = parts.timers.createTimer(onDue, this);
  }

  ask(): void {
    this.#parts.onAsk();
    this.#parts.resolver.resolve(this.name, this.#dns.lookupFamily).then(
      (found) => this.#onFound(found),
      (error: unknown) => this.#settle({ kind: 'failure', error }, this.#failureDelayMs()),
    );
  }

  /** Timer. */
  onDue(): void {
    if (this.#parts.isStillWanted?.(this) === false) return;
    this.ask();
  }

  /** Answers that are still to come change nothing. */
  close(): void {
    this.#isClosed = true;
    this.#timer.stop();
  }

  #onFound(found: readonly ResolvedAddress[]): void {
    if (found.length === 0) {
      // Envoy would drop the hosts; a name server that flaps must not empty a cluster that works.
      this.#settle({ kind: 'empty' }, this.#failureDelayMs());
      return;
    }
    if (this.#isClosed) return;
    this.#backoff?.reset();
    this.addresses = [...new Set(found.map(({ ip }) => ip))];
    this.#settle({ kind: 'addresses' }, refreshDelayMs(this.#dns, found, this.#parts.random));
  }

  #settle(outcome: LookupOutcome, delayMs: number): void {
    if (this.#isClosed) return;
    this.wasAnswered = true;
    this.#timer.start(delayMs);
    this.#parts.onAnswer(outcome, this);
  }

  #failureDelayMs(): number {
    return this.#backoff?.nextMs() ?? this.#dns.failureRefreshBaseMs;
  }
}

function onDue(name: ResolvedName): void {
  name.onDue();
}

function refreshDelayMs(
  { refreshRateMs, respectTtl, minRefreshMs, jitterMs }: DnsRefresh,
  found: readonly ResolvedAddress[],
  random: Random,
): number {
  const shortestMs = Math.min(...found.map(({ ttlS }) => ttlS)) * 1000;
  const ttlMs = Math.max(shortestMs, minRefreshMs);
  // A TTL of 0 must not become a busy loop; the hosts file has none.
  const hasTtl = respectTtl && ttlMs > 0 && Number.isFinite(ttlMs);
  return (hasTtl ? ttlMs : refreshRateMs) + random() * jitterMs;
}

/** Null = a fixed delay: without dns_failure_refresh_rate both bounds are dns_refresh_rate. */
function failureBackoff(dns: DnsRefresh, random: Random): JitteredBackoff | null {
  const { failureRefreshBaseMs: baseMs, failureRefreshMaxMs: maxMs } = dns;
  return baseMs === maxMs ? null : new JitteredBackoff(baseMs, maxMs, random);
}
