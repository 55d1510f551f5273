// The last line of defence against an empty mesh by accident (XD-22): a push that would take most listeners or
// clusters away from a node is not made. Pure; snapshot-cache.ts asks it and keeps what it holds back.

import type { XdsKind } from './kinds.ts';
import type { Snapshot } from './snapshot.ts';

export interface VanishLimits {
  /** More than this part of a node's listeners or clusters may not go in one push; 0 to 1. */
  readonly maxRatio: number;
  /** Below so many there is no ratio to speak of; all of them may still not go at once. */
  readonly minResources: number;
}

/** Our own rule, as the API and docs say it. */
export const defaultVanishLimits: VanishLimits = { maxRatio: 0.5, minResources: 10 };

export interface Vanishing {
  readonly kind: XdsKind;
  readonly before: number;
  readonly gone: number;
}

/** Of these a client drops what is absent. */
const guarded = ['listener', 'cluster'] as const satisfies readonly XdsKind[];

/** The first kind of which too much would go; null = nothing to object to. */
export function vanishing(
  before: Snapshot,
  next: Snapshot,
  limits: VanishLimits,
): Vanishing | null {
  for (const kind of guarded) {
    const [old, after] = [before.set(kind), next.set(kind)];
    if (old.size === 0 || old === after) continue;
    const gone = after.changesSince(old).removed.length;
    const isAll = gone === old.size && after.size === 0;
    const isMost = old.size >= limits.minResources && gone > limits.maxRatio * old.size;
    if (isAll || isMost) return { kind, before: old.size, gone };
  }
  return null;
}

/** `8 of 10 clusters would vanish`. */
export function formatVanishing({ kind, before, gone }: Vanishing): string {
  return `${gone} of ${before} ${kind}s would vanish`;
}
