// envoy.http.stateful_header_formatters.preserve_case: names of headers go on as the peer spelled them. No worker half:
// the HTTP/1 codecs act on PreserveCaseData.

import { type FieldError, ok, type Result } from '../../../../common/result.ts';
import type { PreserveCaseFormatterConfigProto } from '../../../../proto/gen/types.ts';
import type { PreserveCaseData } from '../../../api/config/http1.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const preserveCase: ExtensionConfigFactory<PreserveCaseFormatterConfigProto> = {
  name: 'envoy.http.stateful_header_formatters.preserve_case',
  category: 'header-formatter',
  configTypes: [
    'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
  ],
  compile(config: PreserveCaseFormatterConfigProto): Result<unknown, FieldError[]> {
    const data: PreserveCaseData = {
      forwardReasonPhrase: config.forward_reason_phrase ?? false,
      isOtherwiseProper: config.formatter_type_on_envoy_headers === 'PROPER_CASE',
    };
    return ok(data);
  },
};
