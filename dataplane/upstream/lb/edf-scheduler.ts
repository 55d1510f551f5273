// Earliest deadline first: weighted picks with the smoothest spread. Envoy: edf_scheduler.h.
// A binary min-heap over (deadline, order of insertion); pick pops, re-weighs and re-inserts.

interface Entry<T> {
  readonly item: T;
  deadline: number;
  order: number;
}

export class EdfScheduler<T> {
  readonly #heap: Entry<T>[] = [];
  #currentTime = 0;
  #nextOrder = 0;

  /** `weight` > 0. */
  add(weight: number, item: T): void {
    this.#push({ item, deadline: this.#currentTime + 1 / weight, order: this.#nextOrder++ });
  }

  /** The next item; it comes again after 1 / weightOf(item). Null = nothing was added. */
  pick(weightOf: (item: T) => number): T | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return null;
    this.#currentTime = first.deadline;
    first.deadline += 1 / weightOf(first.item);
    first.order = this.#nextOrder++;
    this.#siftDown(0);
    return first.item;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const entry = heap[start]!;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
