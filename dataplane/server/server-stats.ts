// `server.*` and `listener_manager.*`, kept in main, names as Envoy's.

import type { StatField, StatScope } from '../api/stats.ts';

export const serverScope: StatScope = {
  prefix: 'server',
  promPrefix: 'envoy_server',
  labels: {},
};

/** Values of server.state (admin.v3.ServerInfo.State). */
export const serverStateNumber = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
} as const;

export class ServerStats {
  static readonly stats: readonly StatField[] = [
    { field: 'live', name: 'live', kind: 'gauge' },
    { field: 'uptime', name: 'uptime', kind: 'gauge' },
    { field: 'state', name: 'state', kind: 'gauge' },
    { field: 'concurrency', name: 'concurrency', kind: 'gauge' },
    { field: 'memoryAllocated', name: 'memory_allocated', kind: 'gauge' },
    { field: 'memoryHeapSize', name: 'memory_heap_size', kind: 'gauge' },
    { field: 'memoryPhysicalSize', name: 'memory_physical_size', kind: 'gauge' },
    { field: 'totalConnections', name: 'total_connections', kind: 'gauge' },
    { field: 'envoyBugFailures', name: 'envoy_bug_failures', kind: 'counter' },
    { field: 'dynamicUnknownFields', name: 'dynamic_unknown_fields', kind: 'counter' },
    { field: 'daysUntilFirstCertExpiring', name: 'days_until_first_cert_expiring', kind: 'gauge' },
  ];

  live = 0;
  uptime = 0;
  state: number = serverStateNumber.PRE_INITIALIZING;
  concurrency = 0;
  memoryAllocated = 0;
  memoryHeapSize = 0;
  memoryPhysicalSize = 0;
  totalConnections = 0;
  /** Of main; workers have their own of that name. */
  envoyBugFailures = 0;
  /** Of accepted xDS resources. */
  dynamicUnknownFields = 0;
  /** uint32 max = there is no certificate, as in Envoy. */
  daysUntilFirstCertExpiring = 4_294_967_295;
}

export class ListenerManagerStats {
  static readonly stats: readonly StatField[] = [
    { field: 'added', name: 'listener_added', kind: 'counter' },
    { field: 'modified', name: 'listener_modified', kind: 'counter' },
    { field: 'removed', name: 'listener_removed', kind: 'counter' },
    { field: 'inPlaceUpdated', name: 'listener_in_place_updated', kind: 'counter' },
    { field: 'stopped', name: 'listener_stopped', kind: 'counter' },
    { field: 'createSuccess', name: 'listener_create_success', kind: 'counter' },
    { field: 'createFailure', name: 'listener_create_failure', kind: 'counter' },
    { field: 'active', name: 'total_listeners_active', kind: 'gauge' },
    { field: 'warming', name: 'total_listeners_warming', kind: 'gauge' },
    { field: 'workersStarted', name: 'workers_started', kind: 'gauge' },
  ];

  added = 0;
  modified = 0;
  removed = 0;
  /** Only filter chains changed: the others kept their connections. */
  inPlaceUpdated = 0;
  stopped = 0;
  /** On their way to the workers. */
  warming = 0;
  createSuccess = 0;
  createFailure = 0;
  active = 0;
  workersStarted = 0;
}
