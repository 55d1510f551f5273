// Access loggers. A logger formats and buffers by itself; log() must not throw nor block.

import type { RequestHeaders, ResponseHeaders, Trailers } from './headers.ts';
import type { StreamInfo } from './stream-info.ts';

/** %ACCESS_LOG_TYPE%: what made the log line. */
export type AccessLogType =
  | 'NotSet'
  | 'TcpConnectionStart'
  | 'TcpUpstreamConnected'
  | 'TcpPeriodic'
  | 'TcpConnectionEnd'
  | 'DownstreamEnd';

/** What a log line is made of. Headers are null when none were received / sent. */
export interface LogContext {
  readonly requestHeaders: RequestHeaders | null;
  readonly responseHeaders: ResponseHeaders | null;
  readonly responseTrailers: Trailers | null;
  readonly streamInfo: StreamInfo;
  /** Body of a local reply, else ''. */
  readonly localReplyBody: string;
  /** Absent = DownstreamEnd, the end of a request. */
  readonly type?: AccessLogType;
}

/** The log line of a connection: it has no headers. */
export function connectionLogContext(streamInfo: StreamInfo, type: AccessLogType): LogContext {
  return {
    requestHeaders: null,
    responseHeaders: null,
    responseTrailers: null,
    streamInfo,
    localReplyBody: '',
    type,
  };
}

export interface AccessLogger {
  log(context: LogContext): void;
}
