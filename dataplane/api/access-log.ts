// Access loggers. A logger formats and buffers by itself; log() must not throw nor block.

import type { RequestHeaders, ResponseHeaders, Trailers } from './headers.ts';
import type { StreamInfo } from './stream-info.ts';

/** What a log line is made of. Headers are null when none were received / sent. */
export interface LogContext {
  readonly requestHeaders: RequestHeaders | null;
  readonly responseHeaders: ResponseHeaders | null;
  readonly responseTrailers: Trailers | null;
  readonly streamInfo: StreamInfo;
  /** Body of a local reply, else ''. */
  readonly localReplyBody: string;
}

export interface AccessLogger {
  log(context: LogContext): void;
}
