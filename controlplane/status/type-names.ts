// The short names of xDS types that people read: columns, lines and arguments.

import { isNamedKind, kindOfTypeUrl, type NamedKind, type XdsKind } from '../cache/kinds.ts';

const shortNames = {
  cluster: 'CDS',
  endpoint: 'EDS',
  secret: 'SDS',
  listener: 'LDS',
  route: 'RDS',
  'locality-endpoint': 'LEDS',
  'extension-config': 'ECDS',
  'scoped-route': 'SRDS',
  'virtual-host': 'VHDS',
  runtime: 'RTDS',
} as const satisfies Record<NamedKind, string>;

/** Shown of every node, whether it asked for them or not. */
export const coreKinds = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const;

/** `CDS`; of a type without a name of ours the last part of its URL. */
export function typeName(kind: XdsKind): string {
  return isNamedKind(kind) ? shortNames[kind] : lastPart(kind);
}

export function typeNameOfUrl(typeUrl: string): string {
  const kind = kindOfTypeUrl(typeUrl);
  return kind === null ? lastPart(typeUrl) : typeName(kind);
}

function lastPart(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
