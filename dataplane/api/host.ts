// One endpoint of a cluster as the router, tcp_proxy and load balancers see it. Implemented in upstream/host.

import type { HostConfig } from './config/cluster.ts';
import type { SocketAddress } from './connection.ts';
import type { HeaderFields, ResponseHeaders } from './headers.ts';

/** One endpoint. Identity = address; kept, with its counters, across endpoint updates. */
export interface Host {
  readonly address: SocketAddress;
  readonly hostname: string;
  /** `ip:port`, ready for logs. */
  readonly addressText: string;
  readonly canary: boolean;
  readonly priority: number;
  /** Of its locality; '' = not known. */
  readonly zone: string;
  /** By namespace; null = none. */
  readonly metadata: HostConfig['metadata'];
  readonly stats: HostStats;
  readonly outlier: OutlierMonitor;
  /** Null = none. */
  readonly breaker: Breaker | null;
  /** Null = the cluster's policy measures nothing. */
  readonly meter: HostMeter | null;
  /** Null = nobody wants its load in load reports. */
  readonly loadMetrics: LoadMetricSink | null;
  weight(): number;
}

/** Takes what heads and trailers say of a host's load. */
export interface LoadMetricSink {
  take(fields: HeaderFields): void;
}

/** What a balancing policy wants to know of a host's responses. */
export interface HostMeter {
  /** A final head; `elapsedMs` since the request was written. */
  onResponseHeaders(status: number, fields: HeaderFields, elapsedMs: number): void;
  onResponseTrailers(fields: HeaderFields): void;
  /** No connection could be made (0), or the try was reset before a head. */
  onFailure(elapsedMs: number): void;
  /** We did not wait any longer: a timeout, or nobody wants the response any more. */
  onAbandoned(elapsedMs: number): void;
}

/**
 * Per host and worker. Pools count cxTotal, cxConnectFail, rqPendingActive, rqTotal and active; the router counts rqSuccess,
 * rqError and rqTimeout.
 */
export interface HostStats {
  cxTotal: number;
  cxConnectFail: number;
  /** Waiting for a connection. */
  rqPendingActive: number;
  rqTotal: number;
  rqSuccess: number;
  rqError: number;
  rqTimeout: number;
  /** Pools only: +1 at request start, -1 at its end; shared over workers, read by least request. */
  adjustActive(delta: 1 | -1): void;
}

/** An error-ratio breaker: of a host, a cluster or a route. Times are Clock.machineMs. */
export interface Breaker {
  /** Whether acquire() would let a request through; takes nothing. */
  allows(nowMs: number): boolean;
  /** Below 0: no request may go through. Else a token for end() or cancel(), one of which must follow. */
  acquire(nowMs: number): number;
  /** How it ended; true = that has opened the breaker. */
  end(token: number, hasFailed: boolean, nowMs: number): boolean;
  /** It was given up, and says nothing. */
  cancel(token: number): void;
}

/** Results a request reports to outlier detection. */
export interface OutlierMonitor {
  /** The head of a response that counts as `status`, which is its own unless gRPC says otherwise. */
  putResponse(status: number, headers: ResponseHeaders): void;
  putHttpResponseCode(status: number): void;
  putResult(result: OutlierResult): void;
}

export const OutlierResult = {
  LocalOriginTimeout: 0,
  LocalOriginConnectFailed: 1,
  LocalOriginConnectSuccess: 2,
  /** Connected, then reset by the peer (counts as 500 unless split). */
  ExtOriginRequestFailed: 3,
  ExtOriginRequestSuccess: 4,
  /** Connected, and no request will follow that could have a result of its own (tcp_proxy). */
  LocalOriginConnectSuccessFinal: 5,
} as const;
export type OutlierResult = (typeof OutlierResult)[keyof typeof OutlierResult];
