// Does every reference of a snapshot resolve? Reports, never refuses: a snapshot that lacks something may
// still be the best there is (go-control-plane #444, #556), and who builds it decides.

import type { Reference } from './references.ts';
import type { Snapshot } from './snapshot.ts';

export interface MissingReference {
  readonly from: Reference;
  readonly to: Reference;
}

/** What is referred to and not there, in ADS order of the referring resource. */
export function missingReferences(snapshot: Snapshot): MissingReference[] {
  const missing: MissingReference[] = [];
  for (const kind of snapshot.kinds()) {
    for (const resource of snapshot.set(kind).resources.values()) {
      for (const to of resource.references) {
        if (snapshot.set(to.kind).find(to.name) !== undefined) continue;
        missing.push({ from: { kind, name: resource.name }, to });
      }
    }
  }
  return missing;
}

/** `route "orders" refers to cluster "x", which does not exist`. */
export function formatMissing({ from, to }: MissingReference): string {
  return `${from.kind} "${from.name}" refers to ${to.kind} "${to.name}", which does not exist`;
}
