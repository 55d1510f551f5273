// The discovery services on a grpc-js server: aggregated and one per type, in both protocols. It makes streams,
// tells them of new snapshots, ends those that are old. Types and credentials of the server are its owner's.

import {
  type ChannelOptions,
  status as grpcStatus,
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type Clock, type Random, systemRandom } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { RequestBase } from '../../proto/discovery.ts';
import { isNamedKind, type OtherKind, type XdsKind } from '../cache/kinds.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import { AckTracker } from './ack-tracker.ts';
import { AdsStats } from './ads-stats.ts';
import type { Authenticator, NameGuard } from './authn.ts';
import { delta } from './delta.ts';
import { peerOf } from './grpc-peer.ts';
import type { Protocol } from './protocol.ts';
import { PushQueue } from './push-queue.ts';
import { type XdsService, xdsServices } from './services.ts';
import { sotw } from './sotw.ts';
import { Stream } from './stream.ts';
import { StreamAdmission } from './stream-admission.ts';
import type { AdsStream, StreamContext, StreamPort } from './stream-context.ts';
import { StreamTaps } from './stream-taps.ts';

/** What one process lets its clients do. Times in ms, 0 = no limit unless said otherwise. */
export interface AdsLimits {
  /** How long a node may take to say who it is. Default 15 000; never off. */
  readonly helloTimeoutMs?: number;
  /**
   * How long a node may take to answer a response. Envoy ACKs clusters only when they are warm, which may
   * take its initial_fetch_timeout or a round of health checks. Default 120 000; never off.
   */
  readonly answerTimeoutMs?: number;
  /** Names over all types that one stream may subscribe to. Default 100 000; never off. */
  readonly maxNames?: number;
  /** Default 64 MiB; never off. */
  readonly maxResponseBytes?: number;
  /** Streams of this server at once. Default 20 000. */
  readonly maxStreams?: number;
  /** New streams per second; who comes faster waits. Default 0 (Istio: 25). */
  readonly streamsPerSecond?: number;
  /** Requests of one stream per second; above it they are not read for a while. Default 100. */
  readonly requestsPerSecond?: number;
  /** Streams that are brought to a changed snapshot per turn of the event loop. Default 32; never off. */
  readonly pushesPerTurn?: number;
  /** The same per second. Default 0. */
  readonly pushesPerSecond?: number;
  /** Streams end at this age, give or take a tenth, so that replicas stay evenly loaded. Default 30 min (as Istio). */
  readonly maxStreamAgeMs?: number;
}

export interface AdsServerOptions extends AdsLimits {
  readonly cache: SnapshotCache;
  readonly authenticate: Authenticator;
  /** Default: everybody may ask for every name, and gets what its snapshot holds. */
  readonly mayAskFor?: NameGuard;
  /** Types beside Envoy's own that are served, by type URL, on the aggregated stream. */
  readonly otherTypes?: readonly OtherKind[];
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** Of the jitter of stream ages. Default Math.random. */
  readonly random?: Random;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
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

const MAX_STREAM_AGE_MS = 30 * 60_000;
/** Of the age, either way. */
const AGE_JITTER = 0.1;
/** How often ages and TTLs are looked at: the precision of the former, and the shortest TTL's quarter. */
const SWEEP_MS = 250;

type Call = ServerDuplexStream<Buffer, Buffer>;

export class AdsServer {
  readonly tracker: AckTracker;
  readonly stats = new AdsStats();
  readonly taps = new StreamTaps();
  readonly #options: AdsServerOptions;
  readonly #context: StreamContext;
  /** When each ends by its age, monotonic; the first to be opened comes first. */
  readonly #streams = new Map<AdsStream, number>();
  readonly #streamsByKey = new Map<string, Set<AdsStream>>();
  readonly #pushes: PushQueue;
  readonly #admission: StreamAdmission;
  readonly #maxAgeMs: number;
  readonly #random: Random;
  readonly #sweep: Timer;
  readonly #stopListening: () => void;

