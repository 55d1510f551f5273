// The access logger that all stream-like loggers are: filter, format, sink.

import type { Random } from '../../common/clock.ts';
import type { AccessLogger, LogContext } from '../api/access-log.ts';
import type { AccessLogDataBase } from '../api/config/access-log.ts';
import type { LogSink } from '../api/factory.ts';
import { compileLine, type LineFormat } from './formatter.ts';
import { compileLogFilter, type LogFilter } from './log-filter.ts';

export class LineLogger implements AccessLogger {
  readonly #accepts: LogFilter;
  readonly #format: LineFormat;
  readonly #sink: LogSink;

  constructor(data: AccessLogDataBase, sink: LogSink, random: Random) {
    this.#accepts = compileLogFilter(data.filter, random);
    this.#format = compileLine(data.format);
    this.#sink = sink;
  }

  log(context: LogContext): void {
    if (this.#accepts(context)) this.#sink.append(this.#format(context));
  }
}
