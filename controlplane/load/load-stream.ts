// One stream of load reports (LRS): a node says who it is, is told how often to report, and reports until it goes.
// Knows no gRPC; load-service.ts gives it a port. Bytes may be hostile.
//
//   opened --first request, admitted--> reporting --report--> reporting      ended by either side at any time

import { status as grpcStatus } from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { LoadStatsRequestProto } from '../../proto/gen/types.ts';
import { MAX_NAME, type Peer } from '../ads/authn.ts';
import type { LoadStats } from './load-stats.ts';
import type { LoadStore } from './load-store.ts';

/** What the first request says of its sender. */
export interface ReportingNode {
  readonly id: string;
  readonly userAgent: string;
}

/** Decides who a stream is, by its certificate or token; the node's word decides nothing by itself. Must not throw. */
export type ReporterGate = (
  peer: Peer,
  node: ReportingNode,
) =>
  | { readonly ok: true; readonly nodeId: string }
  | { readonly ok: false; readonly code: number; readonly reason: string };

export interface LoadStreamPort {
  write(message: Buffer): void;
  /** Ends the stream with a gRPC status. */
  end(code: number, details: string): void;
}

export interface LoadStreamContext {
  readonly store: LoadStore;
  readonly stats: LoadStats;
  readonly identify: ReporterGate;
  /** Asked of every node: how often to report. */
  readonly intervalMs: number;
  /** For clients that cannot be asked for "all": what that node's clusters are called. */
  readonly clustersOf: (nodeId: string) => readonly string[];
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
}

const REQUEST = 'envoy.service.load_stats.v3.LoadStatsRequest';
const RESPONSE = 'envoy.service.load_stats.v3.LoadStatsResponse';
/** Of Node.client_features. Envoy and gRPC have it. */
const SENDS_ALL = 'envoy.lrs.supports_send_all_clusters';

const HELLO_TIMEOUT_MS = 15_000;
/** In one interval; clients report once, and once more around a change of what is asked for. */
const MAX_REPORTS_PER_INTERVAL = 10;

export class LoadStream {
  readonly #context: LoadStreamContext;
  readonly #port: LoadStreamPort;
  readonly #peer: Peer;
  readonly #hello: Timer;
  #nodeId: string | null = null;
  #isClosed = false;
  #windowMs = 0;
  #reportsInWindow = 0;

  constructor(port: LoadStreamPort, peer: Peer, context: LoadStreamContext) {
    this.#port = port;
    this.#peer = peer;
    this.#context = context;
    this.#hello = context.timers.createTimer(onHelloTimeout, this);
    this.#hello.start(HELLO_TIMEOUT_MS);
    context.stats.streamsActive++;
    context.stats.streamsTotal++;
  }

  /** A message came. Never throws. */
  onMessage(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    const decoded = decodeMessage(REQUEST, bytes);
    if (!decoded.ok) {
      const [first] = decoded.errors;
      this.#fail(grpcStatus.INVALID_ARGUMENT, `malformed report: ${first?.message ?? ''}`);
      return;
    }
    const { message } = decoded.value;
    if (this.#nodeId === null && !this.#admit(message)) return;
    if (this.#nodeId === null || this.#isTooFast()) return;
    this.#context.stats.reportsTotal++;
    this.#context.store.report(this.#nodeId, this, message.cluster_stats ?? []);
  }

  /** The peer ended the stream, or the connection is gone. */
  onEnd(): void {
    this.#close();
  }

  /** The server ends the stream. */
  end(code: number, details: string): void {
    if (this.#isClosed) return;
    this.#close();
    this.#port.end(code, details);
  }

  /** Of the hello timer. */
  cutOff(): void {
    this.#fail(grpcStatus.DEADLINE_EXCEEDED, `no request within ${HELLO_TIMEOUT_MS} ms`);
  }

  #admit({ node }: LoadStatsRequestProto): boolean {
    const { identify, stats, logger, intervalMs, clustersOf } = this.#context;
    if (node === undefined) {
      this.#fail(grpcStatus.INVALID_ARGUMENT, 'the first request of a stream must carry node');
      return false;
    }
    if ((node.id ?? '').length > MAX_NAME) {
      this.#fail(grpcStatus.INVALID_ARGUMENT, `a node.id of more than ${MAX_NAME} characters`);
      return false;
    }
    const claimed = { id: node.id ?? '', userAgent: node.user_agent_name ?? '' };
    const admission = identify(this.#peer, claimed);
    if (!admission.ok) {
      const { code, reason } = admission;
      stats.refusedTotal++;
      logger.warn({ node: claimed.id, peer: this.#peer.address, reason }, 'load reporter refused');
      this.end(code, reason);
      return false;
    }
    this.#hello.stop();
    this.#nodeId = admission.nodeId;
    const sendsAll = node.client_features?.includes(SENDS_ALL) === true;
    const answer = encodeMessage(RESPONSE, {
      ...(sendsAll ? { send_all_clusters: true } : { clusters: clustersOf(admission.nodeId) }),
      load_reporting_interval: {
        seconds: Math.floor(intervalMs / 1000),
        nanos: (intervalMs % 1000) * 1_000_000,
      },
    });
    this.#port.write(Buffer.from(answer));
    return true;
  }

  #isTooFast(): boolean {
    const { clock, intervalMs, stats } = this.#context;
    const nowMs = clock.nowMs();
    if (nowMs - this.#windowMs >= intervalMs) {
      this.#windowMs = nowMs;
      this.#reportsInWindow = 0;
    }
    if (++this.#reportsInWindow <= MAX_REPORTS_PER_INTERVAL) return false;
    stats.tooFastTotal++;
    const what = `more than ${MAX_REPORTS_PER_INTERVAL} reports in ${intervalMs} ms`;
    this.#fail(grpcStatus.RESOURCE_EXHAUSTED, what);
    return true;
  }

  #fail(code: number, details: string): void {
    const { stats, logger } = this.#context;
    stats.badRequestsTotal++;
    logger.warn({ peer: this.#peer.address, details }, 'bad load report');
    this.end(code, details);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hello.stop();
    if (this.#nodeId !== null) this.#context.store.forget(this.#nodeId, this);
    this.#context.stats.streamsActive--;
  }
}

function onHelloTimeout(stream: LoadStream): void {
  stream.cutOff();
}
