// What both ends of the proxy take from core.v3.Http1ProtocolOptions, compiled. Part of HcmConfig and UpstreamHttpConfig.

/** http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig. */
export interface PreserveCaseData {
  /** The upstream's reason phrase is kept as well. */
  readonly forwardReasonPhrase: boolean;
  /** Headers that the peer did not send are written `X-Request-Id`. */
  readonly isOtherwiseProper: boolean;
}

/** header_key_format and what frames. */
export interface Http1Data {
  /** Names are written `X-Request-Id` instead of `x-request-id`. */
  readonly properCaseHeaderKeys: boolean;
  /** Null = names are not kept as they came. */
  readonly preserveCase: PreserveCaseData | null;
  readonly enableTrailers: boolean;
  readonly allowChunkedLength: boolean;
}
