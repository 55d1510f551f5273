// The retries of one request: whether a response or a reset is retried, how many are left, the back-off before
// the next one, the hosts to avoid. Owned by the router filter, which drops it once a response goes downstream.

import { JitteredBackoff } from '../../../common/backoff.ts';
import type { Clock, Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import { grpcStatusIn } from '../../access-log/grpc-status.ts';
import type { Cluster, Resource, ResourcePriority } from '../../api/cluster.ts';
import { StreamResetReason } from '../../api/codec.ts';
import {
  getField,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
} from '../../api/headers.ts';
import type { Host } from '../../api/host.ts';
import type { PriorityLoad, PriorityOf } from '../../api/load-balancing.ts';
import { HeaderMatcher } from '../../matcher/header-matcher.ts';
import { isRejected } from './host-predicates.ts';
import {
  noRetryPolicy,
  parseRetryGrpcOn,
  parseRetryOn,
  RETRY_ON_GRPC,
  RetryOn,
  type RetryPolicy,
} from './policy.ts';
import { PreviousPriorities } from './previous-priorities.ts';
import { resetIntervalMs } from './reset-headers.ts';
import type { RetryRuntime } from './runtime.ts';

/** What became of the question. */
export const RetryStatus = {
  /** Not a case for a retry. */
  No: 0,
  /** The back-off runs; `retry` will be called. */
  Yes: 1,
  /** The ceiling of concurrent retries is reached (UO). */
  NoOverflow: 2,
  /** All retries were used (URX). */
  NoRetryLimitExceeded: 3,
} as const;
export type RetryStatus = (typeof RetryStatus)[keyof typeof RetryStatus];

/** The router, when a back-off is over. */
export interface RetryCallbacks {
  onRetry(): void;
}

export interface RetryServices {
  readonly timers: TimerService;
  readonly clock: Clock;
  readonly random: Random;
  /** Null = runtime says nothing of retries. */
  readonly retryRuntime: RetryRuntime | null;
}

/** What a retry waits for; each but the last has a counter. */
const Wait = { Exponential: 0, RateLimited: 1, None: 2 } as const;
type Wait = (typeof Wait)[keyof typeof Wait];

const TOO_EARLY = 425;

const DIGITS = /^\s*[0-9]{1,15}\s*$/;

/**
 * The state of a request whose policy or headers ask for retries, else null. Removes the headers that say so:
 * no upstream sees them.
 */
export function createRetryState(
  policy: RetryPolicy | null,
  headers: RequestHeaders,
  cluster: Cluster,
  priority: ResourcePriority,
  services: RetryServices,
  callbacks: RetryCallbacks,
): RetryState | null {
  const controls = takeControls(headers);
  if ((policy === null || policy.retryOn === 0) && controls === null) return null;
  const state = new RetryState(policy ?? noRetryPolicy, cluster, priority, services, callbacks);
  state.mergeHeaders(headers, controls);
  return state.isEnabled() ? state : null;
}

interface Controls {
  readonly retryOn: string | null;
  readonly retryGrpcOn: string | null;
  readonly maxRetries: string | null;
  readonly statusCodes: string | null;
  readonly headerNames: string | null;
}

/** The x-envoy-* headers about retries; null when none of those that ask for retries is there. */
function takeControls(headers: RequestHeaders): Controls | null {
  const { fields } = headers;
  let any = false;
  // One pass over the names instead of six searches: most requests have none of them.
  for (let i = 0; i < fields.length && !any; i += 2) any = fields[i]!.startsWith('x-envoy-');
  if (!any) return null;
  const controls: Controls = {
    retryOn: take(fields, 'x-envoy-retry-on'),
    retryGrpcOn: take(fields, 'x-envoy-retry-grpc-on'),
    maxRetries: take(fields, 'x-envoy-max-retries'),
    statusCodes: take(fields, 'x-envoy-retriable-status-codes'),
    headerNames: take(fields, 'x-envoy-retriable-header-names'),
  };
  const { retryOn, retryGrpcOn, maxRetries, statusCodes, headerNames } = controls;
  const isEmpty =
    retryOn === null &&
    retryGrpcOn === null &&
    maxRetries === null &&
    statusCodes === null &&
    headerNames === null;
  return isEmpty ? null : controls;
}

function take(fields: string[], name: string): string | null {
  const value = getField(fields, name);
  if (value !== null) removeField(fields, name);
  return value;
}

/** See the file head. */
export class RetryState {
  readonly #policy: RetryPolicy;
  readonly #cluster: Cluster;
  readonly #retries: Resource;
  readonly #services: RetryServices;
  readonly #callbacks: RetryCallbacks;
  #retryOn: number;
  #retriesLeft: number;
  #statusCodes: readonly number[];
  #headers: readonly HeaderMatcher[];
  #backoff: JitteredBackoff | null;
  #timer: Timer | null;
  /** A retry was decided and its slot of the ceiling is taken. */
  #isRetrying: boolean;
  #wait: Wait;
  /** A rate limit's; -1 = the response that is looked at has none. */
  #resetMs: number;
  /** The request came by early data (RFC 8470): a 425 is the client's to answer. */
  #isEarlyData: boolean;
  readonly #attemptedHosts: Host[];
  readonly #previousPriorities: PreviousPriorities | null;

  constructor(
    policy: RetryPolicy,
    cluster: Cluster,
    priority: ResourcePriority,
    services: RetryServices,
    callbacks: RetryCallbacks,
  ) {
    this.#policy = policy;
    this.#cluster = cluster;
    this.#retries = cluster.resources(priority).retries;
    this.#services = services;
    this.#callbacks = callbacks;
    this.#retryOn = policy.retryOn;
    this.#retriesLeft = policy.numRetries;
    this.#statusCodes = policy.retriableStatusCodes;
    this.#headers = policy.retriableHeaders;
    this.#backoff = null;
    this.#timer = null;
    this.#isRetrying = false;
    this.#wait = Wait.Exponential;
    this.#resetMs = -1;
    this.#isEarlyData = false;
    this.#attemptedHosts = [];
    const { retryPriority } = policy;
    this.#previousPriorities =
      retryPriority === null ? null : new PreviousPriorities(retryPriority.updateFrequency);
  }

  isEnabled(): boolean {
    return this.#retryOn !== 0;
  }

  /** Adds what the request's own headers ask for to the policy. */
  mergeHeaders(headers: RequestHeaders, controls: Controls | null): void {
    if (controls !== null) {
      const { retryOn, retryGrpcOn, statusCodes, headerNames } = controls;
      if (retryOn !== null) this.#retryOn |= parseRetryOn(retryOn);
      if (retryGrpcOn !== null) this.#retryOn |= parseRetryGrpcOn(retryGrpcOn);
      if (statusCodes !== null) {
        const codes = statusCodes.split(',').filter((code) => DIGITS.test(code));
        this.#statusCodes = [...this.#statusCodes, ...codes.map(Number)];
      }
      if (headerNames !== null) {
        this.#headers = [...this.#headers, ...headerNames.split(',').map(presentMatcher)];
      }
    }
    const wanted = this.#policy.retriableRequestHeaders;
    if (wanted.length > 0 && !wanted.some((matcher) => matcher.matches(headers))) {
      this.#retryOn = 0;
    }
    this.#isEarlyData = this.#retryOn !== 0 && headers.get('early-data') !== null;
    const maxRetries = controls?.maxRetries ?? null;
    if (this.#retryOn !== 0 && maxRetries !== null && DIGITS.test(maxRetries)) {
      this.#retriesLeft = Number(maxRetries);
    }
  }

  /** Asked for every response head before it goes downstream. */
  shouldRetryHeaders(headers: ResponseHeaders): RetryStatus {
    const wouldRetry = this.#wouldRetryHeaders(headers);
    const { rateLimitedBackOff } = this.#policy;
    if (wouldRetry && this.#wait === Wait.Exponential && rateLimitedBackOff !== null) {
      const resetMs = resetIntervalMs(headers, rateLimitedBackOff, this.#services.clock.wallMs());
      if (resetMs !== null) {
        this.#wait = Wait.RateLimited;
        this.#resetMs = resetMs;
      }
    }
    return this.#shouldRetry(wouldRetry);
  }

  /** `requestStarted` = some of the request was written to an upstream. */
  shouldRetryReset(reason: StreamResetReason, requestStarted: boolean): RetryStatus {
    this.#wait = Wait.Exponential;
    return this.#shouldRetry(this.#wouldRetryReset(reason, requestStarted));
  }

  /** A hedged try exceeds its time: always a case for another one, whatever retry_on says. */
  shouldHedge(): RetryStatus {
    this.#wait = Wait.Exponential;
    return this.#shouldRetry(true);
  }

  /** Of a try that was retried already: whether its response is one that another may do better than. */
  wouldRetryHeaders(headers: ResponseHeaders): boolean {
    return this.#wouldRetryHeaders(headers);
  }

  /** A try has its connection, or none could be made. */
  onHostAttempted(host: Host): void {
    if (this.#policy.hostPredicates.length > 0) this.#attemptedHosts.push(host);
    if (this.#previousPriorities !== null) this.#previousPriorities.onHostAttempted(host);
  }

  /** retry_host_predicate. */
  shouldSelectAnotherHost(host: Host): boolean {
    for (const predicate of this.#policy.hostPredicates) {
      if (isRejected(predicate, host, this.#attemptedHosts)) return true;
    }
    return false;
  }

  /** retry_priority. */
  priorityLoad(original: PriorityLoad, priorityOf?: PriorityOf): PriorityLoad {
    const previous = this.#previousPriorities;
    return previous === null ? original : previous.load(original, priorityOf);
  }

  get hostSelectionRetryCount(): number {
    return this.#policy.hostSelectionRetryMaxAttempts;
  }

  /** No retry will come any more; frees what the last one held. */
  cancel(): void {
    this.#release();
  }

  #shouldRetry(wouldRetry: boolean): RetryStatus {
    const { stats } = this.#cluster;
    // A retry is under way and this is its outcome: it helped.
    if (this.#isRetrying && !wouldRetry) stats.upstreamRqRetrySuccess++;
    // A hedged retry goes on, and may still be the one that helps.
    if (wouldRetry && this.#retriesLeft === 0) {
      stats.upstreamRqRetryLimitExceeded++;
      return RetryStatus.NoRetryLimitExceeded;
    }
    this.#release();
    if (!wouldRetry) return RetryStatus.No;
    this.#retriesLeft--;
    if (!this.#retries.tryAcquire()) {
      stats.upstreamRqRetryOverflow++;
      return RetryStatus.NoOverflow;
    }
    const { retryRuntime, random } = this.#services;
    if (retryRuntime !== null && !retryRuntime.allows(random())) {
      this.#retries.release();
      return RetryStatus.No;
    }
    this.#isRetrying = true;
    this.#timer ??= this.#services.timers.createTimer(onBackoffOver, this);
    this.#timer.start(this.#nextWaitMs());
    return RetryStatus.Yes;
  }

  /** Envoy draws whole milliseconds. */
  #nextWaitMs(): number {
    const { random } = this.#services;
    switch (this.#wait) {
      case Wait.Exponential: {
        this.#backoff ??= this.#createBackoff();
        return Math.floor(this.#backoff.nextMs());
      }
      case Wait.RateLimited:
        return this.#resetMs + Math.floor(random() * Math.trunc(this.#resetMs / 2));
      case Wait.None:
        return 0;
    }
  }

  #createBackoff(): JitteredBackoff {
    const { baseIntervalMs, maxIntervalMs, hasOwnBackoff } = this.#policy;
    const { retryRuntime, random } = this.#services;
    if (hasOwnBackoff || retryRuntime === null) {
      return new JitteredBackoff(baseIntervalMs, maxIntervalMs, random);
    }
    const baseMs = retryRuntime.baseIntervalMs();
    return new JitteredBackoff(baseMs, baseMs * 10, random);
  }

  /** For the timer, which is a module function. Retries count when they begin, as in Envoy. */
  onBackoffOver(): void {
    const { stats } = this.#cluster;
    stats.upstreamRqRetry++;
    if (this.#wait === Wait.Exponential) stats.upstreamRqRetryBackoffExponential++;
    else if (this.#wait === Wait.RateLimited) stats.upstreamRqRetryBackoffRatelimited++;
    this.#callbacks.onRetry();
  }

  #release(): void {
    if (this.#timer !== null) this.#timer.stop();
    if (!this.#isRetrying) return;
    this.#isRetrying = false;
    this.#retries.release();
  }

  #wouldRetryHeaders(headers: ResponseHeaders): boolean {
    const retryOn = this.#retryOn;
    this.#wait = Wait.Exponential;
    // An answer of an upstream's rate limiter: more traffic would make it worse.
    if (headers.get('x-envoy-ratelimited') !== null) {
      return (retryOn & RetryOn.EnvoyRateLimited) !== 0;
    }
    const { status } = headers;
    if ((retryOn & RetryOn.FiveXx) !== 0 && status >= 500 && status < 600) return true;
    if ((retryOn & RetryOn.GatewayError) !== 0 && status >= 502 && status <= 504) return true;
    if ((retryOn & RetryOn.Retriable4xx) !== 0 && status === 409) return true;
    if ((retryOn & RetryOn.RetriableStatusCodes) !== 0 && this.#statusCodes.includes(status)) {
      if (status !== TOO_EARLY) return true;
      // The upstream waits for the end of its handshake, not for us.
      if (!this.#isEarlyData) {
        this.#wait = Wait.None;
        return true;
      }
    }
    if ((retryOn & RetryOn.RetriableHeaders) !== 0) {
      for (const matcher of this.#headers) if (matcher.matches(headers)) return true;
    }
    return (retryOn & RETRY_ON_GRPC) !== 0 && this.#wouldRetryGrpc(headers);
  }

  /** Only a status in the headers (trailers-only responses) comes early enough. */
  #wouldRetryGrpc(headers: ResponseHeaders): boolean {
    switch (grpcStatusIn(headers.fields)) {
      case 1:
        return (this.#retryOn & RetryOn.GrpcCancelled) !== 0;
      case 4:
        return (this.#retryOn & RetryOn.GrpcDeadlineExceeded) !== 0;
      case 8:
        return (this.#retryOn & RetryOn.GrpcResourceExhausted) !== 0;
      case 13:
        return (this.#retryOn & RetryOn.GrpcInternal) !== 0;
      case 14:
        return (this.#retryOn & RetryOn.GrpcUnavailable) !== 0;
      default:
        return false;
    }
  }

  #wouldRetryReset(reason: StreamResetReason, requestStarted: boolean): boolean {
    const retryOn = this.#retryOn;
    switch (reason) {
      case StreamResetReason.Overflow:
        return false;
      case StreamResetReason.LocalConnectionFailure:
      case StreamResetReason.RemoteConnectionFailure:
      case StreamResetReason.ConnectionTimeout:
        if ((retryOn & RetryOn.ConnectFailure) !== 0) return true;
        break;
      case StreamResetReason.RemoteRefusedStreamReset:
        if ((retryOn & RetryOn.RefusedStream) !== 0) return true;
        break;
      default:
        break;
    }
    if ((retryOn & RetryOn.ResetBeforeRequest) !== 0 && !requestStarted) return true;
    return (retryOn & (RetryOn.Reset | RetryOn.FiveXx | RetryOn.GatewayError)) !== 0;
  }
}

function onBackoffOver(state: RetryState): void {
  state.onBackoffOver();
}

function presentMatcher(name: string): HeaderMatcher {
  return new HeaderMatcher({
    name: name.trim().toLowerCase(),
    match: { kind: 'present', present: true },
    invert: false,
    treatMissingAsEmpty: false,
  });
}
