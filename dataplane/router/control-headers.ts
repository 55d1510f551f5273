// One pass over a request's headers that tells the router what it must look at closer. Most requests carry no
// x-envoy-* control header at all, and then none of the code that reads them runs.

import type { HeaderFields } from '../api/headers.ts';

/** Bits of the answer. */
export const RequestTrait = {
  /** x-envoy-internal: true. */
  Internal: 1,
  /** content-type application/grpc. */
  Grpc: 2,
  /** Some other x-envoy-* header. */
  Controls: 4,
} as const;

const GRPC_LENGTH = 'application/grpc'.length;

/** OR of RequestTrait bits. */
export function requestTraits(fields: HeaderFields): number {
  let traits = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const first = name.charCodeAt(0);
    if (first === 0x78 /* x */) {
      if (!name.startsWith('x-envoy-')) continue;
      if (name !== 'x-envoy-internal') traits |= RequestTrait.Controls;
      else if (fields[i + 1] === 'true') traits |= RequestTrait.Internal;
    } else if (first === 0x63 /* c */ && name === 'content-type') {
      const value = fields[i + 1]!;
      if (!value.startsWith('application/grpc')) continue;
      if (value.length === GRPC_LENGTH || value[GRPC_LENGTH] === '+') traits |= RequestTrait.Grpc;
    }
  }
  return traits;
}
