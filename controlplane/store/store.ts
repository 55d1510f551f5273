// What holds the mesh's objects: get, list, an all-or-nothing write with compare-and-set, and watch. One
// interface, so that an engine for several replicas can take the memory's place.

import type { Kind, MeshObject, ObjectKey } from '../model/object.ts';
import type { Origin } from '../model/problem.ts';

/** Where the current content of an object came from. */
export type Layer = 'file' | 'rest';

export interface StoredObject {
  readonly object: MeshObject;
  readonly origin: Origin;
  readonly layer: Layer;
  /** Store revision of its last change; what `resourceVersion` shows. */
  readonly revision: number;
}

export type Write =
  | {
      readonly op: 'put';
      readonly object: MeshObject;
      readonly origin: Origin;
      readonly layer: Layer;
      /** Compare-and-set: the revision it must have now, 0 = must not exist; null = whatever. */
      readonly expectedRevision: number | null;
    }
  | {
      readonly op: 'delete';
      readonly key: ObjectKey;
      readonly expectedRevision: number | null;
    };

/** The key whose expectation failed, and the revision it has (0 = it does not exist). */
export interface Conflict {
  readonly key: ObjectKey;
  readonly actualRevision: number;
}

export interface Store {
  /** Of the last write; 0 = never written. */
  readonly revision: number;
  get(key: ObjectKey): StoredObject | null;
  /** Sorted by kind (as in `kinds`), namespace and name. */
  list(kind?: Kind): readonly StoredObject[];
  /** Applies all writes at one new revision, or none and says which expectation failed. */
  write(writes: readonly Write[]): Conflict | null;
  /** Called after each successful write; returns how to stop. */
  watch(listener: () => void): () => void;
}
