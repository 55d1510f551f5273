// What policies look hosts up in, and what outlives them: by address and by metadata. One per cluster and worker; the
// balancer tells it of the hosts.

import type { UpstreamHost } from '../host.ts';
import type { Steps } from '../steps.ts';
import { HashTables } from './hashing/hash-tables.ts';
import { SubsetIndexes } from './subset/subset-index.ts';

/** See the file head. */
export class HostIndex {
  readonly subsets = new SubsetIndexes();
  readonly hashTables = new HashTables();
  #hosts: readonly UpstreamHost[] = [];
  /** Null until somebody asks. */
  #byAddress: Map<string, UpstreamHost> | null = null;

  setHosts(hosts: readonly UpstreamHost[]): void {
    this.#hosts = hosts;
    this.#byAddress = null;
  }

  /** Forgets what is known of former hosts. */
  forgetOthers(): Steps {
    return this.hashTables.retain(this.#hosts);
  }

  /** `ip:port`, whatever the host's priority and health. */
  byAddress(address: string): UpstreamHost | null {
    this.#byAddress ??= new Map(this.#hosts.map((host) => [host.addressText, host]));
    return this.#byAddress.get(address) ?? null;
  }
}
