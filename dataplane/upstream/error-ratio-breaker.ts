// A circuit breaker by the share of requests that failed, over all workers: its state is one word that is changed by
// compare-and-swap only, so that no probe is one too many. Clusters and hosts have it in their shared slots, routes in
// memory of their own. Asked by the router before each try, and told how the try ended.
//
//            share of failures >= threshold             open_time is over
//   closed ----------------------------------> open ---------------------> half open
//      ^                                         ^---- a probe failed ---------|
//      '------------------- max_probes went well ------------------------------'
//
//   words  | 0 state: 2 bits which, 8 bits probes under way or over, 8 bits that went well, 14 bits generation |
//          | 1 since (low 32 bits of Clock.machineMs) | 2 open_time in ms |
//          | 3 requests, 4 failures in the window that opened it | 5..12 the window | 13..15 unused |
//   window | requests, failures | of each quarter: 12 bits which quarter, modulo 4096, then 20 bits how many

import { BREAKER_WORDS, type ErrorRatioBreakerData } from '../api/config/error-ratio-breaker.ts';
import type { Breaker } from '../api/host.ts';
import { elapsedMs, type SlotRef, timeWord } from './shared-state.ts';

const State = { Closed: 0, Open: 1, HalfOpen: 2 } as const;
const STATE_MASK = 3;
const STARTED_AT = 2;
const SUCCEEDED_AT = 10;
const GENERATION_AT = 18;
const COUNT_MASK = 0xff;
const GENERATION_MASK = 0x3fff;

const Word = { State: 0, Since: 1, OpenTime: 2, Requests: 3, Failures: 4, Window: 5 } as const;
const QUARTERS = 4;
const TAG_AT = 20;
const TAG_MASK = 0xfff;
const MOST = (1 << TAG_AT) - 1;

/** acquire(): no. */
export const REFUSED = -1;
/** acquire(): yes, as the breaker is closed. What is above it is a probe. */
const PLAIN = 0;

/** See the file head. Times are Clock.machineMs: all threads agree about it. */
export class ErrorRatioBreaker implements Breaker {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #data: ErrorRatioBreakerData;
  readonly #partMs: number;

  constructor({ words, base }: SlotRef, data: ErrorRatioBreakerData) {
    this.#words = words;
    this.#base = base;
    this.#data = data;
    this.#partMs = data.windowMs / QUARTERS;
  }

  allows(nowMs: number): boolean {
    const word = this.#load(Word.State);
    switch (word & STATE_MASK) {
      case State.Closed:
        return true;
      case State.Open:
        return this.#isOpenTimeOver(nowMs);
      default:
        return (
          startedOf(word) < this.#data.maxProbes || isAllWell(word) || this.#isOpenTimeOver(nowMs)
        );
    }
  }

