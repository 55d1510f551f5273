// What a differential scenario is: hosts that act by script, config fragments, and the requests to send. README.md
// tells how to write one. Scenario files (scenarios/<topic>.ts) import from here only; driver.ts runs them.

import type { HostStatus } from './admin-view.ts';
import type { Fragment } from './fragment.ts';
import type { Scene } from './scene.ts';
import type { HostScript } from './scripts.ts';

export type { Fragment } from './fragment.ts';
export type { Scene } from './scene.ts';
export * from './scripts.ts';

/** One cluster: its hosts, and what differs from STATIC, ROUND_ROBIN, connect_timeout 1 s. */
export interface ScenarioCluster {
  /** Labels: h0, h1, ... of the main cluster; <suffix>0, <suffix>1, ... of a further one. */
  readonly hosts: readonly HostScript[];
  /** Fields of Cluster, laid over the defaults. */
  readonly cluster?: Fragment;
  /** LocalityLbEndpoints made of the LbEndpoints of the hosts; default: all in one, priority 0. Null = no load_assignment. */
  readonly endpoints?: ((hosts: readonly Fragment[]) => readonly Fragment[]) | null;
}

/** How exactly the hosts that were picked must agree. */
export type Picks =
  /** The same host for each try. Also numbers of requests per host are compared. */
  | 'exact'
  /** As exact, once hosts are renumbered so that the first pick is host 0: round robin begins anywhere. */
  | 'rotated'
  /** Tries per host, at most so many apart. */
  | { readonly within: number }
  /**
   * Tries per host by a two-sample chi-squared test at p = 0.0001; with `shares` (by host, they add up to 1) Envoy and we
   * must each fit them too.
   */
  | { readonly chiSquared: true; readonly shares?: readonly number[] }
  /** Nothing to compare: another aspect says it. */
  | 'any';

/** A difference that is meant to be. */
export interface ExpectedDifference {
  /** Of the paths that a failing run prints, e.g. /^stats\/cluster\.upstream_cx_total/. */
  readonly at: RegExp;
  /** Words that stand in docs/differences.md. */
  readonly reason: string;
}

export interface Scenario extends ScenarioCluster {
  /** A sentence; it stands in the report. */
  readonly name: string;
  /** Further clusters by suffix. `@suffix@` in any fragment becomes the name of that cluster, `@main@` that of the main one. */
  readonly clusters?: Readonly<Record<string, ScenarioCluster>>;
  /** Fields of RouteAction of the only route, laid over `cluster: @main@`. */
  readonly route?: Fragment;
  /** Fields of VirtualHost, laid over the defaults; `routes` here replaces the only route. */
  readonly virtualHost?: Fragment;
  /** Fields of HttpConnectionManager, laid over the defaults. */
  readonly manager?: Fragment;
  /** True = both proxies see the same hosts at the same addresses, one after the other (hashes of addresses). */
  readonly sameAddresses?: true;
  /** Sends the requests. */
  readonly drive: (scene: Scene) => Promise<void>;
  readonly picks: Picks;
  /**
   * How answers, tries and log lines of single requests are compared: by request (default), or `sorted` where it is chance
   * which request meets which host.
   */
  readonly requests?: 'in order' | 'sorted' | 'any';
  /** Where it is chance which host is ejected: events are compared in numbers, by what they say, not by host. */
  readonly countEvents?: true;
  /** Stats of the clusters that are not compared at all, besides times and bytes (of which only the names are). */
  readonly ignoreStats?: readonly RegExp[];
  /** Drops what is chance from a host's line of /clusters; default: counters unless `picks` is exact. */
  readonly hostStatus?: (status: HostStatus) => unknown;
  readonly differences?: readonly ExpectedDifference[];
  /** What differs and is not mended yet: the scenario may fail. */
  readonly todo?: string;
}

/** One test file, one pair of processes. */
export interface Topic {
  readonly name: string;
  /** Fields of Bootstrap, laid over the defaults (cluster_manager.local_cluster_name, static_resources are merged). */
  readonly bootstrap?: Fragment;
  readonly scenarios: readonly Scenario[];
}
