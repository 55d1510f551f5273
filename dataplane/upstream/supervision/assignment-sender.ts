// Sends host sets to the workers as differences, and large ones in parts; the next part goes when every worker has taken the
// one before, however long that took it: parts that pile up in a port would be read all in one turn. The other end is
// upstream/cluster-manager.
//
//   send() --differs from what was sent--> parts of a cluster --one at a time--> workers; with the last one they hold
//
// A newer set of a cluster takes the place of its parts that are not sent yet: nothing piles up here either.

import type { AssignmentPart, PlacedAssignment, PlacedHost } from '../../api/config/cluster.ts';
import { slotKey } from '../shared-state.ts';

/** About a millisecond of work in main and in a worker. */
export const PART_HOSTS = 500;

interface ClusterQueue {
  /** What workers have, or will have with the next last part. By slotKey. */
  readonly sent: Map<number, PlacedHost>;
  parts: AssignmentPart[];
  /** Who waits for the last of `parts`. */
  onSent: (() => void)[];
}

/** A part that was posted. */
interface Posted {
  readonly queue: ClusterQueue;
  readonly clusterName: string;
  /** What it counts among what is under way. */
  readonly size: number;
  /** Who waits for it. */
  readonly onSent: readonly (() => void)[];
  /** Workers that have not taken it. */
  missing: number;
}

/** See the file head. One per process. */
export class AssignmentSender {
  readonly #post: (id: number, part: AssignmentPart) => number;
  readonly #clusters = new Map<string, ClusterQueue>();
  /** Names of clusters that have parts and none under way, in turn. */
  readonly #waiting = new Set<string>();
  /** By id. */
  readonly #posted = new Map<number, Posted>();
  /** Hosts under way; a part without counts as one. */
  #underWay = 0;
  #lastId = 0;

  /** `post` tells how many workers will answer; each calls onTaken with the id. */
  constructor(post: (id: number, part: AssignmentPart) => number) {
    this.#post = post;
  }

  /** `onSent`: every worker has all of it (or of a newer set). */
  send(assignment: PlacedAssignment, onSent: () => void): void {
    const { clusterName } = assignment;
    let queue = this.#clusters.get(clusterName);
    if (queue === undefined) {
      queue = { sent: new Map(), parts: [], onSent: [] };
      this.#clusters.set(clusterName, queue);
    }
    queue.parts = partsOf(assignment, queue.sent);
    queue.onSent.push(onSent);
    if (!this.#isUnderWay(queue)) this.#waiting.add(clusterName);
    this.#postSome();
  }

  /** The cluster was removed; its queue is not sent any more. */
  forget(clusterName: string): void {
    this.#clusters.delete(clusterName);
    this.#waiting.delete(clusterName);
  }

  /** A worker has done what a part asks for. */
  onTaken(id: number): void {
    const posted = this.#posted.get(id);
    if (posted === undefined || --posted.missing > 0) return;
    this.#posted.delete(id);
    this.#underWay -= posted.size;
    const { queue, clusterName } = posted;
    if (this.#clusters.get(clusterName) === queue) {
      if (queue.parts.length > 0) this.#waiting.add(clusterName);
      for (const onSent of posted.onSent) onSent();
    }
    this.#postSome();
  }

  #isUnderWay(queue: ClusterQueue): boolean {
    for (const posted of this.#posted.values()) if (posted.queue === queue) return true;
    return false;
  }

  /** Many small sets may be under way together, but of each cluster one part. */
  #postSome(): void {
    for (const clusterName of this.#waiting) {
      if (this.#underWay >= PART_HOSTS) return;
      this.#waiting.delete(clusterName);
      const queue = this.#clusters.get(clusterName)!; // whoever is forgotten does not wait
      this.#postNext(clusterName, queue);
    }
  }

  #postNext(clusterName: string, queue: ClusterQueue): void {
    const part = queue.parts.shift()!; // whoever waits has parts
    for (const host of part.hosts) queue.sent.set(slotKey(host), host);
    for (const key of part.last?.removed ?? []) queue.sent.delete(key);
    const onSent = part.last === null ? [] : queue.onSent.splice(0);
    const size = Math.max(1, part.hosts.length);
    const id = ++this.#lastId;
    this.#underWay += size;
    this.#posted.set(id, { queue, clusterName, size, onSent, missing: 0 });
    this.#posted.get(id)!.missing = this.#post(id, part);
  }
}

/** At least one. A host that did not change is the same object. */
function partsOf(
  { hosts, ...policy }: PlacedAssignment,
  sent: ReadonlyMap<number, PlacedHost>,
): AssignmentPart[] {
  const { clusterName } = policy;
  const changed: PlacedHost[] = [];
  const keys = new Set<number>();
  for (const host of hosts) {
    const key = slotKey(host);
    keys.add(key);
    if (sent.get(key) !== host) changed.push(host);
  }
  const removed: number[] = [];
  for (const key of sent.keys()) if (!keys.has(key)) removed.push(key);
  const parts: AssignmentPart[] = [];
  for (let at = PART_HOSTS; at < changed.length; at += PART_HOSTS) {
    parts.push({ clusterName, hosts: changed.slice(at - PART_HOSTS, at), last: null });
  }
  const rest = changed.slice(parts.length * PART_HOSTS);
  parts.push({ clusterName, hosts: rest, last: { policy, removed } });
  return parts;
}
