// What the control plane serves a node, and how that differs from what the node has accepted: the bodies of
// GET /v1/proxy-config and /v1/proxy-config/diff. Secrets only as summaries.

import { diffJson, type FieldChange } from '../../common/json-diff.ts';
import type { JsonValue } from '../../proto/plain.ts';
import type { InspectedResource, NodeInspector, ResourceState } from './node-inspector.ts';
import { resourceToJson } from './resource-json.ts';
import { typeName } from './type-names.ts';

export interface ProxyConfig {
  readonly node: string;
  readonly isConnected: boolean;
  readonly items: readonly ServedResource[];
}

export interface ServedResource {
  readonly type: string;
  readonly kind: string;
  readonly name: string;
  readonly state: ResourceState;
  /** Content hash; '' = the node asks for it, or still has it, and there is none. */
  readonly version: string;
  readonly acceptedVersion: string;
  readonly resource: JsonValue;
}

export interface ProxyConfigDiff {
  readonly node: string;
  readonly isConnected: boolean;
  readonly items: readonly ResourceChange[];
}

export interface ResourceChange {
  readonly type: string;
  readonly name: string;
  /** What happens to the node's resource when it takes the current one. `asked` = it wants it, there is none. */
  readonly change: 'added' | 'changed' | 'removed' | 'asked';
  readonly fields: readonly FieldChange[];
  /** Fields beyond those listed. */
  readonly more: number;
}

/** Null = nothing is known of such a node. `kind` null = all. */
export function proxyConfig(
  inspector: NodeInspector,
  nodeId: string,
  kind: string | null,
): ProxyConfig | null {
  const found = inspect(inspector, nodeId);
  if (found === null) return null;
  const items = found.resources
    .filter((resource) => kind === null || resource.kind === kind)
    .map((resource): ServedResource => {
      const { name, state, current, accepted } = resource;
      return {
        ...{ type: typeName(resource.kind), kind: resource.kind, name, state },
        version: current?.version ?? '',
        acceptedVersion: accepted?.version ?? '',
        resource: current === null ? null : resourceToJson(current),
      };
    });
  return { node: nodeId, isConnected: found.isConnected, items };
}

/** Null = nothing is known of such a node. */
export function proxyConfigDiff(inspector: NodeInspector, nodeId: string): ProxyConfigDiff | null {
  const found = inspect(inspector, nodeId);
  if (found === null) return null;
  const items = found.resources.flatMap((resource) => changeOf(resource) ?? []);
  return { node: nodeId, isConnected: found.isConnected, items };
}

function inspect(inspector: NodeInspector, nodeId: string) {
  const status = inspector.node(nodeId);
  const resources = inspector.resources(nodeId);
  if (status === null && resources.length === 0) return null;
  return { isConnected: status?.isConnected ?? false, resources };
}

function changeOf(resource: InspectedResource): ResourceChange | null {
  const { kind, name, current, accepted, missingSinceMs, isWanted } = resource;
  const type = typeName(kind);
  if (current === null && accepted === null) {
    return missingSinceMs === null ? null : { type, name, change: 'asked', fields: [], more: 0 };
  }
  // What the node did not ask for it does not lack.
  if (!isWanted || current?.version === accepted?.version) return null;
  if (accepted === null) return { type, name, change: 'added', fields: [], more: 0 };
  if (current === null) return { type, name, change: 'removed', fields: [], more: 0 };
  const diff = diffJson(resourceToJson(accepted), resourceToJson(current));
  return { type, name, change: 'changed', ...diff };
}
