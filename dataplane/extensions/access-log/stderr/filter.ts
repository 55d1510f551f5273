// envoy.access_loggers.stderr: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLogSinks } from '../../../access-log/sink.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { StderrAccessLogData } from './data.ts';

/** The factory over a worker's sinks. */
export function stderrAccessLogger(sinks: AccessLogSinks): AccessLoggerFactory {
  return {
    name: 'envoy.access_loggers.stderr',
    create: (compiled, context) => {
      // Made by config.ts of this extension.
      const data = compiled as StderrAccessLogData;
      return createAccessLogger(data, sinks.sink('/dev/stderr'), context.random);
    },
  };
}
