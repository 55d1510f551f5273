// What a worker tells of a host for /clusters; main adds the workers' reports up (hostSummaries of
// supervision/supervised-cluster).

import type { PlacedHost } from '../api/config/cluster.ts';
import type { HostRates } from './outlier/status.ts';

/** Counters of one host in one worker. */
export interface HostReport extends HostCounts {
  readonly cluster: string;
  /** Host.identity */
  readonly address: string;
  /** Of a host that main does not know; null = it does. */
  readonly own: OwnHostReport | null;
}

export interface OwnHostReport {
  readonly host: PlacedHost;
  readonly cxActive: number;
  readonly rqActive: number;
}

export interface HostCounts {
  readonly cxTotal: number;
  readonly cxConnectFail: number;
  readonly rqPendingActive: number;
  readonly rqTotal: number;
  readonly rqSuccess: number;
  readonly rqError: number;
  readonly rqTimeout: number;
}

/** One host over all workers. */
export interface HostSummary extends HostCounts {
  readonly host: PlacedHost;
  readonly cxActive: number;
  readonly rqActive: number;
  /** By outlier detection, which may not be there. */
  readonly rates: HostRates;
  /** Envoy's words in /clusters, e.g. `failed_outlier_check`; empty = healthy. */
  readonly healthFlags: readonly string[];
}

/** Of a host that no outlier detection watches. */
export const unrated: HostRates = Object.freeze({ successRate: -1, localOriginSuccessRate: -1 });

const none: HostCounts = {
  cxTotal: 0,
  cxConnectFail: 0,
  rqPendingActive: 0,
  rqTotal: 0,
  rqSuccess: 0,
  rqError: 0,
  rqTimeout: 0,
};

/** The reports of all workers, summed by cluster and address. */
export class ReportIndex {
  readonly #sums = new Map<string, HostCounts>();
  /** By cluster, then by address. */
  readonly #own = new Map<string, Map<string, OwnHostReport>>();

  constructor(workers: readonly (readonly HostReport[])[]) {
    for (const report of workers.flat()) {
      const key = reportKey(report.cluster, report.address);
      this.#sums.set(key, sum(this.#sums.get(key) ?? none, report));
      if (report.own !== null) this.#addOwn(report.cluster, report.address, report.own);
    }
  }

  /** Those that workers have made themselves. */
  ownHosts(cluster: string): HostSummary[] {
    return [...(this.#own.get(cluster) ?? [])].map(([address, own]) => ({
      ...this.get(cluster, address),
      ...own,
      rates: unrated,
      healthFlags: [],
    }));
  }

  #addOwn(cluster: string, address: string, own: OwnHostReport): void {
    let hosts = this.#own.get(cluster);
    if (hosts === undefined) {
      hosts = new Map();
      this.#own.set(cluster, hosts);
    }
    const former = hosts.get(address);
    hosts.set(address, {
      host: own.host,
      cxActive: own.cxActive + (former?.cxActive ?? 0),
      rqActive: own.rqActive + (former?.rqActive ?? 0),
    });
  }

  /** Zeros for a host that no worker knows yet. */
  get(cluster: string, address: string): HostCounts {
    return this.#sums.get(reportKey(cluster, address)) ?? none;
  }
}

/** No address holds a space. */
function reportKey(cluster: string, address: string): string {
  return `${address} ${cluster}`;
}

function sum(a: HostCounts, b: HostCounts): HostCounts {
  return {
    cxTotal: a.cxTotal + b.cxTotal,
    cxConnectFail: a.cxConnectFail + b.cxConnectFail,
    rqPendingActive: a.rqPendingActive + b.rqPendingActive,
    rqTotal: a.rqTotal + b.rqTotal,
    rqSuccess: a.rqSuccess + b.rqSuccess,
    rqError: a.rqError + b.rqError,
    rqTimeout: a.rqTimeout + b.rqTimeout,
  };
}
