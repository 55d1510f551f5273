// Which types wait for which: make before break, as Envoy needs it (see stream.ts). Types that are not named
// here refer to nothing that we know of: they wait for nobody, and leave before what Envoy's own types use.

import { isNamedKind, type NamedKind, type XdsKind } from '../cache/kinds.ts';

/** Their responses must have been answered before one of a type that refers to them is sent. */
export const firstKinds: readonly XdsKind[] = ['cluster', 'endpoint'];

const referring: ReadonlySet<NamedKind> = new Set([
  'listener',
  'route',
  'extension-config',
  'scoped-route',
  'virtual-host',
] as const);

/** True when `kind` may lead to clusters and so comes behind them. */
export function comesBehindClusters(kind: XdsKind): boolean {
  return isNamedKind(kind) && referring.has(kind);
}

/** Who uses goes before what is used; a kind that is not named goes first. */
const removalRank: Readonly<Record<NamedKind, number>> = {
  listener: 1,
  'scoped-route': 2,
  'extension-config': 3,
  route: 4,
  'virtual-host': 5,
  cluster: 6,
  endpoint: 7,
  'locality-endpoint': 8,
  secret: 9,
  runtime: 10,
};

const additionRank: Readonly<Record<NamedKind, number>> = {
  runtime: 0,
  cluster: 1,
  endpoint: 2,
  'locality-endpoint': 3,
  secret: 4,
  listener: 5,
  'extension-config': 6,
  'scoped-route': 7,
  route: 8,
  'virtual-host': 9,
};

export function byAddition(left: XdsKind, right: XdsKind): number {
  return rankOf(additionRank, left, 10) - rankOf(additionRank, right, 10);
}

export function byRemoval(left: XdsKind, right: XdsKind): number {
  return rankOf(removalRank, left, 0) - rankOf(removalRank, right, 0);
}

function rankOf(ranks: Readonly<Record<NamedKind, number>>, kind: XdsKind, other: number): number {
  return isNamedKind(kind) ? ranks[kind] : other;
}

/** Whose response makes Envoy ask again for which types. */
const childrenOf: Readonly<Partial<Record<NamedKind, readonly XdsKind[]>>> = {
  cluster: ['endpoint', 'secret'],
  listener: ['secret', 'route', 'extension-config', 'scoped-route'],
  'scoped-route': ['route'],
  route: ['virtual-host'],
};

export function askedAgainAfter(kind: XdsKind): readonly XdsKind[] {
  return (isNamedKind(kind) ? childrenOf[kind] : undefined) ?? [];
}
