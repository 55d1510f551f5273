// envoy.access_loggers.file: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLogSinks } from '../../../access-log/sink.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { FileAccessLogData } from './data.ts';

/** The factory over a worker's sinks. */
export function fileAccessLogger(sinks: AccessLogSinks): AccessLoggerFactory {
  return {
    name: 'envoy.access_loggers.file',
    create: (compiled, context) => {
      // Made by config.ts of this extension.
      const data = compiled as FileAccessLogData;
      return createAccessLogger(data, sinks.sink(data.path), context.random);
    },
  };
}
