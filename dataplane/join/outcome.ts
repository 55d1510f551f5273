// What a failed call means for a sidecar that wants into the mesh.

import { status } from '@grpc/grpc-js';
import { CodedError } from '../../common/coded-error.ts';

/** Codes by which the control plane says no and will go on saying so. */
const finalCodes: ReadonlySet<number> = new Set([
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.INVALID_ARGUMENT,
  status.ALREADY_EXISTS,
  status.UNIMPLEMENTED,
]);

/** The gRPC status code of an error, null for others. */
export function grpcCode(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
    ? error.code
    : null;
}

/** True when the control plane answered, if with a refusal; false when it was silent or away. */
export function isAnswer(error: unknown): boolean {
  const code = grpcCode(error);
  return code === status.NOT_FOUND || (code !== null && finalCodes.has(code));
}

/** True when trying again cannot help: the operator has to change something. */
export function isFinal(error: unknown): boolean {
  if (error instanceof CodedError) return error.code === 'wrong-ca' || error.code === 'bad-token';
  const code = grpcCode(error);
  return code !== null && finalCodes.has(code);
}
