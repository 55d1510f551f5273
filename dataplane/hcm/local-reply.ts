// The only author of synthetic replies: errors, timeouts, direct answers of filters. Called by
// filter-manager, which sends the product through the encoder filters (or past them).

import {
  getField,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
  setField,
} from '../api/headers.ts';

/** What makes one reply. */
export interface LocalReply {
  readonly headers: ResponseHeaders;
  /** Null = the head is all. */
  readonly body: Buffer | null;
}

/** True for a gRPC request (not gRPC-Web): its errors travel as trailers-only answers. */
export function isGrpcRequest(headers: RequestHeaders): boolean {
  const { fields } = headers;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'content-type') continue;
    const value = fields[i + 1]!;
    if (!value.startsWith('application/grpc')) return false;
    return value.length === 16 || value.charCodeAt(16) === 0x2b; // '+'
  }
  return false;
}

/** grpc-status of an HTTP status, by the gRPC project's "HTTP to gRPC status code mapping". */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13; // INTERNAL
    case 401:
      return 16; // UNAUTHENTICATED
    case 403:
      return 7; // PERMISSION_DENIED
    case 404:
      return 12; // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return 14; // UNAVAILABLE
    default:
      return 2; // UNKNOWN
  }
}

/**
 * Completes a reply whose status (and headers that somebody wants on it) stand in `headers` already, with a
 * body of `contentType` (a byte string, '' = none). A content-type that is there stays; content-length is
 * always ours. `isHead` drops the body but keeps its content-length.
 */
export function makeLocalReply(
  headers: ResponseHeaders,
  body: string,
  contentType: string,
  isHead: boolean,
): LocalReply {
  if (body === '') {
    removeField(headers.fields, 'content-length');
    removeField(headers.fields, 'content-type');
    return { headers, body: null };
  }
  const bytes = Buffer.from(body, 'latin1');
  setField(headers.fields, 'content-length', String(bytes.length));
  if (headers.get('content-type') === null) headers.fields.push('content-type', contentType);
  return { headers, body: isHead ? null : bytes };
}

/** The same for a gRPC request: trailers-only; `message` would have been of `contentType`. `grpcStatus` null = by the HTTP status in `headers`. */
export function makeGrpcReply(
  headers: ResponseHeaders,
  message: string,
  contentType: string,
  grpcStatus: number | null,
): LocalReply {
  const { fields } = headers;
  setField(fields, 'content-type', 'application/grpc');
  if (getField(fields, 'grpc-status') === null) {
    fields.push('grpc-status', String(grpcStatus ?? grpcStatusOf(headers.status)));
  }
  if (message !== '') {
    // A JSON body ends with a newline that is no part of the message.
    const isLine = contentType === 'application/json' && message.endsWith('\n');
    const text = isLine ? message.slice(0, -1) : message;
    setField(fields, 'grpc-message', percentEncode(text));
  }
  removeField(fields, 'content-length');
  headers.status = 200;
  return { headers, body: null };
}

/** grpc-message's encoding: printable ASCII but '%' stays, every other byte becomes %XX. */
export function percentEncode(bytes: string): string {
  if (/^[ -$&-~]*$/.test(bytes)) return bytes;
  let encoded = '';
  for (const byte of Buffer.from(bytes, 'latin1')) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) encoded += String.fromCharCode(byte);
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
