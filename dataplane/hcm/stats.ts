// Counters of one HTTP connection manager in one worker. Names and meaning: Envoy's "HTTP connection
// manager statistics". Connection manager and streams increment the fields; nobody reads them per request.

import type { CollectsMore, StatField, StatScope, StatSink, StatsStore } from '../api/stats.ts';
import { Http1CodecStats } from '../http/h1/codec-stats.ts';
import { Http2CodecStats } from '../http/h2/codec-stats.ts';
import { BucketHistogram } from '../stats/histogram.ts';

/** `http.<stat_prefix>` in both notations. */
export function httpStatScope(statPrefix: string): StatScope {
  return {
    prefix: `http.${statPrefix}`,
    promPrefix: 'envoy_http',
    labels: { envoy_http_conn_manager_prefix: statPrefix },
  };
}

const counter = (field: string, name: string): StatField => ({ field, name, kind: 'counter' });
const gauge = (field: string, name: string): StatField => ({ field, name, kind: 'gauge' });

export class HcmStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    counter('cxTotal', 'downstream_cx_total'),
    gauge('cxActive', 'downstream_cx_active'),
    counter('cxSslTotal', 'downstream_cx_ssl_total'),
    gauge('cxSslActive', 'downstream_cx_ssl_active'),
    counter('cxHttp1Total', 'downstream_cx_http1_total'),
    gauge('cxHttp1Active', 'downstream_cx_http1_active'),
    counter('cxHttp2Total', 'downstream_cx_http2_total'),
    gauge('cxHttp2Active', 'downstream_cx_http2_active'),
    counter('cxDestroy', 'downstream_cx_destroy'),
    counter('cxDestroyLocal', 'downstream_cx_destroy_local'),
    counter('cxDestroyRemote', 'downstream_cx_destroy_remote'),
    counter('cxDestroyActiveRq', 'downstream_cx_destroy_active_rq'),
    counter('cxDestroyLocalActiveRq', 'downstream_cx_destroy_local_active_rq'),
    counter('cxDestroyRemoteActiveRq', 'downstream_cx_destroy_remote_active_rq'),
    counter('cxUpgradesTotal', 'downstream_cx_upgrades_total'),
    gauge('cxUpgradesActive', 'downstream_cx_upgrades_active'),
    counter('cxProtocolError', 'downstream_cx_protocol_error'),
    counter('cxIdleTimeout', 'downstream_cx_idle_timeout'),
    counter('cxMaxDurationReached', 'downstream_cx_max_duration_reached'),
    counter('cxMaxRequestsReached', 'downstream_cx_max_requests_reached'),
    counter('cxDrainClose', 'downstream_cx_drain_close'),
    counter('rxBytesTotal', 'downstream_cx_rx_bytes_total'),
    counter('txBytesTotal', 'downstream_cx_tx_bytes_total'),
    counter('flowControlPausedReadingTotal', 'downstream_flow_control_paused_reading_total'),
    counter('flowControlResumedReadingTotal', 'downstream_flow_control_resumed_reading_total'),
    counter('rqTotal', 'downstream_rq_total'),
    gauge('rqActive', 'downstream_rq_active'),
    counter('rqHttp1Total', 'downstream_rq_http1_total'),
    counter('rqHttp2Total', 'downstream_rq_http2_total'),
    counter('rqCompleted', 'downstream_rq_completed'),
    counter('rqTimeout', 'downstream_rq_timeout'),
    counter('rqHeaderTimeout', 'downstream_rq_header_timeout'),
    counter('rqIdleTimeout', 'downstream_rq_idle_timeout'),
    counter('rqMaxDurationReached', 'downstream_rq_max_duration_reached'),
    counter('rqRxReset', 'downstream_rq_rx_reset'),
    counter('rqTxReset', 'downstream_rq_tx_reset'),
    counter('rqNonRelativePath', 'downstream_rq_non_relative_path'),
    counter('rqTooLarge', 'downstream_rq_too_large'),
    counter('rqRedirectedWithNormalizedPath', 'downstream_rq_redirected_with_normalized_path'),
    counter('rqFailedPathNormalization', 'downstream_rq_failed_path_normalization'),
    counter('rqTooManyPrematureResets', 'downstream_rq_too_many_premature_resets'),
    counter('rqResponseBeforeRqComplete', 'downstream_rq_response_before_rq_complete'),
    counter('rqWsOnNonWsRoute', 'downstream_rq_ws_on_non_ws_route'),
    counter('rsTooLarge', 'rs_too_large'),
  ];

  cxTotal = 0;
  cxActive = 0;
  cxSslTotal = 0;
  cxSslActive = 0;
  cxHttp1Total = 0;
  cxHttp1Active = 0;
  cxHttp2Total = 0;
  cxHttp2Active = 0;
  cxDestroy = 0;
  cxDestroyLocal = 0;
  cxDestroyRemote = 0;
  cxDestroyActiveRq = 0;
  cxDestroyLocalActiveRq = 0;
  cxDestroyRemoteActiveRq = 0;
  cxUpgradesTotal = 0;
  cxUpgradesActive = 0;
  cxProtocolError = 0;
  cxIdleTimeout = 0;
  cxMaxDurationReached = 0;
  cxMaxRequestsReached = 0;
  cxDrainClose = 0;
  /** The two counters that network/connection increments (its TrafficCounters). */
  rxBytesTotal = 0;
  txBytesTotal = 0;
  flowControlPausedReadingTotal = 0;
  flowControlResumedReadingTotal = 0;
  rqTotal = 0;
  rqActive = 0;
  rqHttp1Total = 0;
  rqHttp2Total = 0;
  rqCompleted = 0;
  rqTimeout = 0;
  rqHeaderTimeout = 0;
  rqIdleTimeout = 0;
  rqMaxDurationReached = 0;
  rqRxReset = 0;
  rqTxReset = 0;
  rqNonRelativePath = 0;
  rqTooLarge = 0;
  rqRedirectedWithNormalizedPath = 0;
  rqFailedPathNormalization = 0;
  /** Connections that were closed because more than half of their requests had been reset early. */
  rqTooManyPrematureResets = 0;
  rqResponseBeforeRqComplete = 0;
  rqWsOnNonWsRoute = 0;
  rsTooLarge = 0;

  /** Responses by class, index 1 to 5. */
  readonly #responsesByClass: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  /** Milliseconds from the first byte of the request to the last of the response. */
  readonly rqTime = new BucketHistogram();
  /** Milliseconds that connections lived. */
  readonly cxLengthMs = new BucketHistogram();

  /** A response head goes to the client (100 Continue counts too, as in Envoy). */
  chargeResponse(status: number): void {
    this.rqCompleted++;
    const statusClass = (status / 100) | 0;
    if (statusClass >= 1 && statusClass <= 5) this.#responsesByClass[statusClass]!++;
  }

  /** Responses by class. */
  collectResponses(scope: StatScope, sink: StatSink): void {
    for (let statusClass = 1; statusClass <= 5; statusClass++) {
      sink.tagged(
        scope,
        `downstream_rq_${statusClass}xx`,
        'downstream_rq_xx',
        { envoy_response_code_class: String(statusClass) },
        'counter',
        this.#responsesByClass[statusClass]!,
      );
    }
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    this.collectResponses(scope, sink);
    const rqTime = this.rqTime.data();
    if (rqTime !== null) sink.histogram(scope, 'downstream_rq_time', rqTime);
    const cxLengthMs = this.cxLengthMs.data();
    if (cxLengthMs !== null) sink.histogram(scope, 'downstream_cx_length_ms', cxLengthMs);
  }
}

