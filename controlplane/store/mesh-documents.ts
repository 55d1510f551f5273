// The door to the store: nothing gets in unless the whole mesh, as it would then be, has no problem. So
// the store always holds the last good state. Two layers: files, and over them what REST applied.
//
//   a file's document and a REST one of the same name: the later change wins. Deleting the REST one
//   brings the file's back; an object that only a file defines is deleted in the file.

import { isDeepStrictEqual } from 'node:util';
import { err, ok, type Result } from '../../common/result.ts';
import type { LocatedObject } from '../model/documents.ts';
import { keyOf, type MeshObject, type ObjectKey } from '../model/object.ts';
import type { Origin, Problem } from '../model/problem.ts';
import { checkMesh } from '../model/semantics.ts';
import type { Store, StoredObject, Write } from './store.ts';

/** Why a write was refused. */
export type Refusal =
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  | { readonly kind: 'conflict'; readonly message: string }
  | { readonly kind: 'not-found'; readonly message: string };

export interface ApplyOutcome {
  readonly key: ObjectKey;
  readonly change: 'created' | 'configured' | 'unchanged';
}

/** An object that REST applied, and the file's object that it lay over. */
export interface AppliedDocument {
  readonly object: MeshObject;
  readonly over: MeshObject | null;
}

export class MeshDocuments {
  readonly store: Store;
  readonly #fileLayer = new Map<ObjectKey, LocatedObject>();
  #fileProblems: readonly Problem[] = [];

  constructor(store: Store) {
    this.store = store;
  }

  /** What is wrong with the files as they are now; empty = the store follows them. */
  get fileProblems(): readonly Problem[] {
    return this.#fileProblems;
  }

  /**
   * Takes over the whole content of the configured files. `problems` are those of reading them; with any
   * problem nothing changes but fileProblems.
   */
  replaceFiles(
    objects: readonly LocatedObject[],
    problems: readonly Problem[],
  ): Result<null, readonly Problem[]> {
    const found = [...problems];
    if (found.length === 0) {
      const writes = this.#writesForFiles(objects);
      found.push(...this.#check(objects, writes));
      if (found.length === 0) {
        this.#fileLayer.clear();
        for (const located of objects) this.#fileLayer.set(keyOf(located.object), located);
        this.store.write(writes);
      }
    }
    this.#fileProblems = found;
    return found.length === 0 ? ok(null) : err(found);
  }

  #writesForFiles(objects: readonly LocatedObject[]): Write[] {
    const writes: Write[] = [];
    const next = new Set<ObjectKey>();
    for (const { object, origin } of objects) {
      const key = keyOf(object);
      next.add(key);
      const before = this.#fileLayer.get(key);
      // An unchanged document does not push aside what REST applied over it.
      if (before !== undefined && isDeepStrictEqual(before.object, object)) continue;
      writes.push({ op: 'put', object, origin, layer: 'file', expectedRevision: null });
    }
    for (const key of this.#fileLayer.keys()) {
      if (next.has(key) || this.store.get(key)?.layer !== 'file') continue;
      writes.push({ op: 'delete', key, expectedRevision: null });
    }
    return writes;
  }

  /** Applies documents over REST, all or none. `metadata.resourceVersion`, where given, must be current. */
  apply(objects: readonly LocatedObject[]): Result<readonly ApplyOutcome[], Refusal> {
    const writes: Write[] = [];
    const outcomes: ApplyOutcome[] = [];
    for (const { object: given, origin } of objects) {
      const { object, expectedRevision } = withoutRevision(given);
      const key = keyOf(object);
      const stored = this.store.get(key);
      const unchanged = stored !== null && isDeepStrictEqual(stored.object, object);
      outcomes.push({
        key,
        change: stored === null ? 'created' : unchanged ? 'unchanged' : 'configured',
      });
      if (unchanged && expectedRevision === null) continue;
      writes.push({ op: 'put', object, origin, layer: 'rest', expectedRevision });
    }
    const problems = this.#check(objects, writes);
    if (problems.length > 0) return err({ kind: 'invalid', problems });
    const refusal = this.#write(writes);
    return refusal === null ? ok(outcomes) : err(refusal);
  }

