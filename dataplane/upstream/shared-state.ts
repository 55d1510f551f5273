// Counters that must hold over all workers: ceilings of clusters, active requests and ejection of hosts.
// Main allocates slots and sends chunks; workers attach chunks and use slots by reference. No locks: every
// word is changed by Atomics only.
//
//   chunk = SharedArrayBuffer of CHUNK_SLOTS slots; slot = 32 words of 32 bit: what each request touches lies in one cache line
//
//   host slot     | 0 users | 1 rq_active | 2 cx_active | 3 consecutive_5xx | 4 consecutive_gateway_failure |
//                 | 5 consecutive_local_origin_failure | 6 health flags |
//                 | 7 successes | 8 failures | 9 local-origin successes | 10 local-origin failures |   this interval
//                 | 11 said to be degraded | 12, 13 healthy since | 14, 15 unused |
//                 | 16..28 error-ratio breaker (error-ratio-breaker.ts) | 29..31 load report (lb/measured/reported-weight.ts) |
//   cluster slot  | 0 users | 1 health epoch | 2 has had traffic | 3 unused |
//                 | 4 connections | 5 pending | 6 requests | 7 retries |      priority DEFAULT
//                 | 8 connections | 9 pending | 10 requests | 11 retries |    priority HIGH
//                 | 12 connection pools DEFAULT | 13 connection pools HIGH | 14..15 unused |
//                 | 16..28 error-ratio breaker | 29..31 unused |
//
// `users` counts the objects of workers that may still write to the slot; main gives a slot to somebody
// else only when nobody does. The health epoch changes after any flag of the cluster's hosts has changed.

const SLOT_WORDS = 32;
const BREAKER_AT = 16;
/** What is more is a time ahead of ours: by less than a minute, whatever a thread is held up by. */
const MOST_ELAPSED_MS = 2 ** 32 - 60_000;
/** A half of a time: below what is negative in 32 bits. */
const WORD_RANGE = 2 ** 31;
/** 128 KiB per chunk: small meshes have one, and a page that nobody wrote to costs nothing. */
export const CHUNK_SLOTS = 1024;

export const HostWord = {
  Users: 0,
  RqActive: 1,
  CxActive: 2,
  Consecutive5xx: 3,
  ConsecutiveGatewayFailure: 4,
  ConsecutiveLocalOriginFailure: 5,
  HealthFlags: 6,
  /** Results since outlier detection's last tick, which takes them (outlier/interval-counts.ts). */
  Successes: 7,
  Failures: 8,
  LocalOriginSuccesses: 9,
  LocalOriginFailures: 10,
  /** 1 while main knows, or is being told, that its responses say x-envoy-degraded. */
  SaidDegraded: 11,
  /** Two halves of a time in ms: see writeHealthySince. */
  HealthySinceHigh: 12,
  HealthySinceLow: 13,
  ReportedWeight: 29,
  ReportedSince: 30,
  ReportedAt: 31,
} as const;
export type HostWord = (typeof HostWord)[keyof typeof HostWord];

/** HasHadTraffic: 1 once any worker began to connect to one of its hosts. */
export const ClusterWord = { Users: 0, HealthEpoch: 1, HasHadTraffic: 2 } as const;

/** Words of one priority; add to `4 + 4 * priority`. */
export const ResourceWord = { Connections: 0, Pending: 1, Requests: 2, Retries: 3 } as const;
export type ResourceWord = (typeof ResourceWord)[keyof typeof ResourceWord];
const RESOURCES_AT = 4;
const RESOURCES_PER_PRIORITY = 4;
const POOLS_AT = 12;

/** Bits of HostWord.HealthFlags, Envoy's. Set in main; discovery's verdict is not among them but in PlacedHost. */
export const HealthFlag = {
  FailedActiveHc: 0x01,
  FailedOutlierCheck: 0x02,
  DegradedActiveHc: 0x08,
  /** Discovery has dropped it, but its checks still pass. */
  PendingDynamicRemoval: 0x20,
  /** New, not checked yet, and not to count until then (ignore_new_hosts_until_first_hc). */
  PendingActiveHc: 0x40,
  ExcludedViaImmediateHcFail: 0x80,
  /** The last check timed out. */
  ActiveHcTimeout: 0x100,
  /** Its responses to traffic say x-envoy-degraded (OutlierDetection.detect_degraded_hosts). */
  DegradedOutlierDetection: 0x400,
} as const;
export type HealthFlag = (typeof HealthFlag)[keyof typeof HealthFlag];

/** A host with any of these gets no traffic outside panic. */
export const UNHEALTHY_FLAGS = HealthFlag.FailedActiveHc | HealthFlag.FailedOutlierCheck;
/** A host with any of these, and none of those above, is used when healthy ones are too few. */
export const DEGRADED_FLAGS = HealthFlag.DegradedActiveHc | HealthFlag.DegradedOutlierDetection;
/** A host with any of these does not count among those of its priority. */
export const EXCLUDED_FLAGS = HealthFlag.PendingActiveHc | HealthFlag.ExcludedViaImmediateHcFail;

