// envoy.access_loggers.stdout: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { StdoutAccessLogProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { compileLogFormat } from '../../../compile/access-log.ts';
import { Compilation } from '../../../compile/compilation.ts';
import type { StdoutAccessLogData } from './data.ts';

/** StdoutAccessLog -> StdoutAccessLogData. */
export const stdoutAccessLog: ExtensionConfigFactory<StdoutAccessLogProto> = {
  name: 'envoy.access_loggers.stdout',
  category: 'access-logger',
  configTypes: ['envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'],
  compile(config: StdoutAccessLogProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const data: StdoutAccessLogData = {
      format: compileLogFormat(config.log_format, 'log_format', compilation),
      filter: null,
    };
    return compilation.result(data);
  },
};
