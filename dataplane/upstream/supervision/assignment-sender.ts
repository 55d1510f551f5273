// Sends host sets to the workers as differences, and large ones in parts, a turn of the event loop each: a worker that
// reads ten thousand hosts serves requests in between, and so does main. The other end is upstream/assignment-receiver.
//
//   send() --differs from what was sent--> parts of a cluster --one per turn--> workers; the last one makes them valid
//
// A newer set of a cluster takes the place of its parts that are not sent yet: nothing piles up.

import type { Timer, TimerService } from '../../../common/timer.ts';
import type { AssignmentPart, PlacedAssignment, PlacedHost } from '../../api/config/cluster.ts';
import { slotKey } from '../shared-state.ts';

/** About a millisecond of work in main and in a worker. */
export const PART_HOSTS = 500;

interface ClusterQueue {
  /** What workers have, or will have with the next last part. By slotKey. */
  readonly sent: Map<number, PlacedHost>;
  parts: AssignmentPart[];
  onSent: (() => void)[];
}

/** See the file head. One per process. */
export class AssignmentSender {
  readonly #post: (part: AssignmentPart) => void;
  readonly #timer: Timer;
  readonly #clusters = new Map<string, ClusterQueue>();
  /** Names of clusters with parts, in turn. */
  readonly #waiting = new Set<string>();

  constructor(post: (part: AssignmentPart) => void, timers: TimerService) {
    this.#post = post;
    this.#timer = timers.createTimer(postNext, this);
  }

  /** `onSent`: the workers have been sent all of it (or of a newer set); maybe before this returns. */
  send(assignment: PlacedAssignment, onSent: () => void): void {
    const queue = this.#queueOf(assignment.clusterName);
    queue.parts = partsOf(assignment, queue.sent);
    queue.onSent.push(onSent);
    const isFree = this.#waiting.size === 0;
    this.#waiting.add(assignment.clusterName);
    if (isFree) this.postNext();
  }

  /** The cluster was removed; its queue is not sent any more. */
  forget(clusterName: string): void {
    this.#clusters.delete(clusterName);
    this.#waiting.delete(clusterName);
  }

  /** Timer: one part more. */
  postNext(): void {
    for (const name of this.#waiting) {
      const queue = this.#queueOf(name);
      const part = queue.parts.shift()!; // whoever waits has parts
      this.#waiting.delete(name);
      if (queue.parts.length > 0) this.#waiting.add(name);
      for (const host of part.hosts) queue.sent.set(slotKey(host), host);
      for (const key of part.last?.removed ?? []) queue.sent.delete(key);
      this.#post(part);
      if (part.last !== null) for (const onSent of queue.onSent.splice(0)) onSent();
      break;
    }
    if (this.#waiting.size > 0) this.#timer.start(0);
  }

  close(): void {
    this.#timer.stop();
  }

  #queueOf(name: string): ClusterQueue {
    let queue = this.#clusters.get(name);
    if (queue === undefined) {
      queue = { sent: new Map(), parts: [], onSent: [] };
      this.#clusters.set(name, queue);
    }
    return queue;
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

function postNext(sender: AssignmentSender): void {
  sender.postNext();
}
