// The sinks of one worker by path, so that two loggers with the same file share it, and so that /reopen_logs,
// SIGUSR1 and the end of the process reach all of them.

import { type Logger, silentLogger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { StatsStore } from '../api/stats.ts';
import { BufferedSink, FilesystemStats, type SinkFs } from './sink.ts';

const scope = { prefix: 'filesystem', promPrefix: 'envoy_filesystem', labels: {} };

export class LogSinks implements Disposable {
  readonly #timers: TimerService;
  readonly #logger: Logger;
  readonly #fs: SinkFs | null;
  readonly #stats = new FilesystemStats();
  readonly #sinks = new Map<string, BufferedSink>();

  /** `fs` null = the real one. */
  constructor(
    timers: TimerService,
    stats: StatsStore,
    logger: Logger = silentLogger(),
    fs: SinkFs | null = null,
  ) {
    this.#timers = timers;
    this.#logger = logger;
    this.#fs = fs;
    stats.add(scope, this.#stats);
  }

  /** Throws when the file cannot be opened. */
  get(path: string): BufferedSink {
    let sink = this.#sinks.get(path);
    if (sink === undefined) {
      sink = new BufferedSink(path, {
        timers: this.#timers,
        logger: this.#logger,
        stats: this.#stats,
        ...(this.#fs === null ? {} : { fs: this.#fs }),
      });
      this.#sinks.set(path, sink);
    }
    return sink;
  }

  /** Starts writing what is pending. */
  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  /** The files were moved away: later lines go to new ones of the same paths. */
  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }

  /** For the end of the process: writes everything and waits for it. */
  [Symbol.dispose](): void {
    for (const sink of this.#sinks.values()) sink.flushSync();
  }
}
