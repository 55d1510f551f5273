// Clusters, hosts and pools whose every move a test makes. Tries are recorded; the test answers them.

import type {
  Cancellable,
  Cluster,
  ClusterManager,
  ConnectionUse,
  HttpPool,
  HttpPoolCallbacks,
  Resource,
  ResourceManager,
} from '../../dataplane/api/cluster.ts';
import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../../dataplane/api/codec.ts';
import {
  type RequestHeaders,
  ResponseHeaders,
  type Trailers,
} from '../../dataplane/api/headers.ts';
import type { Host, OutlierResult } from '../../dataplane/api/host.ts';
import type { LoadBalancerContext } from '../../dataplane/api/load-balancing.ts';
import { clusterConfig } from './cluster-config.ts';
import { FakeConnection } from './connection.ts';

class FakeResource implements Resource {
  used = 0;
  ceiling: number;

  constructor(ceiling: number) {
    this.ceiling = ceiling;
  }

  tryAcquire(): boolean {
    if (this.used >= this.ceiling) return false;
    this.used++;
    return true;
  }

  acquire(): void {
    this.used++;
  }

  release(): void {
    this.used--;
  }

  count(): number {
    return this.used;
  }

  max(): number {
    return this.ceiling;
  }
}

/** One host; what is reported to outlier detection is kept. */
export class FakeHost implements Host {
  readonly address: Host['address'];
  readonly hostname = '';
  readonly addressText: string;
  canary = false;
  breaker: Host['breaker'] = null;
  priority = 0;
  zone = '';
  metadata: Host['metadata'] = null;
  readonly stats = {
    cxTotal: 0,
    cxConnectFail: 0,
    rqPendingActive: 0,
    rqTotal: 0,
    rqSuccess: 0,
    rqError: 0,
    rqTimeout: 0,
    adjustActive: (): void => {},
  };
  readonly codes: number[] = [];
  readonly results: OutlierResult[] = [];
  readonly meter = null;
  readonly loadMetrics = null;
  readonly outlier = {
    putResponse: (status: number): void => void this.codes.push(status),
    putHttpResponseCode: (status: number): void => void this.codes.push(status),
    putResult: (result: OutlierResult): void => void this.results.push(result),
  };

  constructor(port: number) {
    this.address = { ip: '10.0.0.1', port };
    this.addressText = `10.0.0.1:${port}`;
  }

  weight(): number {
    return 1;
  }
}

/** One try as the pool sees it, and its stream once the test made it ready. */
export class FakeTry implements RequestEncoder, Cancellable {
  readonly decoder: ResponseDecoder;
  readonly host: FakeHost;
  readonly #callbacks: HttpPoolCallbacks;
  streamCallbacks!: StreamCallbacks;
  headers: RequestHeaders | null = null;
  /** Header fields as they were when this try was written. */
  fields: string[] = [];
  body = '';
  trailers: Trailers | null = null;
  isEnded = false;
  isCancelled = false;
  resetBy: StreamResetReason | null = null;
  readDisableCount = 0;
  isOnReusedConnection = false;
  isPeerGoingAway = false;
  protocol: 'HTTP/1.1' | 'HTTP/2' = 'HTTP/1.1';
  /** Of the response. */
  received = 0;
  readonly use: ConnectionUse;

  constructor(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    host: FakeHost,
    use: ConnectionUse,
  ) {
    this.decoder = decoder;
    this.#callbacks = callbacks;
    this.host = host;
    this.use = use;
  }

  ready(): this {
    const connection = new FakeConnection();
    this.#callbacks.onPoolReady(this, this.host, {
      protocol: this.protocol,
      connection,
      wasReused: () => this.isOnReusedConnection,
      isGoingAway: () => this.isPeerGoingAway,
    });
    return this;
  }

  fail(reason: StreamResetReason, transportFailureReason = ''): void {
    const host = reason === StreamResetReason.Overflow ? null : this.host;
    this.#callbacks.onPoolFailure(reason, transportFailureReason, host);
  }

  /** A whole response. */
  respond(status: number, fields: string[] = [], body = ''): void {
    this.decoder.decodeHeaders(new ResponseHeaders(status, fields), body === '');
    if (body !== '') this.decoder.decodeData(Buffer.from(body), true);
  }

  resetByPeer(reason: StreamResetReason = StreamResetReason.ConnectionTermination): void {
    this.streamCallbacks.onResetStream(reason, '');
  }

  cancel(): void {
    this.isCancelled = true;
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.streamCallbacks = callbacks;
  }

  resetStream(reason: StreamResetReason): void {
    this.resetBy = reason;
  }

  readDisable(disable: boolean): void {
    this.readDisableCount += disable ? 1 : -1;
  }

  bytesSent(): number {
    return 0;
  }

  bytesReceived(): number {
    return this.received;
  }

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.headers = headers;
    this.fields = [...headers.fields];
    this.isEnded = endStream;
  }

  encodeData(data: Buffer, endStream: boolean): void {
    this.body += data.toString('latin1');
    this.isEnded = endStream;
  }

  encodeTrailers(trailers: Trailers): void {
    this.trailers = trailers;
    this.isEnded = true;
  }
}

