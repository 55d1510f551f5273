// The aggregated discovery service on a grpc-js server: handlers that make streams, and the slices in
// which many streams are told of a new snapshot. Types and credentials of the server are its owner's.

import {
  type ChannelOptions,
  status as grpcStatus,
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { RequestBase } from '../../proto/discovery.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import { AckTracker } from './ack-tracker.ts';
import { AdsStats } from './ads-stats.ts';
import type { Authenticator, Peer } from './authn.ts';
import { delta } from './delta.ts';
import type { Protocol } from './protocol.ts';
import { sotw } from './sotw.ts';
import { type AdsStream, Stream, type StreamContext, type StreamPort } from './stream.ts';
import { StreamTaps } from './stream-taps.ts';

export interface AdsServerOptions {
  readonly cache: SnapshotCache;
  readonly authenticate: Authenticator;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
  /** How long a node may take to say who it is. Default 15 000. */
  readonly helloTimeoutMs?: number;
  /**
   * How long a node may take to answer a response. Envoy ACKs clusters only when they are warm, which may
   * take its initial_fetch_timeout or a round of health checks. Default 120 000.
   */
  readonly answerTimeoutMs?: number;
  /** Names over all types that one stream may subscribe to. Default 100 000. */
  readonly maxNames?: number;
  /** Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** A stream of that node was admitted / has ended (for leases). */
  readonly onStreamOpened?: (snapshotKey: string) => void;
  readonly onStreamClosed?: (snapshotKey: string) => void;
  /** Runs the next slice of streams; default setImmediate. */
  readonly schedule?: (run: () => void) => void;
}

/** Options that a grpc-js server of ours should have: pings notice dead peers, requests are bounded. */
export const adsChannelOptions: ChannelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
  'grpc.max_send_message_length': -1,
};

/** Streams pumped per turn of the event loop: 2,000 must not hold up everything else. */
const STREAMS_PER_SLICE = 32;

type Call = ServerDuplexStream<Buffer, Buffer>;

export class AdsServer {
  readonly tracker: AckTracker;
  readonly stats = new AdsStats();
  readonly taps = new StreamTaps();
  readonly #options: AdsServerOptions;
  readonly #context: StreamContext;
  readonly #streams = new Set<AdsStream>();
  readonly #streamsByKey = new Map<string, Set<AdsStream>>();
  /** Streams whose snapshot changed, in order of the change. */
  readonly #changed = new Set<AdsStream>();
  readonly #schedule: (run: () => void) => void;
  readonly #stopListening: () => void;
  #isScheduled = false;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.tracker = new AckTracker(options.cache, options.clock);
    this.#schedule = options.schedule ?? setImmediate;
    this.#context = {
      cache: options.cache,
      tracker: this.tracker,
      taps: this.taps,
      stats: this.stats,
      clock: options.clock,
      authenticate: options.authenticate,
      timers: options.timers,
      logger: options.logger,
      identifier: options.identifier,
      helloTimeoutMs: options.helloTimeoutMs ?? 15_000,
      answerTimeoutMs: options.answerTimeoutMs ?? 120_000,
      maxNames: options.maxNames ?? 100_000,
      maxResponseBytes: options.maxResponseBytes ?? 64 * 1024 * 1024,
      onKeyed: (stream, key) => this.#onKeyed(stream, key),
      onClosed: (stream, key) => this.#onClosed(stream, key),
    };
    this.#stopListening = options.cache.listen((key) => this.#onSnapshot(key));
  }

  /** Registers StreamAggregatedResources and DeltaAggregatedResources. */
  addTo(server: Server): void {
    server.addService(adsService, {
      StreamAggregatedResources: (call: Call) => this.#open(sotw, call),
      DeltaAggregatedResources: (call: Call) => this.#open(delta, call),
    });
  }

  /** Ends every stream with UNAVAILABLE, so that clients come back elsewhere, and stops listening. */
  close(): void {
    this.#stopListening();
    for (const stream of [...this.#streams]) {
      stream.end(grpcStatus.UNAVAILABLE, 'the control plane is shutting down');
    }
  }

  /** Ends the streams of one key, e.g. because its identity was revoked. */
  disconnect(snapshotKey: string, details: string): void {
    for (const stream of [...(this.#streamsByKey.get(snapshotKey) ?? [])]) {
      stream.end(grpcStatus.PERMISSION_DENIED, details);
    }
  }

  #open<Request extends RequestBase>(protocol: Protocol<Request>, call: Call): void {
    const stream = new Stream(protocol, portOf(call), peerOf(call), this.#context);
    this.#streams.add(stream);
    call.on('data', (message: Buffer) => stream.onMessage(message));
    call.on('drain', () => stream.onDrain());
    // A client that half-closes wants no more: nobody could ACK.
    call.on('end', () => stream.end(grpcStatus.OK, ''));
    call.on('cancelled', () => stream.onEnd());
    call.on('error', () => stream.onEnd());
    call.on('close', () => stream.onEnd());
  }

  #onKeyed(stream: AdsStream, key: string): void {
    const streams = this.#streamsByKey.get(key);
    if (streams === undefined) this.#streamsByKey.set(key, new Set([stream]));
    else streams.add(stream);
    this.#options.onStreamOpened?.(key);
  }

  #onClosed(stream: AdsStream, key: string | null): void {
    this.#streams.delete(stream);
    this.#changed.delete(stream);
    if (key === null) return;
    const streams = this.#streamsByKey.get(key);
    streams?.delete(stream);
    if (streams?.size === 0) this.#streamsByKey.delete(key);
    this.#options.onStreamClosed?.(key);
  }

  #onSnapshot(key: string): void {
    for (const stream of this.#streamsByKey.get(key) ?? []) this.#changed.add(stream);
    this.#scheduleSlice();
  }

  #scheduleSlice(): void {
    if (this.#isScheduled || this.#changed.size === 0) return;
    this.#isScheduled = true;
    this.#schedule(() => {
      this.#isScheduled = false;
      let count = 0;
      for (const stream of this.#changed) {
        if (count++ === STREAMS_PER_SLICE) break;
        this.#changed.delete(stream);
        stream.pump();
      }
      this.#scheduleSlice();
    });
  }
}

function portOf(call: Call): StreamPort {
  return {
    write: (message) => call.write(message),
    pause: () => call.pause(),
    resume: () => call.resume(),
    end(code, details) {
      if (code === grpcStatus.OK) call.end();
      // grpc-js's way to end with a status. It waits until what was written is taken; a peer that never
      // takes it keeps its buffer until the connection's keepalive gives up, but no stream of ours.
      else call.emit('error', { code, details });
    },
  };
}

function peerOf(call: Call): Peer {
  const metadata = new Map<string, readonly string[]>();
  for (const key of Object.keys(call.metadata.getMap())) {
    const texts = call.metadata.get(key).filter((value) => typeof value === 'string');
    metadata.set(key, texts);
  }
  return {
    address: call.getPeer(),
    certificate: call.getAuthContext().sslPeerCertificate?.raw ?? null,
    metadata,
  };
}

const identity = (bytes: Buffer): Buffer => bytes;

function bidirectional(path: string) {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
}

/** Messages stay bytes: a malformed one is the stream's to answer, not gRPC's. */
const adsService: ServiceDefinition = {
  StreamAggregatedResources: bidirectional(sotw.path),
  DeltaAggregatedResources: bidirectional(delta.path),
};
