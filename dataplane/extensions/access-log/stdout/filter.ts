// envoy.access_loggers.stdout: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLogSinks } from '../../../access-log/sink.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { StdoutAccessLogData } from './data.ts';

/** The factory over a worker's sinks. */
export function stdoutAccessLogger(sinks: AccessLogSinks): AccessLoggerFactory {
  return {
    name: 'envoy.access_loggers.stdout',
    create: (compiled, context) => {
      // Made by config.ts of this extension.
      const data = compiled as StdoutAccessLogData;
      return createAccessLogger(data, sinks.sink('/dev/stdout'), context.random);
    },
  };
}
