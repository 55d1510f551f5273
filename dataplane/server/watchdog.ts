// Notices threads whose event loop stands still. Each worker writes the time into shared memory ten times a second
// (HeartBeat); main looks as often (Watchdog), counts misses under Envoy's names and says who is stuck, which
// makes /ready answer 503. It kills nothing: connections that wait on such a worker wait until it goes on.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { StatField, StatScope, StatsStore } from '../api/stats.ts';

const BEAT_MS = 100;
/** Envoy: Watchdog.miss_timeout and megamiss_timeout, defaults. */
const MISS_MS = 200;
const MEGA_MISS_MS = 1000;

/** Memory for the beats of `count` workers. */
export function heartBeatMemory(count: number): SharedArrayBuffer {
  return new SharedArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT);
}

/** The worker's half: alive as long as its event loop turns. */
export class HeartBeat {
  readonly #beats: BigInt64Array;
  readonly #workerIndex: number;
  readonly #clock: Clock;
  readonly #timer: Timer;

  constructor(memory: SharedArrayBuffer, workerIndex: number, clock: Clock, timers: TimerService) {
    this.#beats = new BigInt64Array(memory);
    this.#workerIndex = workerIndex;
    this.#clock = clock;
    this.#timer = timers.createTimer(onBeat, this);
    this.beat();
  }

  beat(): void {
    Atomics.store(this.#beats, this.#workerIndex, BigInt(Math.floor(this.#clock.machineMs())));
    this.#timer.start(BEAT_MS);
  }
}

function onBeat(heart: HeartBeat): void {
  heart.beat();
}

class WatchdogStats {
  static readonly stats: readonly StatField[] = [
    { field: 'miss', name: 'watchdog_miss', kind: 'counter' },
    { field: 'megaMiss', name: 'watchdog_mega_miss', kind: 'counter' },
  ];

  miss = 0;
  megaMiss = 0;
}

/** How long a thread has been silent in the eyes of the last look; counts each silence once per kind. */
class Patient {
  readonly #stats: readonly WatchdogStats[];
  #isMissing = false;
  isStuck = false;

  constructor(stats: readonly WatchdogStats[]) {
    this.#stats = stats;
  }

  look(silentMs: number): void {
    const isMissing = silentMs > MISS_MS;
    const isStuck = silentMs > MEGA_MISS_MS;
    if (isMissing && !this.#isMissing) for (const stats of this.#stats) stats.miss++;
    if (isStuck && !this.isStuck) for (const stats of this.#stats) stats.megaMiss++;
    this.#isMissing = isMissing;
    this.isStuck = isStuck;
  }
}

function addStats(store: StatsStore, scope: StatScope): WatchdogStats {
  const stats = new WatchdogStats();
  store.add(scope, stats);
  return stats;
}

const scopeOf = (prefix: string): StatScope => ({
  prefix,
  promPrefix: `envoy_${prefix.replaceAll('.', '_')}`,
  labels: {},
});

const workerScope = (index: number): StatScope => ({
  prefix: `server.worker_${index}`,
  promPrefix: 'envoy_server_worker',
  labels: { envoy_worker_id: String(index) },
});

/** Main's half. */
export class Watchdog implements Disposable {
  readonly #beats: BigInt64Array;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #main: Patient;
  readonly #workers: readonly Patient[];
  #lastLookMs: number;

  constructor(memory: SharedArrayBuffer, clock: Clock, timers: TimerService, stats: StatsStore) {
    const allWorkers = addStats(stats, scopeOf('workers'));
    this.#beats = new BigInt64Array(memory);
    this.#clock = clock;
    this.#main = new Patient([
      addStats(stats, scopeOf('main_thread')),
      addStats(stats, scopeOf('server.main_thread')),
    ]);
    this.#workers = Array.from(
      this.#beats,
      (_beat, index) => new Patient([allWorkers, addStats(stats, workerScope(index))]),
    );
    this.#lastLookMs = clock.machineMs();
    this.#timer = timers.createTimer(onLook, this);
    this.#timer.start(BEAT_MS);
  }

  /** Some worker's event loop has stood still for more than a second. */
  isAnyWorkerStuck(): boolean {
    return this.#workers.some(({ isStuck }) => isStuck);
  }

  look(): void {
    const nowMs = this.#clock.machineMs();
    this.#main.look(nowMs - this.#lastLookMs - BEAT_MS);
    this.#lastLookMs = nowMs;
    for (let i = 0; i < this.#workers.length; i++) {
      const beatMs = Number(Atomics.load(this.#beats, i));
      // 0: not started yet; how long that may take is another's business.
      if (beatMs > 0) this.#workers[i]!.look(nowMs - beatMs - BEAT_MS);
    }
    this.#timer.start(BEAT_MS);
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
  }
}

function onLook(watchdog: Watchdog): void {
  watchdog.look();
}