  acquire(nowMs: number): number {
    for (;;) {
      const word = this.#load(Word.State);
      const state = word & STATE_MASK;
      if (state === State.Closed) return PLAIN;
      if (state === State.Open) {
        if (!this.#isOpenTimeOver(nowMs)) return REFUSED;
        const token = this.#probeAnew(word, nowMs);
        if (token !== REFUSED) return token;
      } else if (startedOf(word) < this.#data.maxProbes) {
        if (this.#swap(word, word + (1 << STARTED_AT))) return generationOf(word) + 1;
      } else if (isAllWell(word)) this.#close(word, nowMs);
      else {
        if (!this.#isOpenTimeOver(nowMs)) return REFUSED;
        // A probe may be a stream that lasts for hours: others are asked in its place.
        const token = this.#probeAnew(word, nowMs);
        if (token !== REFUSED) return token;
      }
    }
  }

  end(token: number, hasFailed: boolean, nowMs: number): boolean {
    return token === PLAIN
      ? this.#endPlain(hasFailed, nowMs)
      : this.#endProbe(token, hasFailed, nowMs);
  }

  cancel(token: number): void {
    if (token === PLAIN) return;
    for (;;) {
      const word = this.#load(Word.State);
      if (!isProbeOf(word, token)) return;
      if (this.#swap(word, word - (1 << STARTED_AT))) return;
    }
  }

  /** The first probe of another generation; REFUSED = another thread was faster. */
  #probeAnew(word: number, nowMs: number): number {
    const next = stateWord(State.HalfOpen, generationOf(word) + 1, 1);
    // The time first, as in #open.
    this.#store(Word.Since, nowMs);
    return this.#swap(word, next) ? generationOf(next) + 1 : REFUSED;
  }

  #endPlain(hasFailed: boolean, nowMs: number): boolean {
    const word = this.#load(Word.State);
    // It began before the breaker opened, and says nothing of how the peer is now.
    if ((word & STATE_MASK) !== State.Closed) return false;
    this.#count(0, nowMs);
    if (!hasFailed) return false;
    this.#count(1, nowMs);
    const requests = this.#sum(0, nowMs);
    const failures = this.#sum(1, nowMs);
    const { minimumRequests, errorPercentThreshold } = this.#data;
    if (requests < minimumRequests || 100 * failures < errorPercentThreshold * requests) {
      return false;
    }
    this.#store(Word.Requests, requests);
    this.#store(Word.Failures, failures);
    return this.#open(word, nowMs);
  }

  #endProbe(token: number, hasFailed: boolean, nowMs: number): boolean {
    for (;;) {
      const word = this.#load(Word.State);
      if (!isProbeOf(word, token)) return false;
      if (hasFailed) {
        if (this.#open(word, nowMs)) return true;
        continue;
      }
      const succeeded = ((word >>> SUCCEEDED_AT) & COUNT_MASK) + 1;
      if (succeeded < this.#data.maxProbes) {
        if (this.#swap(word, word + (1 << SUCCEEDED_AT))) return false;
        continue;
      }
      if (this.#close(word, nowMs)) return false;
    }
  }

  #close(word: number, nowMs: number): boolean {
    // Nobody counts while it is not closed.
    for (let i = 0; i < 2 * QUARTERS; i++) this.#store(Word.Window + i, 0);
    if (!this.#swap(word, stateWord(State.Closed, generationOf(word) + 1, 0))) return false;
    this.#store(Word.Since, nowMs);
    return true;
  }

  /** The time first: who sees it open must not see an old one. */
  #open(word: number, nowMs: number): boolean {
    this.#store(Word.Since, nowMs);
    this.#store(Word.OpenTime, this.#data.openTimeMs);
    return this.#swap(word, stateWord(State.Open, generationOf(word) + 1, 0));
  }

  #isOpenTimeOver(nowMs: number): boolean {
    return elapsedMs(this.#load(Word.Since), nowMs) >= this.#data.openTimeMs;
  }

  /** `kind` 0 = requests, 1 = failures. */
  #count(kind: 0 | 1, nowMs: number): void {
    const part = Math.floor(nowMs / this.#partMs);
    const tag = part & TAG_MASK;
    const at = this.#base + Word.Window + 2 * (part % QUARTERS) + kind;
    for (;;) {
      const word = Atomics.load(this.#words, at);
      const isOld = word >>> TAG_AT !== tag;
      if (!isOld && (word & MOST) === MOST) return;
      const next = isOld ? (tag << TAG_AT) | 1 : word + 1;
      if (Atomics.compareExchange(this.#words, at, word, next) === word) return;
    }
  }

  #sum(kind: 0 | 1, nowMs: number): number {
    const part = Math.floor(nowMs / this.#partMs);
    let sum = 0;
    for (let back = 0; back < QUARTERS && back <= part; back++) {
      const word = this.#load(Word.Window + 2 * ((part - back) % QUARTERS) + kind);
      if (word >>> TAG_AT === ((part - back) & TAG_MASK)) sum += word & MOST;
    }
    return sum;
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#base + word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#base + word, timeWord(value));
  }

  #swap(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, this.#base + Word.State, from, to) === from;
  }
}

/** For the admin interface. */
export interface BreakerStatus {
  readonly state: 'closed' | 'open' | 'half_open';
  /** Since the last change; null = there was none. */
  readonly forMs: number | null;
  /** Of an open one: until requests go through again. */
  readonly nextProbeInMs: number | null;
  /** What opened it last; null = it never was. */
  readonly reason: { readonly requests: number; readonly failures: number } | null;
}

/** One of the process. */
export interface NamedBreaker {
  readonly scope: 'cluster' | 'host' | 'route';
  /** Of the cluster; of a route its route configuration, then its own (or where it stands). */
  readonly name: string;
  /** Of a host; '' otherwise. */
  readonly address: string;
  readonly status: BreakerStatus;
}

const stateNames = ['closed', 'open', 'half_open'] as const;

/** Main: what the words of a breaker say, whatever its config. `nowMs`: Clock.machineMs. */
export function readBreaker({ words, base }: SlotRef, nowMs: number): BreakerStatus {
  const load = (word: number): number => Atomics.load(words, base + word);
  const word = load(Word.State);
  const state = stateNames[word & STATE_MASK] ?? 'closed';
  const forMs = word === 0 ? null : elapsedMs(load(Word.Since), nowMs);
  return {
    state,
    forMs,
    nextProbeInMs:
      state === 'open' && forMs !== null ? Math.max(0, load(Word.OpenTime) - forMs) : null,
    reason: word === 0 ? null : { requests: load(Word.Requests), failures: load(Word.Failures) },
  };
}

/** The words of a route's breaker. */
export function breakerSlot(memory: SharedArrayBuffer): SlotRef {
  return { words: new Int32Array(memory, 0, BREAKER_WORDS), base: 0 };
}

function stateWord(state: number, generation: number, started: number): number {
  return state | (started << STARTED_AT) | ((generation & GENERATION_MASK) << GENERATION_AT);
}

function startedOf(word: number): number {
  return (word >>> STARTED_AT) & COUNT_MASK;
}

/** No probe is under way, and all went well: as many as a former config, with a higher max_probes, wanted at a time. */
function isAllWell(word: number): boolean {
  return startedOf(word) === ((word >>> SUCCEEDED_AT) & COUNT_MASK);
}

function generationOf(word: number): number {
  return word >>> GENERATION_AT;
}

function isProbeOf(word: number, token: number): boolean {
  return (word & STATE_MASK) === State.HalfOpen && generationOf(word) + 1 === token;
}
