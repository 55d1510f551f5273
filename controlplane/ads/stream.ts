// One ADS stream of one node. It takes the node from snapshot to snapshot, one snapshot at a time: what
// changes meanwhile waits, and only the newest of it is used. A pass has two phases (make before break):
//
//   add:    cluster, endpoint, secret   then, when clusters and endpoints were answered:   listener, route
//   remove: when all that was answered, users first: listener -> route -> cluster -> endpoint -> secret
//
// Endpoints and secrets never wait for the answer to clusters, nor routes for that to listeners: Envoy ACKs
// clusters only when they are warm, which needs the former (it pauses CDS meanwhile; seen with 1.40).
// At most one response per type is under way, and a NACK is followed by silence until the content changes.
// The only writer of its stream: while gRPC pushes back, neither writes nor reads.

import { status as grpcStatus } from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { RequestBase } from '../../proto/discovery.ts';
import { kindOfTypeUrl, type XdsKind, xdsKinds } from '../cache/kinds.ts';
import { ResourceSet, type Snapshot } from '../cache/snapshot.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import type { AckTracker, StreamRecord, StreamView } from './ack-tracker.ts';
import type { AdsStats } from './ads-stats.ts';
import { type Authenticator, decodeNode, type Peer } from './authn.ts';
import type { Protocol, RequestMeaning } from './protocol.ts';
import type { StreamTaps } from './stream-taps.ts';
import { type Outgoing, TypeState } from './type-state.ts';

/** The gRPC side of a stream; server.ts implements it, tests fake it. */
export interface StreamPort {
  /** False = gRPC's buffer is full; `AdsStream.onDrain` follows. */
  write(message: Buffer): boolean;
  /** Stops and restarts the flow of requests. */
  pause(): void;
  resume(): void;
  /** Ends the stream with a gRPC status. */
  end(code: number, details: string): void;
}

/** What all streams of a server share. */
export interface StreamContext {
  readonly cache: SnapshotCache;
  readonly tracker: AckTracker;
  readonly taps: StreamTaps;
  readonly stats: AdsStats;
  readonly authenticate: Authenticator;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
  /** How long a node may take to say who it is. */
  readonly helloTimeoutMs: number;
  /** How long a node may take to answer a response; Envoy answers for clusters only when they are warm. */
  readonly answerTimeoutMs: number;
  /** Names over all types that a stream may subscribe to. */
  readonly maxNames: number;
  /** A larger response is not sent; the stream ends, as a client would end it. */
  readonly maxResponseBytes: number;
  /** The stream knows its snapshot's key now, or is gone. */
  readonly onKeyed: (stream: AdsStream, key: string) => void;
  readonly onClosed: (stream: AdsStream, key: string | null) => void;
}

/** Types whose responses must have been answered before one of this type is sent. */
const waitsFor: Readonly<Record<XdsKind, readonly XdsKind[]>> = {
  cluster: [],
  endpoint: [],
  secret: [],
  listener: ['cluster', 'endpoint'],
  route: ['cluster', 'endpoint'],
};

/** Who uses goes before what is used. */
const removalOrder: readonly XdsKind[] = ['listener', 'route', 'cluster', 'endpoint', 'secret'];

/** Whose response makes Envoy ask again for which types. */
const childrenOf: Readonly<Record<XdsKind, readonly XdsKind[]>> = {
  cluster: ['endpoint', 'secret'],
  endpoint: [],
  secret: [],
  listener: ['secret', 'route'],
  route: [],
};

const nothing: ReadonlyMap<string, number> = new Map();

/** The stream, without regard to its protocol. */
export type AdsStream = Stream<RequestBase>;

export class Stream<Request extends RequestBase> implements StreamView {
  readonly #protocol: Protocol<Request>;
  readonly #context: StreamContext;
  readonly #port: StreamPort;
  readonly #peer: Peer;
  readonly #types = new Map<XdsKind, TypeState>();
  readonly #answerTimer: Timer;
  #logger: Logger;
  #key: string | null = null;
  /** '' before the node was admitted. */
  #nodeId = '';
  #record: StreamRecord | null = null;
  /** The snapshot that the node is being brought to; null between passes. */
  #target: Snapshot | null = null;
  #nonce = 0;
  #isBlocked = false;
  #isClosed = false;

