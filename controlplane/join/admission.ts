// May this instance be in the mesh? Checks what a sidecar says of itself like any other Workload document
// and registers it. Called by the join service and by the plaintext gate of xDS.

import { status } from '@grpc/grpc-js';
import { err, ok, type Result } from '../../common/result.ts';
import { nodeIdOf } from '../graph/ids.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { objectKey } from '../model/object.ts';
import { REMORA_API_VERSION } from '../model/primitives.ts';
import { formatProblem } from '../model/problem.ts';
import { versionProblem } from '../model/semantics.ts';
import { validateDocument } from '../model/validate.ts';
import type { Store } from '../store/store.ts';
import type { Denial } from './denial.ts';
import type { Registry } from './registry.ts';

/** Label of Workloads that made themselves. */
export const JOINED_LABEL = 'remora.dev/joined';

/** `<namespace>/<name>` -> its parts; null when it is not of that form. */
export function splitNodeId(nodeId: string): { namespace: string; name: string } | null {
  const [namespace, name, ...rest] = nodeId.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) return null;
  return { namespace, name };
}

export class Admission {
  readonly #store: Store;
  readonly #registry: Registry;

  constructor(store: Store, registry: Registry) {
    this.#store = store;
    this.#registry = registry;
  }

  /** The Workload of a node, written by hand or joined; null = unknown. */
  workload(nodeId: string): Workload | null {
    return this.#written(nodeId) ?? this.#registry.workload(nodeId);
  }

  /** The node was heard of; nothing when it is written by hand. */
  renew(nodeId: string): void {
    this.#registry.keepalive(nodeId);
  }

  #written(nodeId: string): Workload | null {
    const id = splitNodeId(nodeId);
    if (id === null) return null;
    const object = this.#store.get(objectKey('Workload', id.namespace, id.name))?.object;
    return object?.kind === 'Workload' ? object : null;
  }

  /** Checks and registers; `labels` and `spec` are what the caller said. The result is the node id. */
  admit(
    namespace: string,
    name: string,
    labels: Readonly<Record<string, string>>,
    spec: Readonly<Record<string, unknown>>,
  ): Result<string, Denial> {
    const document = {
      apiVersion: REMORA_API_VERSION,
      kind: 'Workload',
      metadata: { name, namespace, labels: { ...labels, [JOINED_LABEL]: 'true' } },
      spec,
    };
    const validated = validateDocument(document, { source: 'join', locate: null });
    if (!validated.ok) {
      return invalid(validated.errors.map(formatProblem).join('; '));
    }
    const workload = validated.value;
    if (workload.kind !== 'Workload')
      throw new Error('a Workload document validated as another kind');
    const service = this.#store.get(objectKey('Service', namespace, workload.spec.service))?.object;
    if (service?.kind !== 'Service') {
      return err({
        code: status.NOT_FOUND,
        details: `Service "${workload.spec.service}" does not exist in namespace "${namespace}"; apply it first`,
      });
    }
    const problem = versionProblem(service, workload.spec.version ?? null);
    if (problem !== null) return invalid(problem);
    const nodeId = nodeIdOf(workload);
    if (this.#written(nodeId) !== null) {
      return err({
        code: status.ALREADY_EXISTS,
        details: `Workload ${nodeId} is already written by hand`,
      });
    }
    const before = this.#registry.workload(nodeId);
    if (before !== null && before.spec.service !== workload.spec.service) {
      return err({
        code: status.PERMISSION_DENIED,
        details: `node ${nodeId} is of another service`,
      });
    }
    if (!this.#registry.register(workload)) {
      return err({ code: status.RESOURCE_EXHAUSTED, details: 'too many sidecars are registered' });
    }
    return ok(nodeId);
  }
}

function invalid(details: string): { readonly ok: false; readonly errors: Denial } {
  return err({ code: status.INVALID_ARGUMENT, details });
}
