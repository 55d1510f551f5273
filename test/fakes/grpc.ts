// A connection manager with one filter of the gRPC kind, in front of cluster `c` whose stats are real.

import type { Cluster } from '../../dataplane/api/cluster.ts';
import type { HttpFilterFactory } from '../../dataplane/api/factory.ts';
import { type HeaderFields, ResponseHeaders } from '../../dataplane/api/headers.ts';
import type { Route } from '../../dataplane/api/route.ts';
import { frameHeader } from '../../dataplane/extensions/_shared/grpc/frame-scanner.ts';
import { takeSnapshot } from '../../dataplane/stats/snapshot.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { ClusterStats, clusterScope } from '../../dataplane/upstream/cluster-stats.ts';
import { fakeFilterContext, fakeRoute, HcmScenario } from './hcm.ts';
import { FakeTimers } from './timers.ts';

export interface GrpcScenarioOptions {
  readonly data?: unknown;
  readonly route?: Partial<Route>;
  readonly bufferLimitBytes?: number;
}

/** One gRPC message with its length in front. */
export function grpcFrame(message: string, flags = 0): Buffer {
  const body = Buffer.from(message, 'latin1');
  return Buffer.concat([frameHeader(flags, body.length), body]);
}

/** A POST of `type` whose body comes in these chunks. */
export function grpcPost(
  type: string,
  pieces: readonly (string | Buffer)[],
  more = '',
  path = '/a.Svc/Meth',
): string[] {
  const head = `POST ${path} HTTP/1.1\r\nHost: h\r\ncontent-type: ${type}\r\n${more}`;
  const chunks = pieces.map((piece) => {
    const text = typeof piece === 'string' ? piece : piece.toString('latin1');
    return `${text.length.toString(16)}\r\n${text}\r\n`;
  });
  return [`${head}transfer-encoding: chunked\r\n\r\n`, ...chunks, '0\r\n\r\n'];
}

/** See the file head. */
export class GrpcScenario extends HcmScenario {
  readonly clusterStats: ClusterStats;

  constructor(factory: HttpFilterFactory, options: GrpcScenarioOptions = {}) {
    const store = new HolderStore();
    const timers = new FakeTimers();
    const clusterStats = new ClusterStats();
    // Filters of this kind ask a cluster for its stats only.
    const cluster = { stats: clusterStats } as unknown as Cluster;
    const clusterManager = { getCluster: (name: string) => (name === 'c' ? cluster : null) };
    const context = fakeFilterContext({ store, timers, clusterManager });
    const config = factory.create(options.data ?? null, context);
    super({
      store,
      timers,
      config: { generateRequestId: false },
      realFilters: [{ name: 'subject', disabled: false, config }],
      route: fakeRoute(options.route),
      ...(options.bufferLimitBytes === undefined
        ? {}
        : { bufferLimitBytes: options.bufferLimitBytes }),
    });
    store.add(clusterScope({ statName: 'c' }), clusterStats);
    this.clusterStats = clusterStats;
  }

  /** Sends the parts one by one. */
  sendAll(parts: readonly string[]): this {
    for (const part of parts) this.send(part);
    return this;
  }

  /** Answers as the upstream would: head, body in pieces, trailers (null = the body is the end). */
  answer(
    status: number,
    fields: HeaderFields,
    pieces: readonly Buffer[],
    trailers: HeaderFields | null,
  ): this {
    const { router } = this;
    const isHeadAll = pieces.length === 0 && trailers === null;
    router.encodeHeaders(new ResponseHeaders(status, fields), isHeadAll, 'via_upstream');
    for (const [i, piece] of pieces.entries()) {
      router.encodeData(piece, trailers === null && i === pieces.length - 1);
    }
    if (trailers !== null) router.encodeTrailers(trailers);
    return this;
  }

  /** The body that the router was given, latin1. */
  get upstreamBody(): string {
    return this.journal
      .filter((line) => line.startsWith('router.decodeData'))
      .map((line) => line.slice('router.decodeData '.length).replace(/ ?end$/, ''))
      .join('');
  }

  /** Counters with gRPC in their names that are not 0, by what stands behind `cluster.c.`. */
  grpcCounters(): Record<string, number> {
    const counters: Record<string, number> = {};
    for (const { name, kind, value } of takeSnapshot(this.store)) {
      if (name.includes('grpc') && kind === 'counter')
        counters[name.replace('cluster.c.', '')] = value;
    }
    return counters;
  }
}

/** Each byte for itself. */
export function byteByByte(data: Buffer): Buffer[] {
  return Array.from(data, (byte) => Buffer.from([byte]));
}
