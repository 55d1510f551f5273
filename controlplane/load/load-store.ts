// What sidecars say of the load that they send where: the last report of each, added up when somebody asks. Written by
// load-stream.ts; read by the REST API (`ctl load`) and by policies (LoadSource). Bounded: what does not fit is
// counted and left out.

import type { Clock } from '../../common/clock.ts';
import type { ClusterStatsProto } from '../../proto/gen/types.ts';

export interface LoadLimits {
  /** Sidecars whose reports are kept. */
  readonly reporters: number;
  /** Clusters times localities, over all reporters. */
  readonly cells: number;
}

export const loadLimits: LoadLimits = { reporters: 20_000, cells: 200_000 };

/** Of one cluster in one locality, over all sidecars that report it. Rates are of their last intervals. */
export interface LocalityLoad {
  /** `region/zone/sub zone`, as far as said; '' = none. */
  readonly locality: string;
  readonly priority: number;
  /** Requests per second that were issued. */
  readonly requestsPerSecond: number;
  /** Of the requests that ended, 0..1; 0 when none ended. */
  readonly errorRatio: number;
  readonly inProgress: number;
  readonly reporters: number;
}

export interface ClusterLoad {
  readonly cluster: string;
  /** Requests per second that were never sent (circuit breakers, drop_overload). */
  readonly droppedPerSecond: number;
  /** The localities by name, then priority. */
  readonly localities: readonly LocalityLoad[];
}

/** For policies that act on load. */
export interface LoadSource {
  /** Null = no sidecar has reported that cluster lately. */
  clusterLoad(cluster: string): ClusterLoad | null;
}

interface Cell {
  readonly cluster: string;
  /** Null = what the cluster as a whole dropped. */
  readonly place: { readonly locality: string; readonly priority: number } | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly issued: number;
  readonly inProgress: number;
  readonly dropped: number;
  readonly seconds: number;
}

interface Report {
  readonly owner: object;
  readonly atMs: number;
  readonly cells: readonly Cell[];
}

/** A sidecar that misses so many reports has nothing to say any more. */
const INTERVALS_KEPT = 3;
const MAX_NAME = 1024;

export class LoadStore implements LoadSource {
  /** Cells and reports that did not fit. */
  droppedTotal = 0;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #limits: LoadLimits;
  readonly #reports = new Map<string, Report>();
  #cells = 0;

  /** `intervalMs`: how often sidecars are asked to report. */
  constructor(clock: Clock, intervalMs: number, limits: LoadLimits = loadLimits) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#limits = limits;
  }

  /** Replaces what that node said before: clusters that are not named had no load. `owner`: its stream. */
  report(nodeId: string, owner: object, stats: readonly ClusterStatsProto[]): void {
    this.#remove(nodeId);
    if (this.#reports.size >= this.#limits.reporters) {
      this.droppedTotal++;
      return;
    }
    const cells: Cell[] = [];
    for (const cell of cellsOf(stats, this.#intervalMs)) {
      if (this.#cells + cells.length >= this.#limits.cells) this.droppedTotal++;
      else cells.push(cell);
    }
    this.#cells += cells.length;
    this.#reports.set(nodeId, { owner, atMs: this.#clock.nowMs(), cells });
  }

  /** That stream has ended. A newer one of the same node is not touched. */
  forget(nodeId: string, owner: object): void {
    if (this.#reports.get(nodeId)?.owner === owner) this.#remove(nodeId);
  }

  get reporters(): number {
    return this.#reports.size;
  }

  /** By name. */
  loads(): ClusterLoad[] {
    return addUp(this.#current(() => true));
  }

  clusterLoad(cluster: string): ClusterLoad | null {
    return addUp(this.#current((cell) => cell.cluster === cluster))[0] ?? null;
  }

  *#current(isWanted: (cell: Cell) => boolean): Generator<Cell> {
    const oldestMs = this.#clock.nowMs() - INTERVALS_KEPT * this.#intervalMs;
    for (const [nodeId, { atMs, cells }] of this.#reports) {
      if (atMs < oldestMs) this.#remove(nodeId);
      else yield* cells.filter(isWanted);
    }
  }

  #remove(nodeId: string): void {
    const report = this.#reports.get(nodeId);
    if (report === undefined) return;
    this.#cells -= report.cells.length;
    this.#reports.delete(nodeId);
  }
}

function* cellsOf(stats: readonly ClusterStatsProto[], intervalMs: number): Generator<Cell> {
  for (const one of stats) {
    const cluster = one.cluster_name ?? '';
    if (cluster === '' || cluster.length > MAX_NAME) continue;
    const { seconds = 0, nanos = 0 } = one.load_report_interval ?? {};
    const measured = seconds + nanos / 1e9;
    // A first report may cover no time at all.
    const covered = measured > 0 ? measured : intervalMs / 1000;
    const dropped = count(one.total_dropped_requests);
    const none = { succeeded: 0, failed: 0, issued: 0, inProgress: 0 };
    if (dropped > 0) yield { cluster, place: null, ...none, dropped, seconds: covered };
    for (const place of one.upstream_locality_stats ?? []) {
      const { region = '', zone = '', sub_zone: subZone = '' } = place.locality ?? {};
      const locality = [region, zone, subZone].join('/').replace(/\/+$/, '').slice(0, MAX_NAME);
      yield {
        cluster,
        place: { locality, priority: place.priority ?? 0 },
        succeeded: count(place.total_successful_requests),
        failed: count(place.total_error_requests),
        issued: count(place.total_issued_requests),
        inProgress: count(place.total_requests_in_progress),
        dropped: 0,
        seconds: covered,
      };
    }
  }
}

/** A 64-bit number comes as text when it is large; a peer may say anything. */
function count(value: number | string | undefined): number {
  const number = Number(value ?? 0);
  return Number.isFinite(number) && number > 0 ? number : 0;
}

interface Sum {
  readonly locality: string;
  readonly priority: number;
  requestsPerSecond: number;
  succeeded: number;
  failed: number;
  inProgress: number;
  reporters: number;
}

function addUp(cells: Iterable<Cell>): ClusterLoad[] {
  const clusters = new Map<string, { dropped: number; readonly places: Map<string, Sum> }>();
  for (const cell of cells) {
    const { cluster, place, seconds } = cell;
    const of = clusters.get(cluster) ?? { dropped: 0, places: new Map<string, Sum>() };
    clusters.set(cluster, of);
    of.dropped += cell.dropped / seconds;
    if (place === null) continue;
    const { locality, priority } = place;
    const key = `${locality} ${priority}`;
    const empty = { requestsPerSecond: 0, succeeded: 0, failed: 0, inProgress: 0, reporters: 0 };
    const sum = of.places.get(key) ?? { locality, priority, ...empty };
    of.places.set(key, sum);
    sum.requestsPerSecond += cell.issued / seconds;
    sum.succeeded += cell.succeeded;
    sum.failed += cell.failed;
    sum.inProgress += cell.inProgress;
    sum.reporters++;
  }
  return [...clusters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([cluster, { dropped, places }]) => ({
      cluster,
      droppedPerSecond: dropped,
      localities: [...places.entries()]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, sum]) => {
          const { locality, priority, requestsPerSecond, inProgress, reporters } = sum;
          const ended = sum.succeeded + sum.failed;
          const errorRatio = ended === 0 ? 0 : sum.failed / ended;
          return { locality, priority, requestsPerSecond, errorRatio, inProgress, reporters };
        }),
    }));
}
