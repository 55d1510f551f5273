// Compiled envoy.access_loggers.stdout (extensions.access_loggers.stream.v3): config.ts makes it, the worker half reads it.

import type { AccessLogDataBase } from '../../../api/config/access-log.ts';

/** Everything is in the base: the sink is the process's stdout. */
export type StdoutAccessLogData = AccessLogDataBase;
