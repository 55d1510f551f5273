// Service: a name that callers use, and the versions that may stand behind it.

import Type, { type Static } from 'typebox';
import { closedObject, DnsLabel, kindSchema, Port, REMORA_API_VERSION } from '../primitives.ts';

export const Service = kindSchema(
  REMORA_API_VERSION,
  'Service',
  closedObject({
    /** Exactly one for now: a sidecar has one inbound listener. */
    ports: Type.Array(
      closedObject({
        name: Type.Optional(DnsLabel),
        /** The port that callers name: `orders:80`. */
        port: Port,
        /** Only HTTP (HTTP/1.1) for now. */
        protocol: Type.Optional(Type.Enum(['HTTP'])),
      }),
      { minItems: 1, maxItems: 1 },
    ),
    /** Each is also a ServiceVersion `<service>-<version>` that an HTTPRoute can name. */
    versions: Type.Optional(Type.Array(closedObject({ name: DnsLabel }), { maxItems: 64 })),
  }),
);
export type Service = Static<typeof Service>;
