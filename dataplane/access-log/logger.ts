// An access logger made of a filter, a format and a sink: what file, stdout and stderr loggers all are.

import type { Random } from '../../common/clock.ts';
import type { AccessLogger, LogContext } from '../api/access-log.ts';
import type { AccessLogDataBase } from '../api/config/access-log.ts';
import type { LogSink } from '../api/factory.ts';
import { compileLogFilter, type LogFilter } from './filter.ts';
import { createFormatter } from './formatter.ts';
import type { Formatter } from './text-formatter.ts';

class FormattedAccessLogger implements AccessLogger {
  readonly #filter: LogFilter | null;
  readonly #formatter: Formatter;
  readonly #sink: LogSink;

  constructor(filter: LogFilter | null, formatter: Formatter, sink: LogSink) {
    this.#filter = filter;
    this.#formatter = formatter;
    this.#sink = sink;
  }

  log(context: LogContext): void {
    if (this.#filter !== null && !this.#filter(context)) return;
    this.#sink.append(this.#formatter.format(context));
  }
}

/** Builds the logger of compiled data. */
export function createAccessLogger(
  data: AccessLogDataBase,
  sink: LogSink,
  random: Random,
): AccessLogger {
  const filter = data.filter === null ? null : compileLogFilter(data.filter, random);
  return new FormattedAccessLogger(filter, createFormatter(data.format), sink);
}
