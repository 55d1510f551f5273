// MeshConfig: the one document about the whole mesh. At most one exists; without it the defaults hold.

import Type, { type Static } from 'typebox';
import { closedObject, DurationText, kindSchema, REMORA_API_VERSION } from '../primitives.ts';
import { TrafficSettings } from './traffic-policy.ts';

export const MeshConfig = kindSchema(
  REMORA_API_VERSION,
  'MeshConfig',
  closedObject({
    /** The authority of every SPIFFE id. Default `remora.local`. */
    trustDomain: Type.Optional(
      Type.String({
        // SPIFFE-ID 2.1: lower case, digits, dot, dash, underscore; 255 bytes.
        pattern: '^[a-z0-9._-]+$',
        maxLength: 255,
        title: 'a SPIFFE trust domain (a-z, 0-9, ".", "-", "_")',
      }),
    ),
    mtls: Type.Optional(
      closedObject({
        /** STRICT (default): sidecars refuse plaintext. PERMISSIVE: they take both. */
        mode: Type.Optional(Type.Enum(['STRICT', 'PERMISSIVE'])),
      }),
    ),
    certificates: Type.Optional(
      closedObject({
        /** Lifetime of workload certificates, default 1h, at least 1m; renewed at about half of it. */
        ttl: Type.Optional(DurationText),
      }),
    ),
    accessLog: Type.Optional(
      closedObject({
        /** File that every sidecar writes Envoy's default line to, e.g. /dev/stdout. */
        path: Type.String({ minLength: 1 }),
      }),
    ),
    /** What holds for every Service unless its TrafficPolicy says otherwise. */
    defaults: Type.Optional(TrafficSettings),
  }),
);
export type MeshConfig = Static<typeof MeshConfig>;
