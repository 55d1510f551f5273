// gRPC status codes by name (google.rpc.Code; grpc/statuscodes.md).

const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** `style`: SNAKE_STRING = DEADLINE_EXCEEDED; CAMEL_STRING or '' = DeadlineExceeded. Unknown codes print as numbers. */
export function grpcStatusName(status: number, style: string): string {
  const name = names[status];
  if (name === undefined) return String(status);
  if (style === 'SNAKE_STRING') return name;
  if (name === 'OK') return 'OK';
  // Envoy prints CANCELLED as Canceled.
  if (name === 'CANCELLED') return 'Canceled';
  return name
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** Code of a name such as UNAVAILABLE, -1 = there is none. */
export function grpcStatusCode(name: string): number {
  return names.findIndex((known) => known === (name === 'CANCELED' ? 'CANCELLED' : name));
}
