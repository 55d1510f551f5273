// Clusters, hosts and pooled connections for tests: defaults as config/ would fill them in, connections
// that a test connects, fails and feeds by hand, and chance from a seed.

import type { Random } from '../../common/clock.ts';
import type {
  ClusterConfig,
  HostConfig,
  LoadAssignment,
  PlacedHost,
  ThresholdsConfig,
} from '../../dataplane/api/config/cluster.ts';
import { systemDnsResolver } from '../../dataplane/api/config/dns.ts';
import { defaultHttp2 } from '../../dataplane/api/config/http2.ts';
import {
  defaultRoundRobin,
  defaultZoneAware,
  type LeastRequestData,
} from '../../dataplane/api/config/load-balancing.ts';
import type { OutlierDetectionConfig } from '../../dataplane/api/config/outlier-detection.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../dataplane/api/connection.ts';
import type { PoolConnection } from '../../dataplane/upstream/pool/pool-context.ts';
import { FakeConnection } from './connection.ts';

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export const defaultThresholds: ThresholdsConfig = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  maxConnectionPools: null,
  maxConnectionsPerHost: null,
  retryBudget: null,
  trackRemaining: false,
};

export const defaultOutlierDetection: OutlierDetectionConfig = {
  intervalMs: 10_000,
  baseEjectionTimeMs: 30_000,
  maxEjectionTimeMs: 300_000,
  maxEjectionTimeJitterMs: 0,
  maxEjectionPercent: 10,
  alwaysEjectOneHost: false,
  consecutive5xx: 5,
  enforcingConsecutive5xx: 100,
  consecutiveGatewayFailure: 5,
  enforcingConsecutiveGatewayFailure: 0,
  consecutiveLocalOriginFailure: 5,
  enforcingConsecutiveLocalOriginFailure: 100,
  successRateMinimumHosts: 5,
  successRateRequestVolume: 100,
  successRateStdevFactor: 1900,
  enforcingSuccessRate: 100,
  enforcingLocalOriginSuccessRate: 100,
  failurePercentageThreshold: 85,
  failurePercentageMinimumHosts: 5,
  failurePercentageRequestVolume: 50,
  enforcingFailurePercentage: 0,
  enforcingFailurePercentageLocalOrigin: 0,
  splitExternalLocalOriginErrors: false,
  detectDegradedHosts: false,
  successfulActiveHealthCheckUnejectHost: true,
  grpcStatusFromTrailers: false,
};

/** Least request with Envoy's defaults; give what the test is about. */
export function leastRequestOf(given: Partial<LeastRequestData> = {}): LeastRequestData {
  return {
    kind: 'LEAST_REQUEST',
    choiceCount: 2,
    activeRequestBias: 1,
    selection: 'N_CHOICES',
    locality: defaultZoneAware,
    slowStart: null,
    ...given,
  };
}

/** A static cluster called `orders` without hosts; give what the test is about. */
export function clusterConfig(given: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: 'orders',
    statName: given.name ?? 'orders',
    type: 'STATIC',
    provided: null,
    edsServiceName: '',
    connectTimeoutMs: 5_000,
    perConnectionBufferLimitBytes: 1024 * 1024,
    loadBalancing: defaultRoundRobin,
    commonLb: {
      healthyPanicThresholdPercent: 50,
      updateMergeWindowMs: 1_000,
      closeConnectionsOnHostSetChange: false,
      ignoreNewHostsUntilFirstHc: false,
      overrideHostStatuses: ['UNKNOWN', 'HEALTHY', 'DEGRADED'],
    },
    circuitBreakers: [defaultThresholds, defaultThresholds],
    retryRate: null,
    outlierDetection: null,
    breaker: null,
    hostBreaker: null,
    loadReportMetrics: [],
    healthCheck: null,
    loadAssignment: assignmentOf([]),
    dns: {
      refreshRateMs: 5_000,
      respectTtl: false,
      minRefreshMs: 0,
      jitterMs: 0,
      lookupFamily: 'AUTO',
      failureRefreshBaseMs: 5_000,
      failureRefreshMaxMs: 5_000,
      resolver: systemDnsResolver,
    },
    http: {
      idleTimeoutMs: 3_600_000,
      maxRequestsPerConnection: 0,
      maxConnectionDurationMs: 0,
      maxStreamDurationMs: 0,
      maxResponseHeadersKb: 60,
      maxHeadersCount: 100,
      http1: {
        properCaseHeaderKeys: false,
        preserveCase: null,
        enableTrailers: false,
        allowChunkedLength: false,
        sendFullyQualifiedUrl: false,
      },
      http2: defaultHttp2,
      protocol: 'HTTP/1.1',
      autoSni: false,
      autoSanValidation: false,
      retryPolicy: null,
      mirrors: [],
      hashPolicy: [],
      errorMatcher: null,
    },
    tls: null,
    tcpKeepalive: null,
    proxyProtocol: null,
    proxyTlvAsPoolKey: false,
    bind: { addresses: [], keepaliveS: null },
    ignoreHealthOnHostRemoval: false,
    closeConnectionsOnHostHealthFailure: false,
    connectionPoolPerDownstreamConnection: false,
    preconnect: { perUpstreamRatio: 1, predictiveRatio: 1 },
    ...given,
  };
}

/** An assignment's policy where nothing is said. */
export const assignmentPolicy = {
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localityWeights: [],
} as const;

/** A healthy host of weight 1 at `address`:80. */
export function hostConfig(address: string, given: Partial<HostConfig> = {}): HostConfig {
  return {
    address,
    port: 80,
    hostname: '',
    weight: 1,
    health: 'healthy',
    healthStatus: 'UNKNOWN',
    metadata: null,
    healthCheck: null,
    ...given,
  };
}

/** One locality of priority 0. */
export function assignmentOf(hosts: readonly HostConfig[], clusterName = 'orders'): LoadAssignment {
  return {
    clusterName,
    overprovisioningFactor: 140,
    weightedPriorityHealth: false,
    dropOverload: null,
    localities: [{ region: '', zone: '', subZone: '', priority: 0, weight: 0, hosts }],
  };
}

/** A host with slot `slot` of chunk 0. */
export function placedHost(
  address: string,
  slot: number,
  given: Partial<PlacedHost> = {},
): PlacedHost {
  return {
    ...hostConfig(address),
    chunk: 0,
    slot,
    priority: 0,
    locality: { region: '', zone: '', subZone: '' },
    ...given,
  };
}

/** An upstream connection that is connecting until a test says how that ends. */
export class FakePoolConnection extends FakeConnection implements PoolConnection {
  connectTimedOut = false;
  /** What the pool asked TLS for. */
  serverName = '';
  alpnProtocols: readonly string[] = [];
  #sink: { onData(data: Buffer, endStream: boolean): void } | null = null;

  setReadSink(sink: { onData(data: Buffer, endStream: boolean): void }): void {
    this.#sink = sink;
  }

  connect(): void {
    for (const callbacks of this.callbacks) callbacks.onEvent(ConnectionEvent.Connected);
  }

  refuse(reason = 'delayed connect error: Connection refused'): void {
    this.transportFailureReason = reason;
    this.remoteClose();
  }

  timeOut(): void {
    this.connectTimedOut = true;
    this.close(ConnectionCloseType.NoFlush);
  }

  /** Bytes from the peer. */
  receive(text: string, endStream = false): void {
    this.#sink?.onData(Buffer.from(text, 'latin1'), endStream);
  }
}
