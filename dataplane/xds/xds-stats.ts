// Envoy's stats of the xDS client, as holders for the main thread's StatsStore (api/stats.ts).

import { WILDCARD } from '../api/config/config-source.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';
import { scopedRoutesScope } from '../api/scoped-routes-stats.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';

export const controlPlaneScope: StatScope = {
  prefix: 'control_plane',
  promPrefix: 'envoy_control_plane',
  labels: {},
};

export class ControlPlaneStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'connectedState', name: 'connected_state', kind: 'gauge-max' },
    { field: 'pendingRequests', name: 'pending_requests', kind: 'gauge' },
    { field: 'rateLimitEnforced', name: 'rate_limit_enforced', kind: 'counter' },
    { field: 'malformedResponses', name: 'malformed_responses', kind: 'counter' },
    { field: 'unknownTypes', name: 'unknown_types', kind: 'counter' },
  ];

  /** 1 while the stream's connection stands. */
  connectedState = 0;
  pendingRequests = 0;
  rateLimitEnforced = 0;
  /** Ours: responses that could not be decoded; the stream was closed for each. */
  malformedResponses = 0;
  /** Ours: responses of a type that we know nothing of; NACKed. */
  unknownTypes = 0;
  identifier = '';

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.text(scope, 'identifier', this.identifier);
  }
}

/** Stats of one subscription: of LDS, of CDS, or of one EDS, RDS or SDS name. */
export class SubscriptionStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'initFetchTimeout', name: 'init_fetch_timeout', kind: 'counter' },
    { field: 'updateAttempt', name: 'update_attempt', kind: 'counter' },
    { field: 'updateSuccess', name: 'update_success', kind: 'counter' },
    { field: 'updateFailure', name: 'update_failure', kind: 'counter' },
    { field: 'updateRejected', name: 'update_rejected', kind: 'counter' },
    { field: 'updateTimeMs', name: 'update_time', kind: 'gauge-max' },
    { field: 'version', name: 'version', kind: 'gauge-max' },
  ];

  initFetchTimeout = 0;
  updateAttempt = 0;
  updateSuccess = 0;
  updateFailure = 0;
  updateRejected = 0;
  /** Wall clock of the last accepted update, ms. */
  updateTimeMs = 0;
  /** A number made of versionText: equal texts, equal numbers. */
  version = 0;
  versionText = '';
  /** Of the own stream that it comes over; null = of another kind of source, or all come over one. */
  stream: ControlPlaneStats | null = null;

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.text(scope, 'version_text', this.versionText);
    if (this.stream === null) return;
    const below = {
      ...scope,
      prefix: `${scope.prefix}.control_plane`,
      promPrefix: `${scope.promPrefix}_control_plane`,
    };
    for (const { field, name, kind } of ControlPlaneStats.stats) {
      const value: unknown = Reflect.get(this.stream, field);
      if (typeof value === 'number') sink.value(below, name, kind, value);
    }
    this.stream.collectMore(below, sink);
  }

  rejected(): void {
    this.updateRejected++;
  }

  accepted(versionText: string, wallMs: number): void {
    this.updateSuccess++;
    this.updateTimeMs = wallMs;
    this.versionText = versionText;
    this.version = hash32(versionText);
  }
}

/** Of one ECDS name. */
export class ExtensionSubscriptionStats extends SubscriptionStats {
  static override readonly stats: readonly StatField[] = [
    ...SubscriptionStats.stats,
    { field: 'configReload', name: 'config_reload', kind: 'counter' },
    { field: 'configFail', name: 'config_fail', kind: 'counter' },
    { field: 'configConflict', name: 'config_conflict', kind: 'counter' },
  ];

  /** Updates with news. */
  configReload = 0;
  configFail = 0;
  /** Stays 0: what is accepted is good for all who refer to it. */
  configConflict = 0;

  override rejected(): void {
    super.rejected();
    this.configFail++;
  }
}

/** Of one RDS name, of SRDS and of VHDS: Envoy counts what became of its updates, too. */
export class RouteSubscriptionStats extends SubscriptionStats {
  static override readonly stats: readonly StatField[] = [
    ...SubscriptionStats.stats,
    { field: 'configReload', name: 'config_reload', kind: 'counter' },
    { field: 'configReloadTimeMs', name: 'config_reload_time_ms', kind: 'gauge-max' },
  ];

  /** Updates with news. */
  configReload = 0;
  /** Wall clock of the last of them, ms. */
  configReloadTimeMs = 0;

  reloaded(wallMs: number): void {
    this.configReload++;
    this.configReloadTimeMs = wallMs;
  }
}

/** FNV-1a; Envoy shows a 64-bit hash there, of which only change means anything. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Where the stats of a subscription hang; null = not shown. `name` is '*' for the wildcard ones. `statPrefix` is
 * that of the connection manager that first named the routes: Envoy has one subscription for all of them, too.
 * `statName`: see ResourceReference.
 */
export function subscriptionScope(
  kind: ResourceKind,
  name: string,
  statPrefix: string,
  statName: string,
): StatScope | null {
  switch (kind) {
    case 'cluster':
      return name === WILDCARD ? plainScope('cluster_manager.cds') : null;
    case 'listener':
      return name === WILDCARD ? plainScope('listener_manager.lds') : null;
    case 'endpoint': {
      const shown = (statName || name).replaceAll(':', '_');
      return {
        prefix: `cluster.${shown}`,
        promPrefix: 'envoy_cluster',
        labels: { envoy_cluster_name: shown },
      };
    }
    case 'secret':
      return plainScope(`sds.${name}`);
    case 'runtime':
      return plainScope(`runtime.${name}`);
    case 'extension-config':
      return {
        prefix: `extension_config_discovery.${statPrefix}.${name}`,
        promPrefix: `envoy_extension_config_discovery_${statPrefix}`,
        labels: { envoy_extension_config: name },
      };
    case 'route': {
      const shown = name.replaceAll(':', '_');
      return {
        prefix: `http.${statPrefix}.rds.${shown}`,
        promPrefix: 'envoy_http_rds',
        labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_rds_route_config: shown },
      };
    }
    case 'scoped-route':
      return name === WILDCARD ? scopedRoutesScope(statPrefix, statName) : null;
    case 'virtual-host': {
      if (name !== WILDCARD || statPrefix === '') return null;
      const shown = statName.replaceAll(':', '_');
      return {
        prefix: `http.${statPrefix}.rds.vhds.${shown}`,
        promPrefix: 'envoy_http_rds_vhds',
        labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_rds_route_config: shown },
      };
    }
  }
}

function plainScope(prefix: string): StatScope {
  return { prefix, promPrefix: `envoy_${prefix.replaceAll(/[^A-Za-z0-9_]/g, '_')}`, labels: {} };
}
