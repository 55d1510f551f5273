// Limits of the HTTP/1 codecs that no setting has. Each stops a peer from holding memory or time with
// little input (reliability rows H1-26, H1-31, H1-44, UP-08, SL-08); tests sit at the limit plus one.

/** CRLFs tolerated before a request line (RFC 9112 2.2 asks for "at least one"). */
export const MAX_LEADING_CRLF_BYTES = 64;
/** Chunk extensions of one message together. */
export const MAX_CHUNK_EXTENSION_BYTES = 16 * 1024;
/** Trailer section of one message. */
export const MAX_TRAILER_BYTES = 8 * 1024;
export const MAX_TRAILER_COUNT = 100;
/** Bytes of pipelined requests held while a response is in progress; then reading stops. */
export const MAX_PIPELINED_BYTES = 64 * 1024;
