// The store of a single control plane: a map. Gone with the process; main reads the files again and, with
// a state directory, what was applied over REST.

import { type Kind, keyOf, kinds, type ObjectKey } from '../model/object.ts';
import type { Conflict, Store, StoredObject, Write } from './store.ts';

export class MemoryStore implements Store {
  readonly #objects = new Map<ObjectKey, StoredObject>();
  readonly #listeners = new Set<() => void>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get(key: ObjectKey): StoredObject | null {
    return this.#objects.get(key) ?? null;
  }

  list(kind?: Kind): readonly StoredObject[] {
    return [...this.#objects.values()]
      .filter(({ object }) => kind === undefined || object.kind === kind)
      .sort((left, right) => compare(sortKey(left), sortKey(right)));
  }

  write(writes: readonly Write[]): Conflict | null {
    for (const write of writes) {
      if (write.expectedRevision === null) continue;
      const key = write.op === 'put' ? keyOf(write.object) : write.key;
      const actualRevision = this.#objects.get(key)?.revision ?? 0;
      if (actualRevision !== write.expectedRevision) return { key, actualRevision };
    }
    if (writes.length === 0) return null;
    const revision = ++this.#revision;
    for (const write of writes) {
      if (write.op === 'delete') {
        this.#objects.delete(write.key);
      } else {
        const { object, origin, layer } = write;
        this.#objects.set(keyOf(object), { object, origin, layer, revision });
      }
    }
    for (const listener of this.#listeners) listener();
    return null;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function sortKey({ object }: StoredObject): string {
  const { namespace, name } = object.metadata;
  return `${kinds.indexOf(object.kind)} ${namespace}/${name}`;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