  constructor(options: AdsServerOptions) {
    const { cache, clock, timers, otherTypes = [] } = options;
    this.#options = options;
    this.tracker = new AckTracker(cache, clock);
    this.#maxAgeMs = options.maxStreamAgeMs ?? MAX_STREAM_AGE_MS;
    this.#random = options.random ?? systemRandom;
    this.#pushes = new PushQueue({
      clock,
      timers,
      schedule: options.schedule ?? setImmediate,
      streamsPerTurn: options.pushesPerTurn ?? 32,
      streamsPerSecond: options.pushesPerSecond ?? 0,
    });
    this.#admission = new StreamAdmission({
      clock,
      timers,
      stats: this.stats,
      maxStreams: options.maxStreams ?? 20_000,
      streamsPerSecond: options.streamsPerSecond ?? 0,
    });
    const others: ReadonlySet<XdsKind> = new Set(otherTypes);
    this.#context = {
      cache,
      tracker: this.tracker,
      taps: this.taps,
      stats: this.stats,
      clock,
      authenticate: options.authenticate,
      mayAskFor: options.mayAskFor ?? (() => null),
      serves: (kind) => isNamedKind(kind) || others.has(kind),
      timers,
      logger: options.logger,
      identifier: options.identifier,
      helloTimeoutMs: options.helloTimeoutMs ?? 15_000,
      answerTimeoutMs: options.answerTimeoutMs ?? 120_000,
      maxNames: options.maxNames ?? 100_000,
      maxResponseBytes: options.maxResponseBytes ?? 64 * 1024 * 1024,
      requestsPerSecond: options.requestsPerSecond ?? 100,
      onKeyed: (stream, key) => this.#onKeyed(stream, key),
      onClosed: (stream, key) => this.#onClosed(stream, key),
    };
    this.#sweep = timers.createTimer(() => this.#onSweep(), undefined);
    this.#stopListening = cache.listen((key) => this.#onSnapshot(key));
  }

  /** Registers every discovery service. */
  addTo(server: Server): void {
    for (const service of xdsServices) {
      const { kind, sotwMethod, deltaMethod } = service;
      const handlers: UntypedServiceImplementation = {
        [deltaMethod]: (call: Call) => this.#open(delta, call, kind),
      };
      if (sotwMethod !== null) {
        handlers[sotwMethod] = (call: Call) => this.#open(sotw, call, kind);
      }
      server.addService(definitionOf(service), handlers);
    }
  }

  /** Streams that wait to be brought to a changed snapshot. */
  get queueDepth(): number {
    return this.#pushes.depth;
  }

  /** Ends every stream with UNAVAILABLE, so that clients come back elsewhere, and stops listening. */
  close(): void {
    this.#stopListening();
    this.#sweep.stop();
    this.#admission.close();
    for (const stream of [...this.#streams.keys()]) {
      stream.end(grpcStatus.UNAVAILABLE, 'the control plane is shutting down');
    }
    this.#pushes.close();
  }

  /** Ends the streams of one key, e.g. because its identity was revoked. */
  disconnect(snapshotKey: string, details: string): void {
    for (const stream of [...(this.#streamsByKey.get(snapshotKey) ?? [])]) {
      stream.end(grpcStatus.PERMISSION_DENIED, details);
    }
  }

  #open<Request extends RequestBase>(
    protocol: Protocol<Request>,
    call: Call,
    only: XdsKind | null,
  ): void {
    const newcomer = { begin: () => this.#begin(protocol, call, only) };
    call.on('error', () => {}); // 'close' follows
    switch (this.#admission.offer(newcomer)) {
      case 'begun':
        return;
      case 'waiting':
        call.on('close', () => this.#admission.withdraw(newcomer));
        return;
      case 'refused':
        call.emit('error', {
          code: grpcStatus.UNAVAILABLE,
          details: 'this control plane has as many streams as it takes',
        });
    }
  }

  #begin<Request extends RequestBase>(
    protocol: Protocol<Request>,
    call: Call,
    only: XdsKind | null,
  ): void {
    const stream = new Stream(protocol, portOf(call), peerOf(call), this.#context, only);
    const jitter = 1 + AGE_JITTER * (2 * this.#random() - 1);
    const ageMs = this.#maxAgeMs === 0 ? Number.POSITIVE_INFINITY : this.#maxAgeMs * jitter;
    this.#streams.set(stream, this.#options.clock.nowMs() + ageMs);
    if (!this.#sweep.isArmed()) this.#sweep.start(SWEEP_MS);
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
    this.#pushes.delete(stream);
    if (key === null) return;
    const streams = this.#streamsByKey.get(key);
    streams?.delete(stream);
    if (streams?.size === 0) this.#streamsByKey.delete(key);
    this.#options.onStreamClosed?.(key);
  }

  #onSnapshot(key: string): void {
    const nowMs = this.#options.clock.nowMs();
    for (const stream of this.#streamsByKey.get(key) ?? []) {
      stream.noteChange(nowMs);
      this.#pushes.add(stream);
    }
  }

  #onSweep(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [stream, endsMs] of [...this.#streams]) {
      if (nowMs >= endsMs) this.#endAged(stream);
      else stream.heartbeat(nowMs);
    }
    if (this.#streams.size > 0) this.#sweep.start(SWEEP_MS);
  }

  /** OK is what clients take for an orderly end: they come back at once and log nothing. */
  #endAged(stream: AdsStream): void {
    // In the middle of a pass a client would lose what it was promised: it may finish first.
    if (stream.isBusy) return;
    this.stats.agedStreamsTotal++;
    stream.end(grpcStatus.OK, 'maximum age of a stream reached');
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

const identity = (bytes: Buffer): Buffer => bytes;

/** Messages stay bytes: a malformed one is the stream's to answer, not gRPC's. */
function definitionOf({ name, sotwMethod, deltaMethod }: XdsService): ServiceDefinition {
  const methods = sotwMethod === null ? [deltaMethod] : [sotwMethod, deltaMethod];
  return Object.fromEntries(
    methods.map((method) => [
      method,
      {
        path: `/${name}/${method}`,
        requestStream: true,
        responseStream: true,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    ]),
  );
}
