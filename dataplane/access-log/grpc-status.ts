// The gRPC status of a finished request, for %GRPC_STATUS%, the grpc_status filter and the router.

import type { LogContext } from '../api/access-log.ts';
import { getJoinedField, type HeaderFields } from '../api/headers.ts';

/** By number; both spellings of Envoy's GRPC_STATUS formats. */
const statusNames: readonly (readonly [camel: string, snake: string])[] = [
  ['OK', 'OK'],
  ['Canceled', 'CANCELLED'],
  ['Unknown', 'UNKNOWN'],
  ['InvalidArgument', 'INVALID_ARGUMENT'],
  ['DeadlineExceeded', 'DEADLINE_EXCEEDED'],
  ['NotFound', 'NOT_FOUND'],
  ['AlreadyExists', 'ALREADY_EXISTS'],
  ['PermissionDenied', 'PERMISSION_DENIED'],
  ['ResourceExhausted', 'RESOURCE_EXHAUSTED'],
  ['FailedPrecondition', 'FAILED_PRECONDITION'],
  ['Aborted', 'ABORTED'],
  ['OutOfRange', 'OUT_OF_RANGE'],
  ['Unimplemented', 'UNIMPLEMENTED'],
  ['Internal', 'INTERNAL'],
  ['Unavailable', 'UNAVAILABLE'],
  ['DataLoss', 'DATA_LOSS'],
  ['Unauthenticated', 'UNAUTHENTICATED'],
];

const DIGITS = /^[0-9]{1,9}$/;
const GRPC_LENGTH = 'application/grpc'.length;

/** True for `application/grpc` and `application/grpc+...`. */
export function isGrpcContentType(contentType: string | null): boolean {
  if (contentType === null || !contentType.startsWith('application/grpc')) return false;
  return contentType.length === GRPC_LENGTH || contentType[GRPC_LENGTH] === '+';
}

/** Where there is no grpc-status. */
export const NO_GRPC_STATUS = -2;
/** Where there is one that is no number. It counts as a failure, and logs show it as -1. */
const INVALID_GRPC_STATUS = -1;

/** The grpc-status of a head or of trailers, or one of the two above. One that comes twice is no number, as in Envoy. */
export function grpcStatusIn(fields: HeaderFields): number {
  const value = getJoinedField(fields, 'grpc-status');
  if (value === null || value === '') return NO_GRPC_STATUS;
  return DIGITS.test(value) ? Number(value) : INVALID_GRPC_STATUS;
}

/** NO_GRPC_STATUS = not a gRPC request, or it had no response. */
export function grpcStatusOf(context: LogContext): number {
  const { requestHeaders } = context;
  const isGrpc = requestHeaders !== null && isGrpcContentType(requestHeaders.get('content-type'));
  return isGrpc ? anyGrpcStatus(context) : NO_GRPC_STATUS;
}

/** From the trailers, else the headers, else what the HTTP status means to gRPC; NO_GRPC_STATUS = no response. */
export function anyGrpcStatus(context: LogContext): number {
  const { responseTrailers, responseHeaders, streamInfo } = context;
  if (responseTrailers !== null) {
    const inTrailers = grpcStatusIn(responseTrailers);
    if (inTrailers !== NO_GRPC_STATUS) return inTrailers;
  }
  const inHeaders =
    responseHeaders === null ? NO_GRPC_STATUS : grpcStatusIn(responseHeaders.fields);
  return inHeaders !== NO_GRPC_STATUS ? inHeaders : grpcStatusOfHttp(streamInfo.responseCode);
}

/** gRPC's http-grpc-status-mapping; 2 (unknown) for the rest. */
function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 0:
      return NO_GRPC_STATUS;
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** `Unavailable` or `UNAVAILABLE`; numbers without a name are written as numbers. */
export function grpcStatusName(status: number, form: 'camel' | 'snake'): string {
  const names = statusNames[status];
  return names === undefined ? String(status) : names[form === 'camel' ? 0 : 1];
}

/** The number of a SNAKE_CASE name, -1 when there is none. */
export function grpcStatusNumber(snake: string): number {
  const wanted = snake === 'CANCELED' ? 'CANCELLED' : snake;
  return statusNames.findIndex((names) => names[1] === wanted);
}

const httpStatuses: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** The HTTP status that a gRPC status counts as (outlier detection, host stats); unknown, invalid and missing ones are 500. */
export function httpStatusOfGrpc(grpcStatus: number): number {
  return httpStatuses[grpcStatus] ?? 500;
}
