// local_reply_config, main-thread half. Called by the connection manager's config.ts; hcm/local-reply-rewrite.ts acts on the data.

import type {
  LocalReplyConfigProto,
  ResponseMapperProto,
  SubstitutionFormatStringProto,
} from '../../proto/gen/types.ts';
import type {
  LocalReplyData,
  LocalReplyFormatData,
  LocalReplyMapperData,
} from '../api/config/hcm.ts';
import { compileAccessLogFilter, compileLogFormat } from './access-log.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { readText } from './data-source.ts';
import { compileHeaderMutations } from './header-mutations.ts';

/** Null when there is nothing to rewrite. */
export function compileLocalReply(
  config: LocalReplyConfigProto | undefined,
  compilation: Compilation,
): LocalReplyData | null {
  if (config === undefined) return null;
  const mappers = mapItems(config.mappers, 'local_reply_config.mappers', (mapper, path) =>
    compileMapper(mapper, path, compilation),
  );
  const format = compileFormat(config.body_format, 'local_reply_config.body_format', compilation);
  return mappers.length === 0 && format === null ? null : { mappers, format };
}

function compileMapper(
  mapper: ResponseMapperProto,
  path: string,
  compilation: Compilation,
): LocalReplyMapperData {
  const { body, status_code: status } = mapper;
  return {
    filter: compileAccessLogFilter(mapper.filter ?? {}, `${path}.filter`, compilation),
    status: status === undefined ? null : status.value,
    body: body === undefined ? null : readText(body, `${path}.body`, compilation),
    format: compileFormat(mapper.body_format_override, `${path}.body_format_override`, compilation),
    headers: compileHeaderMutations(
      'response',
      { response_headers_to_add: mapper.headers_to_add },
      path,
      compilation,
    ),
  };
}

function compileFormat(
  format: SubstitutionFormatStringProto | undefined,
  path: string,
  compilation: Compilation,
): LocalReplyFormatData | null {
  if (format === undefined) return null;
  const compiled = compileLogFormat(format, path, compilation);
  const contentType =
    format.content_type ?? (compiled.kind === 'json' ? 'application/json' : 'text/plain');
  return { format: compiled, contentType };
}
