// envoy.access_loggers.file: main-thread half. The three deprecated spellings of a format are still
// common in bootstrap files and mean what they always meant.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FileAccessLogProto } from '../../../../proto/gen/types.ts';
import type { AccessLogFormatData } from '../../../api/config/access-log.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { checkJsonFormat, compileLogFormat } from '../../../compile/access-log.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { checkFormat } from '../../../compile/format.ts';
import type { FileAccessLogData } from './data.ts';

/** FileAccessLog -> FileAccessLogData. */
export const fileAccessLog: ExtensionConfigFactory<FileAccessLogProto> = {
  name: 'envoy.access_loggers.file',
  category: 'access-logger',
  configTypes: ['envoy.extensions.access_loggers.file.v3.FileAccessLog'],
  compile(config: FileAccessLogProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const data: FileAccessLogData = {
      path: config.path ?? '',
      format: compileFormat(config, compilation),
      filter: null,
    };
    return compilation.result(data);
  },
};

function compileFormat(config: FileAccessLogProto, compilation: Compilation): AccessLogFormatData {
  if (config.format !== undefined && config.format !== '') {
    checkFormat(config.format, 'format', compilation);
    return { kind: 'text', text: config.format, omitEmptyValues: false };
  }
  for (const field of ['json_format', 'typed_json_format'] as const) {
    const tree = config[field];
    if (tree === undefined) continue;
    checkJsonFormat(tree, field, compilation);
    return { kind: 'json', tree, omitEmptyValues: false, sortProperties: false };
  }
  return compileLogFormat(config.log_format, 'log_format', compilation);
}
