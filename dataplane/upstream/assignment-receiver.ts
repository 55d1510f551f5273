// Puts host sets together again that supervision/assignment-sender sent as differences and in parts. One per worker.

import type { AssignmentPart, PlacedAssignment, PlacedHost } from '../api/config/cluster.ts';
import { slotKey } from './shared-state.ts';

/** See the file head. */
export class AssignmentReceiver {
  /** By cluster name and slotKey. */
  readonly #clusters = new Map<string, Map<number, PlacedHost>>();

  /** The whole set after the last part of an update, null before. */
  receive({ clusterName, hosts, last }: AssignmentPart): PlacedAssignment | null {
    let known = this.#clusters.get(clusterName);
    if (known === undefined) {
      known = new Map();
      this.#clusters.set(clusterName, known);
    }
    for (const host of hosts) known.set(slotKey(host), host);
    if (last === null) return null;
    for (const key of last.removed) known.delete(key);
    return { ...last.policy, hosts: [...known.values()] };
  }

  /** The cluster was removed. */
  forget(clusterName: string): void {
    this.#clusters.delete(clusterName);
  }
}
