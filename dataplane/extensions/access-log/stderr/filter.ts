// envoy.access_loggers.stderr: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { StderrAccessLogData } from './data.ts';

export const stderrAccessLoggerFactory: AccessLoggerFactory = {
  name: 'envoy.access_loggers.stderr',
  create: (compiled, context) => {
    // Made by config.ts of this extension.
    const data = compiled as StderrAccessLogData;
    return createAccessLogger(data, context.logSink('/dev/stderr'), context.random);
  },
};