  /** `restored` = a file's document of that name is in force again. */
  delete(key: ObjectKey, expectedRevision: number | null): Result<'deleted' | 'restored', Refusal> {
    const stored = this.store.get(key);
    if (stored === null) return err({ kind: 'not-found', message: `${key} does not exist` });
    const underneath = this.#fileLayer.get(key);
    if (stored.layer === 'file') {
      const { source, locate } = (underneath ?? stored).origin;
      const place = locate?.([]) ?? null;
      const where = place === null ? source : `${source}:${place.line}`;
      return err({
        kind: 'conflict',
        message: `${key} is defined in ${where}; delete it there, the control plane watches the file`,
      });
    }
    const write: Write =
      underneath === undefined
        ? { op: 'delete', key, expectedRevision }
        : { op: 'put', ...underneath, layer: 'file', expectedRevision };
    const problems = this.#check(underneath === undefined ? [] : [underneath], [write]);
    if (problems.length > 0) return err({ kind: 'invalid', problems });
    const refusal = this.#write([write]);
    if (refusal !== null) return err(refusal);
    return ok(underneath === undefined ? 'deleted' : 'restored');
  }

  /** What REST applied, for keeping across restarts. */
  applied(): AppliedDocument[] {
    return this.store
      .list()
      .filter(({ layer }) => layer === 'rest')
      .map(({ object }) => ({ object, over: this.#fileLayer.get(keyOf(object))?.object ?? null }));
  }

  /**
   * Applies what an earlier run kept, as far as it still stands: where the file's document under it has
   * changed since, the file is the later change. Returns the keys left out for that; fails as apply does.
   */
  restore(kept: readonly AppliedDocument[]): Result<readonly ObjectKey[], Refusal> {
    const origin: Origin = { source: 'rest', locate: null };
    const isOverSame = ({ object, over }: AppliedDocument) =>
      isDeepStrictEqual(this.#fileLayer.get(keyOf(object))?.object ?? null, over);
    const outcome = this.apply(kept.filter(isOverSame).map(({ object }) => ({ object, origin })));
    if (!outcome.ok) return outcome;
    return ok(kept.filter((entry) => !isOverSame(entry)).map(({ object }) => keyOf(object)));
  }

  #write(writes: readonly Write[]): Refusal | null {
    const conflict = this.store.write(writes);
    if (conflict === null) return null;
    const actual =
      conflict.actualRevision === 0
        ? 'it does not exist'
        : `its resourceVersion is ${conflict.actualRevision}`;
    return {
      kind: 'conflict',
      message: `${conflict.key} was changed by somebody else (${actual}); read it again and retry`,
    };
  }

  /** Problems of the mesh as it would be after `writes`; `given` also finds names given twice in one set. */
  #check(given: readonly LocatedObject[], writes: readonly Write[]): Problem[] {
    const candidate = new Map<ObjectKey, LocatedObject>(
      this.store.list().map((stored): [ObjectKey, StoredObject] => [keyOf(stored.object), stored]),
    );
    for (const write of writes) {
      if (write.op === 'delete') candidate.delete(write.key);
      else candidate.set(keyOf(write.object), write);
    }
    for (const located of given) {
      // An unchanged document may stand on other lines now.
      const current = candidate.get(keyOf(located.object));
      if (current !== undefined && isDeepStrictEqual(current.object, located.object)) {
        candidate.set(keyOf(located.object), located);
      }
    }
    const seen = new Set<ObjectKey>();
    const twice = given.filter(({ object }) => {
      const key = keyOf(object);
      if (seen.has(key)) return true;
      seen.add(key);
      return false;
    });
    return checkMesh([...candidate.values(), ...twice]);
  }
}

function withoutRevision(object: MeshObject): {
  object: MeshObject;
  expectedRevision: number | null;
} {
  const { resourceVersion, ...metadata } = object.metadata;
  if (resourceVersion === undefined) return { object, expectedRevision: null };
  const revision = Number(resourceVersion);
  return {
    // Only the envelope changed.
    object: { ...object, metadata } as MeshObject,
    // What is no number of ours can never be current.
    expectedRevision: Number.isSafeInteger(revision) ? revision : -1,
  };
}
