// Compiled envoy.access_loggers.file (extensions.access_loggers.file.v3.FileAccessLog): config.ts makes it,
// the worker half reads it.

import type { AccessLogDataBase } from '../../../api/config/access-log.ts';

export interface FileAccessLogData extends AccessLogDataBase {
  /** Opened for append; `/dev/stdout` and `/dev/stderr` are what they say. */
  readonly path: string;
}
