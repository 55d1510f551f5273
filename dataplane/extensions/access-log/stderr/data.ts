// Compiled envoy.access_loggers.stderr (extensions.access_loggers.stream.v3): config.ts makes it, the worker half reads it.

import type { AccessLogDataBase } from '../../../api/config/access-log.ts';

/** Everything is in the base: the sink is the process's stderr. */
export type StderrAccessLogData = AccessLogDataBase;