/** Where a slot is; travels in messages. */
export interface SlotAddress {
  readonly chunk: number;
  readonly slot: number;
}

/** One number for a slot: of all hosts that are in use, each has another one. */
export function slotKey({ chunk, slot }: SlotAddress): number {
  return chunk * CHUNK_SLOTS + slot;
}

/** A slot ready for use: word `i` of it is `words[base + i]`. */
export interface SlotRef {
  readonly words: Int32Array;
  readonly base: number;
}

/** Index within a cluster's slot, see the drawing. */
export function resourceWord(priority: 0 | 1, resource: ResourceWord): number {
  return RESOURCES_AT + RESOURCES_PER_PRIORITY * priority + resource;
}

/** The connection pools of one priority, which came later: index within a cluster's slot. */
export function poolsWord(priority: 0 | 1): number {
  return POOLS_AT + priority;
}

/** The words of a host's or cluster's error-ratio breaker. */
export function breakerWords({ words, base }: SlotRef): SlotRef {
  return { words, base: base + BREAKER_AT };
}

/** The chunks that a thread knows. */
export class SharedChunks {
  readonly #chunks: Int32Array[] = [];

  /** Main: a new chunk; send its index and buffer to every worker before any slot in it is named. */
  create(): { readonly index: number; readonly buffer: SharedArrayBuffer } {
    const buffer = new SharedArrayBuffer(CHUNK_SLOTS * SLOT_WORDS * 4);
    this.#chunks.push(new Int32Array(buffer));
    return { index: this.#chunks.length - 1, buffer };
  }

  /** Worker: a chunk that main created. */
  attach(index: number, buffer: SharedArrayBuffer): void {
    this.#chunks[index] = new Int32Array(buffer);
  }

  /** Throws when the chunk never came: main broke the order of messages. */
  ref(address: SlotAddress): SlotRef {
    const words = this.#chunks[address.chunk];
    if (words === undefined) throw new Error(`shared chunk ${address.chunk} is not attached`);
    return { words, base: address.slot * SLOT_WORDS };
  }
}

/** A slot that only its maker knows: of a host that main has not placed. */
export function privateSlot(): SlotRef {
  return { words: new Int32Array(new SharedArrayBuffer(SLOT_WORDS * 4)), base: 0 };
}

/** Zeroes a slot; only while nobody uses it. */
export function clearSlot({ words, base }: SlotRef): void {
  for (let i = 0; i < SLOT_WORDS; i++) Atomics.store(words, base + i, 0);
}

/** Main: the host is healthy since then (Clock.machineMs). */
export function writeHealthySince(slot: SlotRef, machineMs: number): void {
  writeWord(slot, HostWord.HealthySinceHigh, Math.floor(machineMs / WORD_RANGE));
  writeWord(slot, HostWord.HealthySinceLow, Math.floor(machineMs % WORD_RANGE));
}

/** Machine ms; 0 = it never was, or nobody asks its cluster to know. */
export function readHealthySince(slot: SlotRef): number {
  const high = readWord(slot, HostWord.HealthySinceHigh);
  return high * WORD_RANGE + readWord(slot, HostWord.HealthySinceLow);
}

/** A time in one word, its low 32 bits, for elapsedMs. `nowMs`: Clock.machineMs. */
export function timeWord(nowMs: number): number {
  return Math.trunc(nowMs) | 0;
}

/** Since a timeWord. Right for 49 days; 0 where another thread wrote it after this one had read its clock. */
export function elapsedMs(since: number, nowMs: number): number {
  const elapsed = (timeWord(nowMs) - since) >>> 0;
  return elapsed > MOST_ELAPSED_MS ? 0 : elapsed;
}

/** Announces (+1) or ends (-1) the use of a slot by one object of this thread. */
export function changeUsers({ words, base }: SlotRef, delta: 1 | -1): void {
  Atomics.add(words, base + HostWord.Users, delta);
}

export function readWord({ words, base }: SlotRef, word: number): number {
  return Atomics.load(words, base + word);
}

/** Main: sets or clears one flag of a host. */
export function setHealthFlag({ words, base }: SlotRef, flag: HealthFlag, on: boolean): void {
  const at = base + HostWord.HealthFlags;
  if (on) Atomics.or(words, at, flag);
  else Atomics.and(words, at, ~flag);
}

export function hasHealthFlag(slot: SlotRef, flags: number): boolean {
  return (readWord(slot, HostWord.HealthFlags) & flags) !== 0;
}

export function writeWord({ words, base }: SlotRef, word: number, value: number): void {
  Atomics.store(words, base + word, value);
}
