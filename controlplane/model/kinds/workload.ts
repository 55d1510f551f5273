// Workload: one instance of a Service behind its own sidecar. Written by hand (for example for an
// Envoy, whose node.id is then `<namespace>/<name>`), or made by itself when a sidecar joins.

import Type, { type Static } from 'typebox';
import { closedObject, DnsLabel, kindSchema, Port, REMORA_API_VERSION } from '../primitives.ts';

/** Checked by the format `ip` of model/validate. */
const IpAddress = Type.String({ format: 'ip', title: 'an IP address' });

export const Workload = kindSchema(
  REMORA_API_VERSION,
  'Workload',
  closedObject({
    /** Name of the Service, in the same namespace. */
    service: DnsLabel,
    /** One of the Service's versions; required when it has any. */
    version: Type.Optional(DnsLabel),
    /** Where other sidecars reach this one's inbound listener. */
    address: IpAddress,
    /** Port of the sidecar's inbound listener (mTLS). */
    inboundPort: Port,
    /** Port of the sidecar's outbound listener on 127.0.0.1. Default 15001. */
    outboundPort: Type.Optional(Port),
    /** Port of the application on 127.0.0.1, behind the sidecar. */
    appPort: Port,
    /** Relative share of requests. Default 1. */
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  }),
);
export type Workload = Static<typeof Workload>;
