// Counters of proxy_protocol, names as Envoy's: `proxy_proto.[<stat_prefix>.]...` and one for the whole process.

import type { CollectsMore, StatField, StatScope, StatSink } from '../../../api/stats.ts';

/** `proxy_proto` or `proxy_proto.<statPrefix>`. */
export function proxyProtocolScope(statPrefix: string): StatScope {
  return {
    prefix: statPrefix === '' ? 'proxy_proto' : `proxy_proto.${statPrefix}`,
    promPrefix: 'envoy_proxy_proto',
    labels: statPrefix === '' ? {} : { envoy_proxy_protocol_prefix: statPrefix },
  };
}

/** The scope of `downstream_cx_proxy_proto_error`. */
export const processScope: StatScope = { prefix: '', promPrefix: 'envoy', labels: {} };

export class ProxyProtocolProcessStats {
  static readonly stats: readonly StatField[] = [
    { field: 'proxyProtoError', name: 'downstream_cx_proxy_proto_error', kind: 'counter' },
  ];

  proxyProtoError = 0;
}

class VersionStats {
  found = 0;
  disallowed = 0;
  error = 0;
}

export class ProxyProtocolStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'notFoundAllowed', name: 'not_found_allowed', kind: 'counter' },
    { field: 'notFoundDisallowed', name: 'not_found_disallowed', kind: 'counter' },
  ];

  notFoundAllowed = 0;
  notFoundDisallowed = 0;
  readonly v1 = new VersionStats();
  readonly v2 = new VersionStats();

  collectMore(scope: StatScope, sink: StatSink): void {
    for (const [version, stats] of [['1', this.v1] as const, ['2', this.v2] as const]) {
      const labels = { envoy_proxy_protocol_version: version };
      for (const name of ['found', 'disallowed', 'error'] as const) {
        const full = `versions.v${version}.${name}`;
        sink.tagged(scope, full, name, labels, 'counter', stats[name]);
      }
    }
  }
}
