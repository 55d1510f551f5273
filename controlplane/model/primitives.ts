// The small JSON Schemas that all kinds share. `title` completes the sentence "must be ..." in errors.

import Type, { type Static, type TProperties, type TSchema } from 'typebox';

/** An object schema that refuses fields it does not name. */
export function closedObject<P extends TProperties>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

export const DnsLabel = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
  maxLength: 63,
  title: 'a DNS label (a-z, 0-9 and inner -, at most 63 characters)',
});

export const ObjectName = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
  maxLength: 253,
  title: 'a DNS name (labels of a-z, 0-9 and inner -, joined by dots)',
});

/** GEP-2257, the Gateway API's durations. */
export const DurationText = Type.String({
  pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$',
  title: 'a duration such as 250ms, 15s or 1h30m',
});

export const HeaderName = Type.String({
  pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$",
  maxLength: 256,
  title: 'an HTTP header name',
});
/** RFC 6265: a token. */
export const CookieName = Type.String({
  pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$",
  maxLength: 256,
  title: 'a cookie name',
});

export const Port = Type.Integer({ minimum: 1, maximum: 65535 });
export const Percent = Type.Integer({ minimum: 0, maximum: 100 });
export const Count = Type.Integer({ minimum: 1, maximum: 4_294_967_295 });

/** The `kind: Service` that a policy is attached to, in its own namespace (Gateway API policy shape). */
export const ServiceRef = closedObject({
  group: Type.Optional(Type.Enum(['', 'remora.dev'])),
  kind: Type.Literal('Service'),
  name: DnsLabel,
});

const Text = Type.String({ maxLength: 262_144 });

/** As Kubernetes has them: an optional DNS prefix and a name, and a short word. */
const Labels = Type.Record(
  Type.String({
    pattern:
      '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$',
  }),
  Type.String({
    pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$',
    title: 'a label value (letters, digits, and inner -, _ and ., at most 63 characters)',
  }),
  { maxProperties: 64, additionalProperties: false },
);

/** Kubernetes' ObjectMeta, as far as it means something here. */
export const Metadata = closedObject({
  name: ObjectName,
  namespace: Type.Optional(DnsLabel),
  labels: Type.Optional(Labels),
  annotations: Type.Optional(Type.Record(Type.String(), Text)),
  /** Set by the store; given on a write it asks for compare-and-set. */
  resourceVersion: Type.Optional(Type.String({ maxLength: 32 })),
});
export type Metadata = Static<typeof Metadata>;

/** The envelope of one kind around its spec. `status` is ours to write; on input it is dropped. */
export function kindSchema<const V extends string, const K extends string, S extends TSchema>(
  apiVersion: V,
  kind: K,
  spec: S,
) {
  return closedObject({
    apiVersion: Type.Literal(apiVersion),
    kind: Type.Literal(kind),
    metadata: Metadata,
    spec,
    status: Type.Optional(Type.Object({})),
  });
}

export const REMORA_API_VERSION = 'remora.dev/v1';
export const GATEWAY_API_VERSION = 'gateway.networking.k8s.io/v1';
