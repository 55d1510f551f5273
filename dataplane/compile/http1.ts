// core.v3.Http1ProtocolOptions, as far as it means the same for listeners and clusters -> Http1Data.

import { joinPath } from '../../common/result.ts';
import type { Http1ProtocolOptionsProto } from '../../proto/gen/types.ts';
import type { Http1Data, PreserveCaseData } from '../api/config/http1.ts';
import { type Compilation, namedAny } from './compilation.ts';

/** `path` is where the options stand. */
export function compileHttp1Options(
  options: Http1ProtocolOptionsProto | undefined,
  path: string,
  compilation: Compilation,
): Http1Data {
  const format = options?.header_key_format;
  const formatter = format?.stateful_formatter;
  const at = joinPath(path, 'header_key_format.stateful_formatter');
  const compiled =
    formatter === undefined
      ? null
      : compilation.extension('header-formatter', namedAny(formatter), at);
  return {
    properCaseHeaderKeys: format?.proper_case_words !== undefined,
    // Of the only type in its category.
    preserveCase: compiled === null ? null : (compiled.data as PreserveCaseData),
    enableTrailers: options?.enable_trailers ?? false,
    allowChunkedLength: options?.allow_chunked_length ?? false,
  };
}
