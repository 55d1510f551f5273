// AuthorizationPolicy: who may call a Service. Without any, every mesh identity may; with one or more,
// a request must match a rule of one of them. `rules: []` therefore allows nothing.

import Type, { type Static } from 'typebox';
import {
  closedObject,
  DnsLabel,
  kindSchema,
  REMORA_API_VERSION,
  ServiceRef,
} from '../primitives.ts';

const From = closedObject({
  /** Name of a Service; its namespace defaults to the policy's. */
  service: Type.Optional(DnsLabel),
  namespace: Type.Optional(DnsLabel),
  /** A SPIFFE id in full instead, for identities that are not Services here. */
  principal: Type.Optional(
    Type.String({
      pattern: '^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+$',
      maxLength: 2048,
      title: 'a SPIFFE id such as spiffe://trust.domain/ns/default/sa/orders',
    }),
  ),
});

const To = closedObject({
  methods: Type.Optional(
    Type.Array(Type.String({ pattern: '^[A-Z]+$', title: 'an HTTP method in capitals' }), {
      minItems: 1,
    }),
  ),
  /** `/exact`, or `/prefix/*` for everything below `/prefix/`, or `*` for all. Matched after normalising. */
  paths: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^(\\*|/[^*]*(/\\*)?)$',
        title: 'a path that starts with / and may end in /*',
      }),
      { minItems: 1 },
    ),
  ),
});

export const AuthorizationPolicy = kindSchema(
  REMORA_API_VERSION,
  'AuthorizationPolicy',
  closedObject({
    targetRef: ServiceRef,
    /** Any rule that matches allows. Within a rule: one of `from` (default any mesh identity) and one of `to`. */
    rules: Type.Array(
      closedObject({
        from: Type.Optional(Type.Array(From, { minItems: 1 })),
        to: Type.Optional(Type.Array(To, { minItems: 1 })),
      }),
    ),
  }),
);
export type AuthorizationPolicy = Static<typeof AuthorizationPolicy>;
