// The sinks of one worker by path, so that two loggers with the same file share it, and so that /reopen_logs,
// SIGUSR1 and the end of the process reach all of them.

import type { TimerService } from '../../common/timer.ts';
import type { StatsStore } from '../api/stats.ts';
import { LogSink, SinkStats } from './sink.ts';

const scope = { prefix: 'filesystem', promPrefix: 'envoy_filesystem', labels: {} };

export class LogSinks {
  readonly #timers: TimerService;
  readonly #stats = new SinkStats();
  readonly #sinks = new Map<string, LogSink>();

  constructor(timers: TimerService, stats: StatsStore) {
    this.#timers = timers;
    stats.add(scope, this.#stats);
  }

  /** Throws when the file cannot be opened. */
  get(path: string): LogSink {
    let sink = this.#sinks.get(path);
    if (sink === undefined) {
      sink = new LogSink(path, this.#timers, this.#stats);
      this.#sinks.set(path, sink);
    }
    return sink;
  }

  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }
}