/** Numeric stats that come into being when they are first counted. */
type CountedStats = Cluster['stats'] & {
  readonly charged: { status: number; internal: boolean; canary: boolean }[];
  readonly rqTimes: number[];
  /** Statuses of responses that were retried. */
  readonly retried: number[];
};

function countedStats(): CountedStats {
  const charged: CountedStats['charged'] = [];
  const rqTimes: number[] = [];
  const retried: number[] = [];
  const byZone: string[] = [];
  const counters = {
    byZone,
    charged,
    rqTimes,
    retried,
    chargeResponseCode: (status: number, internal: boolean, canary: boolean) =>
      charged.push({ status, internal, canary }),
    chargeZone: (zone: string, status: number) => {
      if (zone !== '') byZone.push(`${zone} ${status}`);
    },
    recordZoneRqTime: () => {},
    chargeRetriedResponse: (status: number) => retried.push(status),
    recordRqTime: (ms: number) => rqTimes.push(ms),
    recordCxConnectMs: () => {},
    recordCxLengthMs: () => {},
  };
  // A field nobody set reads as 0: the real class has some fifty.
  const proxy = new Proxy(counters, {
    get: (target, name) => (Reflect.has(target, name) ? Reflect.get(target, name) : 0),
  });
  return proxy as unknown as CountedStats;
}

/** A cluster that gives out its hosts in turn, skipping those the load balancer context refuses. */
export class FakeCluster implements Cluster {
  config: Cluster['config'];
  readonly stats: CountedStats = countedStats();
  breaker: Cluster['breaker'] = null;
  hashPolicy: Cluster['hashPolicy'] = null;
  hosts: FakeHost[] = [new FakeHost(1), new FakeHost(2)];
  readonly tries: FakeTry[] = [];
  /** Ends a try at once with that reason; null = the test does. */
  failAtOnce: StreamResetReason | null = null;
  isInMaintenance = false;
  dropped: ReturnType<Cluster['dropOverload']> = null;
  /** `ip:port` */
  readonly immediateFailures: string[] = [];
  readonly retries = new FakeResource(3);
  #next = 0;

  constructor(name: string) {
    this.config = clusterConfig({ name });
  }

  resources(): ResourceManager {
    const free = new FakeResource(1024);
    return {
      connections: free,
      connectionPools: free,
      maxConnectionsPerHost: Number.POSITIVE_INFINITY,
      pendingRequests: free,
      requests: free,
      retries: this.retries,
    };
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    let host: FakeHost | null = null;
    for (let i = 0; i <= context.hostSelectionRetryCount && this.hosts.length > 0; i++) {
      host = this.hosts[this.#next++ % this.hosts.length]!;
      if (!context.shouldSelectAnotherHost(host)) break;
    }
    return host;
  }

  httpPool(host: Host): HttpPool {
    return {
      newStream: (decoder, callbacks, use) => {
        // Hosts come from this cluster.
        const attempt = new FakeTry(decoder, callbacks, host as FakeHost, use);
        this.tries.push(attempt);
        if (this.failAtOnce === null) return attempt;
        attempt.fail(this.failAtOnce);
        return null;
      },
    };
  }

  tcpPool(): never {
    throw new Error('not for HTTP');
  }

  hostCounts = { total: 2, usable: 2 };

  membership(): { readonly total: number; readonly usable: number } {
    return this.hostCounts;
  }

  maintenanceMode(): boolean {
    return this.isInMaintenance;
  }

  dropOverload(): ReturnType<Cluster['dropOverload']> {
    return this.dropped;
  }

  onImmediateHealthCheckFail(host: Host): void {
    this.immediateFailures.push(host.addressText);
  }
}

export class FakeClusterManager implements ClusterManager {
  readonly clusters = new Map<string, FakeCluster>();

  constructor(...clusters: FakeCluster[]) {
    for (const cluster of clusters) this.clusters.set(cluster.config.name, cluster);
  }

  getCluster(name: string): FakeCluster | null {
    return this.clusters.get(name) ?? null;
  }
}
