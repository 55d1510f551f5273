// What a resource refers to by name, found by walking its plain message. Used to check snapshots
// (consistency.ts) and to know which assignments belong to a cluster that was just sent (ads/).

import type { XdsKind } from './kinds.ts';

export interface Reference {
  readonly kind: XdsKind;
  readonly name: string;
}

const tcpProxy = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

/** References of a message of that kind, each once, in order of appearance. */
export function referencesIn(kind: XdsKind, message: object): readonly Reference[] {
  const found = new Map<string, Reference>();
  const add = (to: XdsKind, name: unknown): void => {
    if (typeof name === 'string' && name !== '') found.set(`${to} ${name}`, { kind: to, name });
  };
  if (kind === 'cluster') {
    const cluster = record(message);
    if (cluster['type'] === 'EDS') {
      add('endpoint', record(cluster['eds_cluster_config'])['service_name'] || cluster['name']);
    }
  }
  walk(message, (node) => {
    // SdsSecretConfig; one without sds_config means a static secret of the bootstrap.
    if (node['sds_config'] !== undefined) add('secret', node['name']);
    if (kind === 'listener' && node['rds'] !== undefined) {
      add('route', record(node['rds'])['route_config_name']);
    }
    // RouteAction, and the RouteAction in a listener's inline route_config.
    if (kind !== 'cluster' && node['match'] !== undefined && node['route'] !== undefined) {
      addClusters(record(node['route']), add);
    }
    if (node['type_name'] === tcpProxy) addClusters(record(node['message']), add);
  });
  return [...found.values()];
}

/** RouteAction and TcpProxy name their clusters in the same two fields. */
function addClusters(
  action: Readonly<Record<string, unknown>>,
  add: (to: XdsKind, name: unknown) => void,
): void {
  add('cluster', action['cluster']);
  const weighted = record(action['weighted_clusters'])['clusters'];
  if (Array.isArray(weighted)) for (const entry of weighted) add('cluster', record(entry)['name']);
}

function walk(value: unknown, visit: (node: Readonly<Record<string, unknown>>) => void): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
    return;
  }
  const node = record(value);
  visit(node);
  for (const key in node) walk(node[key], visit);
}

const empty: Readonly<Record<string, unknown>> = Object.freeze({});

function record(value: unknown): Readonly<Record<string, unknown>> {
  // Plain messages are trees of objects with string keys.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : empty;
}
