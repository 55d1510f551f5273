// envoy.access_loggers.stdout: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { StdoutAccessLogData } from './data.ts';

export const stdoutAccessLoggerFactory: AccessLoggerFactory = {
  name: 'envoy.access_loggers.stdout',
  create: (compiled, context) => {
    // Made by config.ts of this extension.
    const data = compiled as StdoutAccessLogData;
    return createAccessLogger(data, context.logSink('/dev/stdout'), context.random);
  },
};
