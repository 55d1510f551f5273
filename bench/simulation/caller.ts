// One calling sidecar: the product's own clusters, balancer, detector and breakers on simulated time, without sockets.
// What the router would do with a try is done here, in few lines: report it, retry it, keep its deadline.

import type { Random } from '../../common/clock.ts';
import type { ClusterConfig, LoadAssignment } from '../../dataplane/api/config/cluster.ts';
import { ResponseHeaders } from '../../dataplane/api/headers.ts';
import { type Host, OutlierResult } from '../../dataplane/api/host.ts';
import { anyHost } from '../../dataplane/api/load-balancing.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { WorkerClusterManager } from '../../dataplane/upstream/cluster-manager.ts';
import { SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import { ClusterSupervision } from '../../dataplane/upstream/supervision/cluster-supervision.ts';
import { SlotAllocator } from '../../dataplane/upstream/supervision/slot-allocator.ts';
import type { Server } from './server.ts';
import type { SimulatedTime } from './time.ts';

/** As our control plane's defaults: two further tries, never at the same instance, 25 ms and more apart. */
const FURTHER_TRIES = 2;
const BACKOFF_MS = 25;
const SELECTION_ATTEMPTS = 5;

export interface CallResult {
  readonly isOk: boolean;
  readonly ms: number;
}

export class Caller {
  readonly #time: SimulatedTime;
  readonly #random: Random;
  readonly #servers: ReadonlyMap<string, Server>;
  readonly #supervision: ClusterSupervision;
  readonly #manager: WorkerClusterManager;
  readonly #name: string;
  readonly #perTryTimeoutMs: number;
  /** Tries that left for an instance. */
  tries = 0;

  /** `servers` by IP address. */
  constructor(
    config: ClusterConfig,
    servers: ReadonlyMap<string, Server>,
    time: SimulatedTime,
    random: Random,
    perTryTimeoutMs: number,
  ) {
    this.#perTryTimeoutMs = perTryTimeoutMs;
    this.#time = time;
    this.#random = random;
    this.#servers = servers;
    this.#name = config.name;
    const chunks = new SharedChunks();
    const nextConnectionId = () => 0;
    const createTls = () => null;
    const worker = { clock: time, timers: time, random, chunks, nextConnectionId, createTls };
    this.#manager = new WorkerClusterManager(
      {
        ...worker,
        localLocality: null,
        localClusterName: '',
        reportOutlier: (event) => this.#supervision.onOutlierReport(event),
        reportImmediateHealthCheckFail: () => {},
        dnsCacheOf: () => {
          throw new Error('a simulation has no DNS');
        },
      },
      new HolderStore(),
    );
    const onChunk = () => {};
    this.#supervision = new ClusterSupervision({
      ...worker,
      slots: new SlotAllocator({ shared: chunks, clock: time, timers: time, onChunk }),
      stats: new HolderStore(),
      resolverFor: () => ({ resolve: () => Promise.resolve([]) }),
      onCluster: (cluster, slot) => this.#manager.addOrUpdate(cluster, slot),
      onClusterRemoved: () => {},
      onPlaced: (assignment, onSent) => {
        this.#manager.applyAssignment(assignment);
        onSent();
      },
      onWarm: () => {},
      onHostHealthFailure: () => {},
      onOutlierEvent: () => {},
      onHealthCheckEvent: () => {},
    });
    this.#supervision.addOrUpdate(config, false);
  }

  applyEndpoints(assignment: LoadAssignment): void {
    this.#supervision.applyEndpoints(assignment);
  }

  call(hash: bigint, done: (result: CallResult) => void): void {
    const cluster = this.#manager.getCluster(this.#name);
    if (cluster === null) throw new Error(`no cluster ${this.#name}`);
    const startMs = this.#time.nowMs();
    const { requests, retries } = cluster.resources(0);
    const tried = new Set<Host>();
    const context = {
      ...anyHost,
      hashKey: () => hash,
      hostSelectionRetryCount: SELECTION_ATTEMPTS,
      shouldSelectAnotherHost: (host: Host) => tried.has(host),
    };
    const finish = (isOk: boolean): void => done({ isOk, ms: this.#time.nowMs() - startMs });
    const attempt = (afterwards: () => void): void => {
      const host = cluster.chooseHost(context);
      if (host === null) {
        afterwards();
        finish(false);
        return;
      }
      tried.add(host);
      // As in the pools: a request counts while it runs. A retry counts from its decision to its end (Envoy).
      requests.acquire();
      this.#try(host, (isOk) => {
        requests.release();
        afterwards();
        if (isOk || tried.size > FURTHER_TRIES || !retries.tryAcquire()) {
          finish(isOk);
          return;
        }
        const mostMs = BACKOFF_MS * 2 ** (tried.size - 1);
        this.#time.after(this.#random() * mostMs, () => attempt(() => retries.release()));
      });
    };
    attempt(() => {});
  }

  #try(host: Host, done: (isOk: boolean) => void): void {
    const server = this.#servers.get(host.address.ip);
    if (server === undefined) throw new Error(`no server at ${host.address.ip}`);
    this.tries++;
    host.stats.adjustActive(1);
    const startMs = this.#time.nowMs();
    let isOver = false;
    const end = (isOk: boolean): void => {
      isOver = true;
      host.stats.adjustActive(-1);
      done(isOk);
    };
    const timeout = this.#time.after(this.#perTryTimeoutMs, () => {
      if (isOver) return;
      host.outlier.putResult(OutlierResult.LocalOriginTimeout);
      host.meter?.onAbandoned(this.#perTryTimeoutMs);
      end(false);
    });
    server.handle((status) => {
      if (isOver) return;
      this.#time.cancel(timeout);
      const fields = server.report === '' ? [] : ['endpoint-load-metrics', server.report];
      host.outlier.putResponse(status, new ResponseHeaders(status, fields));
      host.meter?.onResponseHeaders(status, fields, this.#time.nowMs() - startMs);
      end(status < 500);
    });
  }
}
