// One thread's registry of stat holders (see api/stats.ts). Nothing here runs per request.

import type {
  CollectsMore,
  StatField,
  StatHolder,
  StatScope,
  StatSink,
  StatsStore,
} from '../api/stats.ts';

/** Keeps holders in the order they were added; several may share a scope. */
export class HolderStore implements StatsStore {
  readonly #scopes = new Map<StatHolder, StatScope>();

  add(scope: StatScope, holder: StatHolder): void {
    this.#scopes.set(holder, scope);
  }

  remove(holder: StatHolder): void {
    this.#scopes.delete(holder);
  }

  collect(sink: StatSink): void {
    for (const [holder, scope] of this.#scopes) {
      // The contract of StatHolder, which a class's static side cannot state in a type of instances.
      const { stats } = holder.constructor as { readonly stats?: readonly StatField[] };
      for (const { field, name, kind } of stats ?? []) {
        const value: unknown = Reflect.get(holder, field);
        if (typeof value === 'number') sink.value(scope, name, kind, value);
      }
      if ('collectMore' in holder) (holder as CollectsMore).collectMore(scope, sink);
    }
  }
}
