// Health checks for a management server: it says which hosts, this process checks them and tells what it found
// (envoy.service.health.v3.HealthDiscoveryService). Envoy: HdsDelegate. server/ makes one where the bootstrap has hds_config.
//
//   stream open: what we can check --specifier--> checks run; [wait interval, report all]*
//   stream lost: checks go on, back-off, and a new stream begins as the first did

import type { Clock, Random } from '../../common/clock.ts';
import { canonicalIp } from '../../common/ip-bytes.ts';
import type { Logger } from '../../common/logger.ts';
import { type FieldError, formatFieldError, type Result } from '../../common/result.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type {
  ClusterHealthCheckProto,
  EndpointHealthProto,
  EndpointProto,
  HealthCheckSpecifierProto,
  NodeProto,
} from '../../proto/gen/types.ts';
import { validateMessage } from '../../proto/validate.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { formatAddress } from '../api/connection.ts';
import type { StatField, StatScope } from '../api/stats.ts';
import type { HealthCheckParts } from '../upstream/health/health-checker.ts';
import type { AdsChannelFactory } from '../xds/ads-channel.ts';
import { AdsTransport, type TransportHandler } from '../xds/ads-transport.ts';
import { CheckedCluster } from './checked-cluster.ts';
import { checkClusters } from './specifier.ts';

export const HDS_PATH = '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck';
const REQUEST = 'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse';
const SPECIFIER = 'envoy.service.health.v3.HealthCheckSpecifier';
/** Envoy's. */
const BASE_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 30_000;
const DEFAULT_INTERVAL_MS = 1000;
/** A server that asks for more would have the sidecar do nothing else. */
const LEAST_INTERVAL_MS = 100;

const scope: StatScope = { prefix: 'hds_delegate', promPrefix: 'envoy_hds_delegate', labels: {} };

class HdsStats {
  static readonly stats: readonly StatField[] = [
    { field: 'requests', name: 'requests', kind: 'counter' },
    { field: 'responses', name: 'responses', kind: 'counter' },
    { field: 'errors', name: 'errors', kind: 'counter' },
    { field: 'updates', name: 'updates', kind: 'counter' },
  ];

  /** Specifiers that came. */
  requests = 0;
  /** What was sent, first messages included. */
  responses = 0;
  /** Streams lost, specifiers refused. */
  errors = 0;
  /** Specifiers that were other than the one before. */
  updates = 0;
}

export interface HealthDelegateOptions {
  readonly channelFactory: AdsChannelFactory;
  readonly node: NodeProto;
  /** As a cluster of CDS is compiled. */
  readonly compileCluster: (bytes: Uint8Array) => Result<ClusterConfig, readonly FieldError[]>;
  readonly checks: HealthCheckParts;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly connectTimeoutMs: number;
}

/** One cluster of the specifier, with its checks. */
interface Delegated {
  readonly wanted: ClusterHealthCheckProto;
  /** Null = it has no health checks: all its hosts are well. */
  readonly cluster: CheckedCluster | null;
}

/** See the file head. */
export class HealthDelegate implements TransportHandler {
  readonly #options: HealthDelegateOptions;
  readonly #transport: AdsTransport;
  readonly #stats = new HdsStats();
  readonly #timer: Timer;
  /** The last one that was taken on this stream. */
  #specifier: Buffer | null = null;
  #intervalMs = DEFAULT_INTERVAL_MS;
  /** By cluster name. */
  #delegated = new Map<string, Delegated>();

  constructor(options: HealthDelegateOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(reportNow, this);
    this.#transport = new AdsTransport(
      {
        ...options,
        path: HDS_PATH,
        // Its connection is no control plane's: these are not shown.
        stats: { connectedState: 0, malformedResponses: 0 },
        servers: [{ ...options, baseBackoffMs: BASE_BACKOFF_MS, maxBackoffMs: MAX_BACKOFF_MS }],
        closedText: 'health discovery stream closed; its checks go on',
      },
      this,
    );
    options.checks.stats.add(scope, this.#stats);
  }

  start(): void {
    this.#transport.start();
  }

