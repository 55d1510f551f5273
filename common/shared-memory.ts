// Counters that hold over all worker threads. The main thread allocates them while it compiles config and
// puts the SharedArrayBuffer into the compiled data; structured clone carries it to every worker as the same
// memory. There is nothing to give back: memory is freed when no config that names it is left.
//
//   main:    data = { ..., counter: context.sharedMemory(4) }            extensions/<x>/config.ts
//   worker:  new Int32Array(data.counter), changed by Atomics only       extensions/<x>/filter.ts

/** Gives out zeroed shared memory. One per process, so that equal keys of static and xDS config meet. */
export class SharedMemory {
  readonly #named = new Map<string, WeakRef<SharedArrayBuffer>>();

  /**
   * `bytes` long, nobody else's without a key. With a key: the same memory for all who ask with that key and
   * length while any of them still has it.
   */
  allocate(bytes: number, key: string | null): SharedArrayBuffer {
    if (key === null) return new SharedArrayBuffer(bytes);
    const name = `${bytes} ${key}`;
    const former = this.#named.get(name)?.deref();
    if (former !== undefined) return former;
    this.#forgetDead();
    const memory = new SharedArrayBuffer(bytes);
    this.#named.set(name, new WeakRef(memory));
    return memory;
  }

  /** What is still in use of that kind: the rest of each key that begins so. */
  *named(prefix: string): Generator<readonly [name: string, memory: SharedArrayBuffer]> {
    for (const [name, reference] of this.#named) {
      const key = name.slice(name.indexOf(' ') + 1);
      const memory = reference.deref();
      if (memory !== undefined && key.startsWith(prefix)) yield [key.slice(prefix.length), memory];
    }
  }

  #forgetDead(): void {
    for (const [name, memory] of this.#named) {
      if (memory.deref() === undefined) this.#named.delete(name);
    }
  }
}

/**
 * Adds one to word `at` unless it has reached `max`; false = nothing changed. Exact over all threads: no two
 * of them take the last one, and none is refused because of another's attempt that fails.
 */
export function tryAcquireBelow(words: Int32Array, at: number, max: number): boolean {
  let count = Atomics.load(words, at);
  while (count < max) {
    const seen = Atomics.compareExchange(words, at, count, count + 1);
    if (seen === count) return true;
    count = seen;
  }
  return false;
}
