// What chooses the hosts of a cluster in place of a load balancing policy (config.provided): the contract between
// cluster.ts and original-dst/, aggregate/ and dynamic-forward-proxy/. Hosts that a provider makes are this worker's
// own: main does not know them.

import type { LoadBalancerContext } from '../api/load-balancing.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';
import type { UpstreamHost } from './host.ts';

/** See the file head. */
export interface HostProvider {
  /** Null = no host for that request. */
  choose(context: LoadBalancerContext): UpstreamHost | null;
  /** Those that it made. */
  hosts(): Iterable<UpstreamHost>;
  /** The cluster is gone; it retires the hosts itself. */
  close(): void;
}

/** How a provider makes and ends hosts. */
export interface OwnHosts {
  /** `identity`: what it is known by, whatever its address; null = its address. */
  create(ip: string, port: number, hostname: string, identity: string | null): UpstreamHost;
  /** It is chosen no more: ends with its last connection. */
  retire(host: UpstreamHost): void;
}

/** Of hosts that a worker made; main has the same names for those of discovery, and both are added up. */
export class OwnHostStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'membershipChange', name: 'membership_change', kind: 'counter' },
  ];

  membershipChange = 0;
  total = 0;

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.value(scope, 'membership_total', 'gauge', this.total);
    sink.value(scope, 'membership_healthy', 'gauge', this.total);
  }
}
