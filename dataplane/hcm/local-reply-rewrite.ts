// local_reply_config of one connection manager, compiled: what becomes of a local reply before it is sent. Asked
// by the filter manager once per local reply; replies of the upstream are none of its business.

import { byteString } from '../../common/byte-string.ts';
import { compileLogFilter, type LogFilter } from '../access-log/filter.ts';
import { createFormatter } from '../access-log/formatter.ts';
import { compileMutations, type HeaderMutations } from '../access-log/header-mutations.ts';
import type { Formatter } from '../access-log/text-formatter.ts';
import type { LogContext } from '../api/access-log.ts';
import type {
  LocalReplyData,
  LocalReplyFormatData,
  LocalReplyMapperData,
} from '../api/config/hcm.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../api/headers.ts';
import type { StreamInfo } from '../api/stream-info.ts';

/** What formats and filters read: the reply as it is so far. */
class ReplyContext implements LogContext {
  readonly requestHeaders: RequestHeaders | null;
  readonly responseHeaders: ResponseHeaders;
  readonly responseTrailers: Trailers | null;
  readonly streamInfo: StreamInfo;
  localReplyBody: string;

  constructor(
    request: RequestHeaders | null,
    response: ResponseHeaders,
    streamInfo: StreamInfo,
    body: string,
  ) {
    this.requestHeaders = request;
    this.responseHeaders = response;
    this.responseTrailers = null;
    this.streamInfo = streamInfo;
    this.localReplyBody = body;
  }
}

/** A body as a byte string, and the content-type that goes with it. */
export interface RewrittenBody {
  readonly bytes: string;
  readonly contentType: string;
}

class BodyFormat {
  readonly #formatter: Formatter;
  readonly #contentType: string;

  constructor({ format, contentType }: LocalReplyFormatData) {
    this.#formatter = createFormatter(format);
    this.#contentType = contentType;
  }

  apply(context: LogContext): RewrittenBody {
    return { bytes: this.#formatter.format(context), contentType: this.#contentType };
  }
}

class Mapper {
  readonly matches: LogFilter;
  readonly status: number | null;
  readonly body: string | null;
  readonly format: BodyFormat | null;
  readonly headers: HeaderMutations | null;

  constructor(data: LocalReplyMapperData, random: () => number) {
    this.matches = compileLogFilter(data.filter, random);
    this.status = data.status;
    this.body = data.body;
    this.format = data.format === null ? null : new BodyFormat(data.format);
    this.headers = compileMutations(data.headers);
  }
}

export class LocalReplyRewriter {
  readonly #mappers: readonly Mapper[];
  readonly #format: BodyFormat | null;

  constructor(data: LocalReplyData, random: () => number) {
    this.#mappers = data.mappers.map((mapper) => new Mapper(mapper, random));
    this.#format = data.format === null ? null : new BodyFormat(data.format);
  }

  /** Changes status and headers of `response` as configured and makes the body. */
  rewrite(
    request: RequestHeaders | null,
    response: ResponseHeaders,
    streamInfo: StreamInfo,
    body: string,
  ): RewrittenBody {
    const context = new ReplyContext(request, response, streamInfo, body);
    // Filters ask for the code that is about to be sent.
    streamInfo.responseCode = response.status;
    let format = this.#format;
    for (const mapper of this.#mappers) {
      if (!mapper.matches(context)) continue;
      if (mapper.body !== null) context.localReplyBody = mapper.body;
      if (mapper.headers !== null) mapper.headers.apply(response.fields, context);
      if (mapper.status !== null) {
        response.status = mapper.status;
        streamInfo.responseCode = mapper.status;
      }
      format = mapper.format ?? format;
      break;
    }
    if (format !== null) return format.apply(context);
    return { bytes: byteString(context.localReplyBody), contentType: 'text/plain' };
  }
}
