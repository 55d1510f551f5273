// status.conditions of an object, as Kubernetes writes them. What is in the store was accepted with all
// references resolved; what can be wrong is the newer version that a file holds, and that a GRPCRoute took an
// HTTPRoute's place.

import { conflictedParents } from '../graph/grpc-routes.ts';
import { serviceId } from '../graph/ids.ts';
import type { GrpcRoute } from '../model/kinds/grpc-route.ts';
import type { HttpRoute } from '../model/kinds/http-route.ts';
import { keyOf, type MeshObject, namespaceOf } from '../model/object.ts';
import { formatProblem, type Problem } from '../model/problem.ts';
import type { StoredObject } from '../store/store.ts';
import type { GrpcLimit } from '../translate/grpc/limits.ts';

export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Current' | 'ProxylessGrpc';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

export interface ObjectStatus {
  readonly conditions: readonly Condition[];
  /** HTTPRoute and GRPCRoute only: the Gateway API puts them per parent. */
  readonly parents?: readonly {
    readonly parentRef: unknown;
    readonly conditions: readonly Condition[];
  }[];
}

/**
 * `fileProblems`: what is wrong with the files as they are now; `grpcRoutes`: all of the mesh; `limits`: what proxyless
 * gRPC clients do not do of the object, none while there are no such clients.
 */
export function statusOf(
  stored: StoredObject,
  fileProblems: readonly Problem[],
  grpcRoutes: readonly GrpcRoute[],
  limits: readonly GrpcLimit[] = [],
): ObjectStatus {
  const { object } = stored;
  const rest: Condition[] = [
    { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: '' },
    current(stored, fileProblems),
    ...(limits.length === 0 ? [] : [proxyless(limits)]),
  ];
  const accepted: Condition = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: `in force since revision ${stored.revision}`,
  };
  if (object.kind === 'GRPCRoute') {
    const conditions = [accepted, ...rest];
    return { conditions, parents: object.spec.parentRefs.map(under(conditions)) };
  }
  if (object.kind !== 'HTTPRoute') return { conditions: [accepted, ...rest] };
  const parents = parentsOf(object, accepted, rest, grpcRoutes);
  const refused = parents.flatMap(({ conditions }) => conditions.filter(isConflict))[0];
  return { conditions: [refused ?? accepted, ...rest], parents };
}

function proxyless(limits: readonly GrpcLimit[]): Condition {
  return {
    type: 'ProxylessGrpc',
    status: 'False',
    reason: 'PartlySupported',
    message: `proxyless gRPC clients: ${limits.map(({ field, message }) => `${field}: ${message}`).join('; ')}`,
  };
}

function under(conditions: readonly Condition[]) {
  return (parentRef: unknown) => ({ parentRef, conditions });
}

function parentsOf(
  route: HttpRoute,
  accepted: Condition,
  rest: readonly Condition[],
  grpcRoutes: readonly GrpcRoute[],
) {
  const conflicted = conflictedParents(route, grpcRoutes);
  return route.spec.parentRefs.map((parentRef) =>
    under([
      conflicted.has(serviceId(namespaceOf(route), parentRef.name))
        ? conflict(parentRef.name)
        : accepted,
      ...rest,
    ])(parentRef),
  );
}

function conflict(service: string): Condition {
  return {
    type: 'Accepted',
    status: 'False',
    reason: 'Conflicted',
    message: `not applied to Service "${service}": a GRPCRoute is attached to it too, and one kind of route alone counts`,
  };
}

function isConflict({ reason }: Condition): boolean {
  return reason === 'Conflicted';
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