  constructor(protocol: Protocol<Request>, port: StreamPort, peer: Peer, context: StreamContext) {
    this.#protocol = protocol;
    this.#port = port;
    this.#peer = peer;
    this.#context = context;
    this.#logger = context.logger;
    this.#answerTimer = context.timers.createTimer(onAnswerTimeout<Request>, this);
    this.#answerTimer.start(context.helloTimeoutMs);
    context.stats.streamsActive++;
    context.stats.streamsTotal++;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A message came. Never throws. */
  onMessage(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    let request: Request;
    try {
      request = this.#protocol.decode(bytes);
    } catch (thrown) {
      this.#fail(grpcStatus.INVALID_ARGUMENT, `malformed request: ${errorText(thrown)}`);
      return;
    }
    if (this.#key === null && !this.#admit(request.node)) return;
    if (request.typeUrl === '') {
      this.#fail(grpcStatus.INVALID_ARGUMENT, 'type_url is required on an aggregated stream');
      return;
    }
    const kind = kindOfTypeUrl(request.typeUrl);
    if (kind === null) this.#refuseUnknown(request, bytes.length);
    else this.#onRequest(kind, request, bytes.length);
  }

  /** gRPC takes messages again. */
  onDrain(): void {
    if (this.#isClosed || !this.#isBlocked) return;
    this.#isBlocked = false;
    this.#port.resume();
    this.pump();
  }

  /** The peer ended the stream, or the connection is gone. */
  onEnd(): void {
    this.#close('');
  }

  /** The server ends the stream. */
  end(code: number, details: string): void {
    if (this.#isClosed) return;
    this.#close(details);
    this.#port.end(code, details);
  }

  /** Sends what may be sent now. Called when the snapshot changed; never throws. */
  pump(): void {
    try {
      this.#advance();
    } catch (thrown) {
      this.#logger.error({ error: errorText(thrown) }, 'cannot build a response');
      this.end(grpcStatus.INTERNAL, 'cannot build a response');
    }
  }

  #admit(nodeBytes: Uint8Array | null): boolean {
    const { authenticate, stats, tracker, logger, onKeyed } = this.#context;
    const node = nodeBytes === null ? null : decodeNode(nodeBytes);
    if (node === null) {
      const what = nodeBytes === null ? 'must carry node' : 'carries a malformed node';
      this.#fail(grpcStatus.INVALID_ARGUMENT, `the first request of a stream ${what}`);
      return false;
    }
    const admission = authenticate(this.#peer, node);
    if (!admission.ok) {
      stats.refusedTotal++;
      logger.warn(
        { node: node.id, peer: this.#peer.address, reason: admission.reason },
        'xDS client refused',
      );
      this.end(grpcStatus.PERMISSION_DENIED, admission.reason);
      return false;
    }
    const { nodeId, snapshotKey } = admission;
    // Pinned here: what later requests say in `node` is not looked at.
    this.#key = snapshotKey;
    this.#logger = logger.child({ component: `ads ${nodeId}` });
    this.#nodeId = nodeId;
    const protocol = this.#protocol.name;
    const { userAgent } = node;
    const { address } = this.#peer;
    this.#record = tracker.open({ nodeId, snapshotKey, protocol, userAgent, address }, this);
    this.#context.taps.of(nodeId)?.({ kind: 'opened', protocol, userAgent, address });
    this.#answerTimer.stop();
    onKeyed(this, snapshotKey);
    return true;
  }

  #onRequest(kind: XdsKind, request: Request, bytes: number): void {
    const { stats, maxNames } = this.#context;
    let state = this.#types.get(kind);
    if (state === undefined) {
      state = new TypeState(kind);
      this.#types.set(kind, state);
    }
    const meaning = this.#protocol.read(state, request);
    this.#tapRequest(meaning, request, bytes);
    if (this.#protocol.namesIn(request) > 0) this.#noteMissing(state);
    // SotW clients use the good part of what they refuse: their version then says less than they hold.
    if (this.#record?.hasNack(kind) === true) state.resumeVersion = '';
    switch (meaning) {
      case 'ack':
        stats.acksTotal[kind]++;
        this.#record?.acked(kind);
        break;
      case 'nack':
        this.#onNack(kind, request.errorDetail?.message ?? '');
        break;
      case 'stale':
        stats.staleNonceTotal++;
        break;
      case 'subscription':
        break;
      default:
        meaning satisfies never;
    }
    if (meaning === 'ack' || meaning === 'nack') this.#armAnswerTimer();
    if (this.#protocol.namesIn(request) > 0 && this.#countNames() > maxNames) {
      this.#fail(grpcStatus.RESOURCE_EXHAUSTED, `more than ${maxNames} resource names`);
      return;
    }
    this.pump();
  }

  #onNack(kind: XdsKind, reason: string): void {
    this.#context.stats.nacksTotal[kind]++;
    if (this.#record?.nacked(kind, reason) === true) {
      this.#logger.warn({ kind, reason }, 'resources refused (NACK)');
    }
  }

  /** For those who ask what the node waits for; a later pass looks again. */
  #noteMissing(state: TypeState): void {
    const { cache, clock } = this.#context;
    const snapshot = this.#key === null ? null : cache.get(this.#key);
    state.noteMissing(snapshot?.set(state.kind) ?? ResourceSet.empty, clock.wallMs());
  }

  #tapRequest(meaning: RequestMeaning, request: Request, bytes: number): void {
    this.#context.taps.of(this.#nodeId)?.({ kind: 'request', meaning, request, bytes });
  }

  #refuseUnknown(request: Request, bytes: number): void {
    this.#tapRequest('subscription', request, bytes);
    this.#context.stats.unknownTypeTotal++;
    const { identifier } = this.#context;
    const refusal = this.#protocol.refuseUnknown(request, String(++this.#nonce), identifier);
    if (refusal !== null) this.#write(refusal);
  }

  #advance(): void {
    const key = this.#key;
    if (key === null || this.#isClosed) return;
    while (!this.#isBlocked && (this.#target !== null || this.#beginPass(key))) {
      const target = this.#target;
      if (target === null || !this.#addAll(target) || !this.#removeNext(target)) return;
      this.#endPass(target);
    }
  }

  #beginPass(key: string): boolean {
    const snapshot = this.#context.cache.get(key);
    if (snapshot === null) return false;
    for (const [kind, state] of this.#types) {
      if (!state.needsAttention(snapshot.set(kind))) continue;
      this.#target = snapshot;
      this.#record?.began();
      return true;
    }
    return false;
  }

  #endPass(target: Snapshot): void {
    for (const [kind, state] of this.#types) {
      const set = target.set(kind);
      state.settledSet = set;
      this.#noteMissing(state);
      this.#record?.settled(kind, set);
    }
    this.#target = null;
  }

  /** True when the node has answered for everything new. */
  #addAll(target: Snapshot): boolean {
    for (const kind of xdsKinds) {
      const state = this.#types.get(kind);
      if (state === undefined || state.outstandingNonce !== null || this.#isBlocked) continue;
      const set = target.set(kind);
      if (!state.needsAdditions(set)) continue;
      if (waitsFor[kind].some((other) => this.isOutstanding(other))) continue;
      const outgoing = this.#protocol.additions(state, set);
      if (outgoing === null) state.addedSet = set;
      else this.#send(state, outgoing);
      if (this.#isClosed) return false;
    }
    return !this.#isBlocked && !xdsKinds.some((kind) => this.isOutstanding(kind));
  }

  /** Sends the next removal. True when there is none (left). */
  #removeNext(target: Snapshot): boolean {
    for (const kind of removalOrder) {
      const state = this.#types.get(kind);
      if (state === undefined || !state.needsAttention(target.set(kind))) continue;
      const outgoing = this.#protocol.removals(state, target.set(kind));
      if (outgoing === null) continue;
      this.#send(state, outgoing);
      return false;
    }
    return true;
  }

  subscription(kind: XdsKind): TypeState['subscription'] | null {
    return this.#types.get(kind)?.subscription ?? null;
  }

  missing(kind: XdsKind): ReadonlyMap<string, number> {
    return this.#types.get(kind)?.missingSince ?? nothing;
  }

  isOutstanding(kind: XdsKind): boolean {
    const nonce = this.#types.get(kind)?.outstandingNonce;
    return nonce !== undefined && nonce !== null;
  }

  #send(state: TypeState, outgoing: Outgoing): void {
    const { stats, identifier, maxResponseBytes } = this.#context;
    const nonce = String(++this.#nonce);
    const message = this.#protocol.encode(state, outgoing, nonce, identifier);
    if (message.length > maxResponseBytes) {
      this.#logger.error({ kind: state.kind, bytes: message.length }, 'response too large');
      this.end(
        grpcStatus.RESOURCE_EXHAUSTED,
        `a ${state.kind} response has ${message.length} bytes; the limit is ${maxResponseBytes}`,
      );
      return;
    }
    state.lastNonce = nonce;
    state.outstandingNonce = nonce;
    state.wasParentSent = false;
    this.#oweChildren(state.kind, outgoing);
    stats.responsesTotal[state.kind]++;
    this.#record?.sent(state.kind, outgoing.version);
    const { typeUrl } = state;
    this.#context.taps.of(this.#nodeId)?.({
      kind: 'response',
      ...{ typeUrl, nonce, ...outgoing, bytes: message.length },
    });
    if (!this.#answerTimer.isArmed()) this.#armAnswerTimer();
    this.#logger.debug(
      { kind: state.kind, nonce, resources: outgoing.resources.length, bytes: message.length },
      'response sent',
    );
    this.#write(message);
  }

  /**
   * A cluster that was sent warms in Envoy until its endpoints come (again), changed or not. So they
   * follow by themselves, and a request for them is answered although nothing changed.
   */
  #oweChildren(kind: XdsKind, outgoing: Outgoing): void {
    for (const child of childrenOf[kind]) {
      const state = this.#types.get(child);
      if (state !== undefined) state.wasParentSent = true;
    }
    const endpoints = this.#types.get('endpoint');
    if (kind !== 'cluster' || endpoints === undefined) return;
    for (const cluster of outgoing.resources) {
      for (const { kind: to, name } of cluster.references) {
        if (to === 'endpoint' && endpoints.subscription.wants(name)) endpoints.owed.add(name);
      }
    }
  }

  #write(message: Buffer): void {
    this.#context.stats.sentBytesTotal += message.length;
    if (this.#port.write(message)) return;
    this.#isBlocked = true;
    this.#port.pause();
    if (!this.#answerTimer.isArmed()) this.#answerTimer.start(this.#context.answerTimeoutMs);
  }

  #countNames(): number {
    let count = 0;
    for (const { subscription, held } of this.#types.values()) {
      count += Math.max(subscription.names.size, held.size);
    }
    return count;
  }

  /** Runs while any response waits for its answer. */
  #armAnswerTimer(): void {
    this.#answerTimer.stop();
    for (const { outstandingNonce } of this.#types.values()) {
      if (outstandingNonce === null) continue;
      this.#answerTimer.start(this.#context.answerTimeoutMs);
      return;
    }
  }

  /** Of the answer timer. */
  cutOff(): void {
    const { stats, helloTimeoutMs, answerTimeoutMs } = this.#context;
    stats.slowStreamsTotal++;
    const kinds = [...this.#types.values()]
      .filter(({ outstandingNonce }) => outstandingNonce !== null)
      .map(({ kind }) => kind);
    const what =
      this.#key === null
        ? `no request within ${helloTimeoutMs} ms`
        : `no answer to ${kinds.join(', ')} within ${answerTimeoutMs} ms`;
    this.#logger.warn({ peer: this.#peer.address, what }, 'slow xDS stream cut off');
    this.end(grpcStatus.DEADLINE_EXCEEDED, what);
  }

  #fail(code: number, details: string): void {
    this.#context.stats.badRequestsTotal++;
    this.#logger.warn({ peer: this.#peer.address, details }, 'bad xDS request');
    this.end(code, details);
  }

  #close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.taps.of(this.#nodeId)?.({ kind: 'closed', reason });
    this.#answerTimer.stop();
    this.#record?.closed();
    this.#context.stats.streamsActive--;
    this.#context.onClosed(this, this.#key);
  }
}

function onAnswerTimeout<Request extends RequestBase>(stream: Stream<Request>): void {
  stream.cutOff();
}
