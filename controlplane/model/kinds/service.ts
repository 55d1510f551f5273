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
        /** What the application speaks: HTTP (HTTP/1.1, default), HTTP2 and GRPC (both h2c by prior knowledge). */
        protocol: Type.Optional(Type.Enum(['HTTP', 'HTTP2', 'GRPC'])),
        /** The same in Kubernetes' words, instead of `protocol`. */
        appProtocol: Type.Optional(Type.Enum(['http', 'http2', 'kubernetes.io/h2c', 'grpc'])),
      }),
      { minItems: 1, maxItems: 1 },
    ),
    /** Each is also a ServiceVersion `<service>-<version>` that a route can name. */
    versions: Type.Optional(Type.Array(closedObject({ name: DnsLabel }), { maxItems: 64 })),
    /** What its sidecars may call and are told of; absent = every Service of the mesh. */
    dependsOn: Type.Optional(
      Type.Array(closedObject({ name: DnsLabel, namespace: Type.Optional(DnsLabel) }), {
        maxItems: 1000,
      }),
    ),
  }),
);
export type Service = Static<typeof Service>;

/** What an application speaks to its sidecar; GRPC is HTTP/2 with the defaults that calls and streams need. */
export type ServiceProtocol = 'HTTP' | 'HTTP2' | 'GRPC';

const protocolOfWord = {
  http: 'HTTP',
  http2: 'HTTP2',
  'kubernetes.io/h2c': 'HTTP2',
  grpc: 'GRPC',
} as const satisfies Record<string, ServiceProtocol>;

export function protocolOf(service: Service): ServiceProtocol {
  const port = service.spec.ports[0];
  if (port?.appProtocol !== undefined) return protocolOfWord[port.appProtocol];
  return port?.protocol ?? 'HTTP';
}
