// How join and xDS refuse a caller.

import type { status } from '@grpc/grpc-js';

/** A gRPC status that ends the call. */
export interface Denial {
  readonly code: status;
  readonly details: string;
}
