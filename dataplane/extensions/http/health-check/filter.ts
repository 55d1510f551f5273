// envoy.filters.http.health_check, worker half: answers health checks in the sidecar's name, or marks those that go
// on, and tells peers that do active checks when this server wants no more traffic (/healthcheck/fail).
//
//   a check? --no------------------------------------------------------------> next filter
//            --yes, pass-through, nothing cached, not failing----------------> next filter, its answer is cached
//            --yes, otherwise--> read to its end, then answered here (details health_check_*)

import type { Timer } from '../../../../common/timer.ts';
import type { ClusterManager } from '../../../api/cluster.ts';
import type { HttpFilterContext, HttpFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  getField,
  type RequestHeaders,
  type ResponseHeaders,
  setField,
} from '../../../api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HeaderMatcher, matchesAllHeaders } from '../../../matcher/header-matcher.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import { DEGRADED_BIT, type HealthCheckCacheData, type HealthCheckFilterData } from './data.ts';

const DEGRADED = 'x-envoy-degraded';

/** A verdict on this server. */
interface Answer {
  readonly status: number;
  readonly isDegraded: boolean;
  readonly details: string;
}

const passed: Answer = { status: 200, isDegraded: false, details: 'health_check_ok' };
const failed: Answer = { status: 503, isDegraded: false, details: 'health_check_failed' };
const clustersPassed: Answer = { ...passed, details: 'health_check_ok_cluster_healthy' };
const noCluster: Answer = { ...failed, details: 'health_check_failed_no_cluster_found' };
const clusterEmpty: Answer = { ...failed, details: 'health_check_failed_cluster_empty' };
const clusterFailed: Answer = { ...failed, details: 'health_check_failed_cluster_unhealthy' };

/** What the upstream answered last, for all workers; the first of them forgets it once per period. */
class AnswerCache {
  readonly #word: Int32Array;
  readonly #periodMs: number;
  readonly #timer: Timer | null;

  constructor({ answer, periodMs }: HealthCheckCacheData, { timers, workerIndex }: WorkerContext) {
    this.#word = new Int32Array(answer);
    this.#periodMs = periodMs;
    this.#timer = workerIndex === 0 ? timers.createTimer(onPeriod, this) : null;
    this.#timer?.start(periodMs);
  }

  /** Null = nobody knows. */
  get(): Answer | null {
    const word = Atomics.load(this.#word, 0);
    if (word === 0) return null;
    return {
      status: word & ~DEGRADED_BIT,
      isDegraded: (word & DEGRADED_BIT) !== 0,
      details: 'health_check_cached',
    };
  }

  set(status: number, isDegraded: boolean): void {
    Atomics.store(this.#word, 0, status | (isDegraded ? DEGRADED_BIT : 0));
  }

  onPeriod(): void {
    Atomics.store(this.#word, 0, 0);
    this.#timer?.start(this.#periodMs);
  }

  close(): void {
    this.#timer?.stop();
  }
}

function onPeriod(cache: AnswerCache): void {
  cache.onPeriod();
}

class HealthCheckConfig implements HttpFilterConfig {
  readonly data: HealthCheckFilterData;
  readonly worker: WorkerContext;
  readonly cache: AnswerCache | null;
  readonly #headers: readonly HeaderMatcher[];

  constructor(data: HealthCheckFilterData, { worker }: HttpFilterContext) {
    this.data = data;
    this.worker = worker;
    this.cache = data.cache === null ? null : new AnswerCache(data.cache, worker);
    this.#headers = data.headers.map((matcher) => new HeaderMatcher(matcher));
  }

  createFilter(): StreamFilter {
    return new HealthCheckFilter(this);
  }

  isHealthCheck(headers: RequestHeaders): boolean {
    return matchesAllHeaders(this.#headers, headers);
  }

  /** Null = the upstream is to say it. */
  answer(): Answer | null {
    if (this.worker.healthchecksFail()) return failed;
    const { passThroughMode, clusters } = this.data;
    if (passThroughMode) return this.cache === null ? null : this.cache.get();
    return clusters.length === 0 ? passed : this.#clusterAnswer(this.worker.clusterManager);
  }

  #clusterAnswer(manager: ClusterManager): Answer {
    for (const { cluster, percent } of this.data.clusters) {
      const found = manager.getCluster(cluster);
      if (found === null) return noCluster;
      const { total, usable } = found.membership();
      if (total === 0 && percent > 0) return clusterEmpty;
      if (usable * 100 < total * percent) return clusterFailed;
    }
    return clustersPassed;
  }

  dispose(): void {
    this.cache?.close();
  }
}

class HealthCheckFilter extends PassThroughFilter {
  readonly #config: HealthCheckConfig;
  #isHealthCheck: boolean;
  /** It is answered here, once it was read; by then there may be a newer answer. */
  #pending: Answer | null;

  constructor(config: HealthCheckConfig) {
    super();
    this.#config = config;
    this.#isHealthCheck = false;
    this.#pending = null;
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    if (!this.#config.isHealthCheck(headers)) return FilterHeadersStatus.Continue;
    this.#isHealthCheck = true;
    this.decoderCallbacks!.streamInfo.isHealthCheck = true;
    this.#pending = this.#config.answer();
    if (this.#pending === null) return FilterHeadersStatus.Continue;
    if (endStream) this.#send(this.#pending);
    return FilterHeadersStatus.StopIteration;
  }

  override decodeData(_data: Buffer, endStream: boolean): FilterDataStatus {
    if (this.#pending === null) return FilterDataStatus.Continue;
    if (endStream) this.#send(this.#config.answer() ?? this.#pending);
    return FilterDataStatus.StopIterationNoBuffer;
  }

  override decodeTrailers(): FilterTrailersStatus {
    if (this.#pending === null) return FilterTrailersStatus.Continue;
    this.#send(this.#config.answer() ?? this.#pending);
    return FilterTrailersStatus.StopIteration;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    const { worker, cache } = this.#config;
    if (this.#isHealthCheck) {
      // Our own answers too, as Envoy does: what was true a moment ago is, for a moment.
      cache?.set(headers.status, getField(headers.fields, DEGRADED) !== null);
      setField(headers.fields, 'x-envoy-upstream-healthchecked-cluster', worker.node.cluster);
    }
    if (worker.healthchecksFail()) {
      setField(headers.fields, 'x-envoy-immediate-health-check-fail', 'true');
    }
    return FilterHeadersStatus.Continue;
  }

  override onDestroy(): void {
    this.decoderCallbacks = null;
  }

  #send(answer: Answer): void {
    const callbacks = this.decoderCallbacks!;
    if (answer.status < 200 || answer.status > 299) {
      callbacks.streamInfo.responseFlags |= ResponseFlag.FailedLocalHealthCheck;
    }
    const modify = answer.isDegraded ? addDegraded : null;
    callbacks.sendLocalReply(answer.status, '', modify, answer.details);
  }
}

function addDegraded(headers: ResponseHeaders): void {
  setField(headers.fields, DEGRADED, '');
}

/** Worker half. */
export const healthCheck: HttpFilterFactory = {
  name: 'envoy.filters.http.health_check',
  create: (data, context) =>
    // config.ts made it.
    new HealthCheckConfig(data as HealthCheckFilterData, context),
};
