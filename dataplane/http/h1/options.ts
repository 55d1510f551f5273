// Settings and callbacks of the two HTTP/1 codecs. Shared by every connection of a listener or a
// cluster: built once, never per connection. Limits that no setting has are in limits.ts.

import type { CodecError } from '../../api/codec.ts';
import type { PreserveCaseData } from '../../api/config/http1.ts';
import type { StringMatcher } from '../../matcher/string-matcher.ts';
import type { Http1CodecStats } from './codec-stats.ts';

/** Server side (downstream). Envoy: core.v3.Http1ProtocolOptions and fields of the HCM. */
export interface ServerOptions {
  /** Scheme of requests on this connection: 'https' when the downstream socket is TLS. */
  readonly scheme: 'http' | 'https';
  /** Default false: HTTP/1.0 gets 426. */
  readonly acceptHttp10: boolean;
  /** Authority of an HTTP/1.0 request without Host; '' = such a request is a 400. */
  readonly defaultHostForHttp10: string;
  /** Envoy: allow_absolute_url, default true. */
  readonly allowAbsoluteUrl: boolean;
  /** Default false: trailers are parsed, checked and dropped, both ways. */
  readonly enableTrailers: boolean;
  /** `Content-Type` instead of `content-type` in responses. */
  readonly properCaseHeaderKeys: boolean;
  /** Envoy: headers_with_underscores_action, default ALLOW. */
  readonly headersWithUnderscoresAction: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** Null = not kept. Envoy: header_key_format.stateful_formatter. */
  readonly preserveCase: PreserveCaseData | null;
  /** Content-Length beside `chunked` is dropped instead of refused, and the connection closed; default false. */
  readonly allowChunkedLength: boolean;
  /** Any token is a method; default false: Envoy's list. */
  readonly allowCustomMethods: boolean;
  /** Upgrades that are taken out of the request as if it had not asked. */
  readonly ignoredUpgrades: readonly StringMatcher[];
  /** Whole header block, KiB; default 60. */
  readonly maxRequestHeadersKb: number;
  /** Default 100. */
  readonly maxHeadersCount: number;
  /**
   * The connection manager's business (replies of 400 that it makes itself). The codec closes after every
   * error of its own whatever this says: where the next request would begin is then unknown.
   */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly stats: Http1CodecStats;
}

/** Client side (upstream). */
export interface ClientOptions {
  /** Default false: no trailers are sent, received ones are checked and dropped. */
  readonly enableTrailers: boolean;
  readonly properCaseHeaderKeys: boolean;
  /** Null = not kept. Envoy: header_key_format.stateful_formatter. */
  readonly preserveCase: PreserveCaseData | null;
  readonly allowChunkedLength: boolean;
  /** `GET http://host/path` instead of `GET /path`. */
  readonly sendFullyQualifiedUrl: boolean;
  /** Envoy: max_response_headers_kb, HTTP/1 default 80. */
  readonly maxResponseHeadersKb: number;
  /** Default 100. */
  readonly maxHeadersCount: number;
  readonly stats: Http1CodecStats;
}

/** What a client codec tells the pool that owns it. Connection events go to the pool directly. */
export interface ClientConnectionCallbacks {
  /**
   * Request and response are complete (the response decoder has had its end). Ask `canReuse()`: true =
   * newStream may be called (even from here), false = close the connection.
   */
  onIdle(): void;
  /** The response said that the connection will not be kept; comes before its body. */
  onGoAway(): void;
  /**
   * The peer broke the protocol: a bad response (the stream was reset with ProtocolError), or bytes
   * when no request was open. The codec closes the connection right after this call.
   */
  onProtocolError(error: CodecError): void;
}
