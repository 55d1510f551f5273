// envoy.access_loggers.file: worker half.

import { createAccessLogger } from '../../../access-log/logger.ts';
import type { AccessLoggerFactory } from '../../../api/factory.ts';
import type { FileAccessLogData } from './data.ts';

export const fileAccessLoggerFactory: AccessLoggerFactory = {
  name: 'envoy.access_loggers.file',
  create: (compiled, context) => {
    // Made by config.ts of this extension.
    const data = compiled as FileAccessLogData;
    return createAccessLogger(data, context.logSink(data.path), context.random);
  },
};
