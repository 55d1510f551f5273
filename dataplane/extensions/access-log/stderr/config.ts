// envoy.access_loggers.stderr: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { StderrAccessLogProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { compileLogFormat } from '../../../compile/access-log.ts';
import { Compilation } from '../../../compile/compilation.ts';
import type { StderrAccessLogData } from './data.ts';

/** StderrAccessLog -> StderrAccessLogData. */
export const stderrAccessLog: ExtensionConfigFactory<StderrAccessLogProto> = {
  name: 'envoy.access_loggers.stderr',
  category: 'access-logger',
  configTypes: ['envoy.extensions.access_loggers.stream.v3.StderrAccessLog'],
  compile(config: StderrAccessLogProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const data: StderrAccessLogData = {
      format: compileLogFormat(config.log_format, 'log_format', compilation),
      filter: null,
    };
    return compilation.result(data);
  },
};
