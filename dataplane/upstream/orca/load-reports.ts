// Out-of-band load reports of one cluster's hosts, for client-side weights: a stream to each of them. Main thread, so that a
// host is asked once for the process; workers see the weights in shared slots. Owned by supervision/supervised-cluster.

import type { Clock, Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../api/config/cluster.ts';
import type {
  ClientSideWeightedRoundRobinData,
  LoadBalancingData,
  OutOfBandReportsData,
} from '../../api/config/load-balancing.ts';
import { Http2ClientConnection } from '../../http/h2/client-connection.ts';
import { Http2CodecStats } from '../../http/h2/codec-stats.ts';
import type { ClusterTls } from '../cluster-tls.ts';
import { http2ClientOptions } from '../codec-options.ts';
import type { HostSlot } from '../health/health-checker.ts';
import { connectToHost } from '../host-connection.ts';
import { ReportedWeight } from '../lb/measured/reported-weight.ts';
import { H2Session } from '../pool/h2-session.ts';
import { hostAddress } from '../supervision/host-table.ts';
import type { LoadReportStats } from './load-report-stats.ts';
import { ReportStream } from './report-stream.ts';

const ALPN_HTTP2 = ['h2'];

/** What they are given by server/. */
export interface LoadReportParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** TLS towards the hosts, null = plaintext (createClusterTls of cluster-tls.ts). */
  createTls(config: ClusterConfig): ClusterTls | null;
  /** Unique in the process. */
  nextConnectionId(): number;
}

/** A policy whose reports are to be asked for. */
export interface OutOfBandPolicy extends ClientSideWeightedRoundRobinData {
  readonly outOfBand: OutOfBandReportsData;
}

/** Wherever it stands within others; null = there is none. */
export function outOfBandPolicy(data: LoadBalancingData): OutOfBandPolicy | null {
  switch (data.kind) {
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
      return data.outOfBand === null ? null : { ...data, outOfBand: data.outOfBand };
    case 'SUBSET':
      return outOfBandPolicy(data.child);
    case 'OVERRIDE_HOST':
      return outOfBandPolicy(data.fallback);
    default:
      return null;
  }
}

/** See the file head. */
export class LoadReports {
  readonly #cluster: ClusterConfig;
  readonly #policy: OutOfBandPolicy;
  readonly #stats: LoadReportStats;
  readonly #parts: LoadReportParts;
  readonly #tls: ClusterTls | null;
  readonly #http2Stats = new Http2CodecStats();
  /** By `ip:port`. */
  readonly #streams = new Map<string, ReportStream>();
  readonly #unstarted = new Set<ReportStream>();

  constructor(
    cluster: ClusterConfig,
    policy: OutOfBandPolicy,
    stats: LoadReportStats,
    parts: LoadReportParts,
  ) {
    this.#cluster = cluster;
    this.#policy = policy;
    this.#stats = stats;
    this.#parts = parts;
    this.#tls = parts.createTls(cluster);
  }

  /** The cluster's hosts now. Call start() when workers know them. */
  setHosts(hosts: readonly HostSlot[]): void {
    const left = new Map(this.#streams);
    for (const host of hosts) {
      const address = hostAddress(host.host);
      if (left.delete(address)) continue;
      const stream = this.#createStream(host);
      this.#streams.set(address, stream);
      this.#unstarted.add(stream);
    }
    for (const [address, stream] of left) {
      stream.close();
      this.#streams.delete(address);
      this.#unstarted.delete(stream);
    }
  }

  /** Begins to ask those that are new, as soon as TLS has what it needs. */
  start(): void {
    if (this.#tls?.isReady() === false) return;
    for (const stream of this.#unstarted) stream.start();
    this.#unstarted.clear();
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#unstarted.clear();
    this.#tls?.close();
  }

  #createStream({ host, slot }: HostSlot): ReportStream {
    const { timers, random, clock } = this.#parts;
    const { authority, periodMs } = this.#policy.outOfBand;
    const weight = new ReportedWeight(slot, this.#policy);
    const http2 = http2ClientOptions(this.#cluster, this.#http2Stats, this.#parts);
    return new ReportStream({
      connect: () => this.#connect(host),
      createSession: (owner, connection) =>
        new H2Session(
          owner,
          connection,
          {
            createHttp2Codec: (onto, callbacks) =>
              new Http2ClientConnection(onto, http2, callbacks),
          },
          1,
        ),
      authority: authority || host.hostname || hostAddress(host),
      scheme: this.#tls === null ? 'http' : 'https',
      periodMs,
      stats: this.#stats,
      timers,
      random,
      onReport: (report) => weight.take(report, clock.machineMs()),
    });
  }

  #connect(host: PlacedHost): ReturnType<typeof connectToHost> {
    const { timers, nextConnectionId } = this.#parts;
    return connectToHost({
      id: nextConnectionId(),
      config: this.#cluster,
      timers,
      tls: this.#tls,
      address: { ip: host.address, port: this.#policy.outOfBand.port ?? host.port },
      hostname: host.hostname,
      serverName: '',
      downstream: null,
      alpnProtocols: ALPN_HTTP2,
      connectTimeoutMs: this.#cluster.connectTimeoutMs,
      traffic: null,
    });
  }
}