  stop(): void {
    this.#timer.stop();
    this.#transport.stop();
    for (const { cluster } of this.#delegated.values()) cluster?.close();
    this.#delegated.clear();
  }

  // --- TransportHandler ---

  onOpen(): void {
    const { node } = this.#options;
    const capability = { health_check_protocols: ['HTTP', 'TCP'] as const };
    this.#send({ health_check_request: { node, capability } });
  }

  onMessage(bytes: Uint8Array): void {
    const decoded = decodeMessage(SPECIFIER, bytes);
    if (!decoded.ok) throw new Error(decoded.errors[0]?.message ?? 'cannot be decoded');
    this.#stats.requests++;
    // Nothing new: whatever is checked goes on.
    if (this.#specifier?.equals(bytes) === true) return;
    const specifier = decoded.value.message;
    const invalid = validateMessage(SPECIFIER, specifier);
    const errors = invalid.length > 0 ? invalid : this.#take(specifier);
    if (errors.length > 0) {
      this.#stats.errors++;
      const problems = errors.map(formatFieldError).join(', ');
      this.#options.logger.warn({ problems }, 'health check specifier refused');
      return;
    }
    this.#specifier = Buffer.from(bytes);
    this.#stats.updates++;
    const intervalMs = durationMsOr(specifier.interval, DEFAULT_INTERVAL_MS);
    this.#intervalMs = Math.max(LEAST_INTERVAL_MS, intervalMs);
    this.#timer.start(this.#intervalMs);
  }

  onClosed(): void {
    this.#stats.errors++;
    this.#timer.stop();
    // A server that comes back says it again.
    this.#specifier = null;
  }

  /** Timer. */
  report(): void {
    const clusters = [...this.#delegated.values()].map((delegated) => clusterHealth(delegated));
    this.#send({
      endpoint_health_response: {
        // Deprecated, and what older servers read: Envoy sends both.
        endpoints_health: clusters.flatMap(({ locality_endpoints_health: localities }) =>
          localities.flatMap(({ endpoints_health: endpoints }) => endpoints),
        ),
        cluster_endpoints_health: clusters,
      },
    });
    this.#timer.start(this.#intervalMs);
  }

  /** All of it or nothing, as in Envoy. */
  #take(specifier: HealthCheckSpecifierProto): readonly FieldError[] {
    const { compileCluster, checks } = this.#options;
    const found = checkClusters(specifier, compileCluster);
    if (!found.ok) return found.errors;
    const before = this.#delegated;
    this.#delegated = new Map();
    for (const { wanted, configs } of found.value) {
      const name = wanted.cluster_name ?? '';
      const former = before.get(name)?.cluster ?? null;
      const [first, ...others] = configs;
      if (first === undefined) {
        this.#delegated.set(name, { wanted, cluster: null });
        continue;
      }
      before.delete(name);
      former?.update(configs);
      const cluster = former ?? new CheckedCluster([first, ...others], checks);
      this.#delegated.set(name, { wanted, cluster });
    }
    for (const { cluster } of before.values()) cluster?.close();
    return [];
  }

  #send(message: object): void {
    this.#transport.send(Buffer.from(encodeMessage<string>(REQUEST, { ...message })));
    this.#stats.responses++;
  }
}

function clusterHealth({ wanted, cluster }: Delegated) {
  return {
    cluster_name: wanted.cluster_name ?? '',
    locality_endpoints_health: (wanted.locality_endpoints ?? []).map(({ locality, endpoints }) => ({
      ...(locality === undefined ? {} : { locality }),
      endpoints_health: (endpoints ?? []).map((endpoint) => endpointHealth(endpoint, cluster)),
    })),
  };
}

function endpointHealth(
  { address }: EndpointProto,
  cluster: CheckedCluster | null,
): EndpointHealthProto {
  const socket = address?.socket_address;
  const key = formatAddress({
    ip: canonicalIp(socket?.address ?? ''),
    port: socket?.port_value ?? 0,
  });
  return {
    endpoint: { ...(address === undefined ? {} : { address }) },
    health_status: cluster?.healthOf(key) ?? 'HEALTHY',
  };
}

function reportNow(delegate: HealthDelegate): void {
  delegate.report();
}