/** What a connection manager counts for its listener as well: `listener.<address>.http.<stat_prefix>.*`. */
export class ListenerHttpStats implements CollectsMore {
  readonly #of: HcmStats;

  constructor(of: HcmStats) {
    this.#of = of;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.value(scope, 'downstream_rq_completed', 'counter', this.#of.rqCompleted);
    this.#of.collectResponses(scope, sink);
  }
}

/** Where they are written. `listener` = the listener's stat prefix. */
export function listenerHttpScope(listener: string, statPrefix: string): StatScope {
  return {
    prefix: `listener.${listener}.http.${statPrefix}`,
    promPrefix: 'envoy_listener_http',
    labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_listener_address: listener },
  };
}

/** The stats of one connection manager config in one worker. */
export interface HcmStatHolders {
  readonly hcm: HcmStats;
  readonly http1: Http1CodecStats;
  readonly http2: Http2CodecStats;
}

/**
 * New holders of `statPrefix`, registered in `store`. Connection managers with the same stat_prefix count
 * together when they are read; whoever made them removes them when its filter chain is gone.
 */
export function hcmStatHolders(store: StatsStore, statPrefix: string): HcmStatHolders {
  const holders = {
    hcm: new HcmStats(),
    http1: new Http1CodecStats(),
    http2: new Http2CodecStats(),
  };
  store.add(httpStatScope(statPrefix), holders.hcm);
  store.add({ prefix: 'http1', promPrefix: 'envoy_http1', labels: {} }, holders.http1);
  store.add({ prefix: 'http2', promPrefix: 'envoy_http2', labels: {} }, holders.http2);
  return holders;
}
