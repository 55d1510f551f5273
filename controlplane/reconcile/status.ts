// status.conditions of an object, as Kubernetes writes them. What is in the store was accepted with all
// references resolved; what can be wrong is the newer version that a file holds.

import { keyOf, type MeshObject } from '../model/object.ts';
import { formatProblem, type Problem } from '../model/problem.ts';
import type { StoredObject } from '../store/store.ts';

export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Current';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

export interface ObjectStatus {
  readonly conditions: readonly Condition[];
  /** HTTPRoute only: the Gateway API puts them per parent. */
  readonly parents?: readonly {
    readonly parentRef: unknown;
    readonly conditions: readonly Condition[];
  }[];
}

/** `fileProblems`: what is wrong with the files as they are now. */
export function statusOf(stored: StoredObject, fileProblems: readonly Problem[]): ObjectStatus {
  const conditions: Condition[] = [
    {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: `in force since revision ${stored.revision}`,
    },
    { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: '' },
    current(stored, fileProblems),
  ];
  const { object } = stored;
  if (object.kind !== 'HTTPRoute') return { conditions };
  const parents = object.spec.parentRefs.map((parentRef) => ({ parentRef, conditions }));
  return { conditions, parents };
}

function current(stored: StoredObject, fileProblems: readonly Problem[]): Condition {
  const own = fileProblems.filter((problem) => concerns(problem, stored));
  const [first] = own;
  if (first !== undefined) {
    return {
      type: 'Current',
      status: 'False',
      reason: 'Invalid',
      message: `a newer version is refused: ${own.map(formatProblem).join('; ')}`,
    };
  }
  if (stored.layer === 'file' && fileProblems.length > 0) {
    return {
      type: 'Current',
      status: 'False',
      reason: 'FilesHeldBack',
      message: `the files have ${fileProblems.length} problem(s), so none of their changes is taken over`,
    };
  }
  return { type: 'Current', status: 'True', reason: 'Current', message: '' };
}

function concerns(problem: Problem, stored: StoredObject): boolean {
  const object: MeshObject = stored.object;
  return (
    problem.object === keyOf(object) ||
    (problem.object === '' && problem.file === stored.origin.source)
  );
}
