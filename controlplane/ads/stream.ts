// One discovery stream of one node: all types of it (ADS), or one type. It takes the node from snapshot to
// snapshot, one at a time: what changes meanwhile waits, and only the newest of it is used. A pass has two
// phases (make before break; type-order.ts has all types):
//
//   add:    cluster, endpoint, secret   then, when clusters and endpoints were answered:   listener, route
//   remove: when all that was answered, users first: listener -> route -> cluster -> endpoint -> secret
//
// Endpoints and secrets never wait for the answer to clusters, nor routes for that to listeners: Envoy ACKs
// clusters only when they are warm, which needs the former (it pauses CDS meanwhile; seen with 1.40).
// At most one response per type is under way, and a NACK is followed by silence until the content changes.
// The only writer of its stream: while gRPC pushes back, neither writes nor reads.

import { status as grpcStatus } from '@grpc/grpc-js';
import { errorText } from '../../common/coded-error.ts';
import type { Timer } from '../../common/timer.ts';
import type { RequestBase } from '../../proto/discovery.ts';
import {
  isFullStateKind,
  isNamedKind,
  kindOfTypeUrl,
  typeUrlOfKind,
  type XdsKind,
} from '../cache/kinds.ts';
import { ResourceSet, type Snapshot, versionOf } from '../cache/snapshot.ts';
import type { StreamRecord, StreamView } from './ack-tracker.ts';
import { decodeNode, denialOf, namesForLog, type Peer } from './authn.ts';
import type { Protocol, RequestMeaning } from './protocol.ts';
import { RequestRate } from './request-rate.ts';
import type { AdsStream, StreamContext, StreamPort } from './stream-context.ts';
import {
  askedAgainAfter,
  byAddition,
  byRemoval,
  comesBehindClusters,
  firstKinds,
} from './type-order.ts';
import { type Outgoing, TypeState } from './type-state.ts';

const nothing: ReadonlyMap<string, number> = new Map();
/** Characters of a text that may repeat what a client said. As a header: what does not fit ends the connection. */
const MAX_DETAILS = 1024;

export class Stream<Request extends RequestBase> implements StreamView, AdsStream {
  readonly #protocol: Protocol<Request>;
  readonly #context: StreamContext;
  readonly #port: StreamPort;
  readonly #peer: Peer;
  /** Of a stream for one type; null = aggregated. */
  readonly #only: XdsKind | null;
  /** Those asked for, in the order in which they are sent. */
  readonly #types: TypeState[] = [];
  readonly #answerTimer: Timer;
  readonly #rate: RequestRate;
  #key: string | null = null;
  /** '' before the node was admitted. */
  #nodeId = '';
  #record: StreamRecord | null = null;
  #hasTtl = false;
  /** The snapshot that the node is being brought to; null between passes. */
  #target: Snapshot | null = null;
  /** When the snapshot changed that the stream has not begun with, and the one of the pass; monotonic, 0 = none. */
  #changedMs = 0;
  #passSinceMs = 0;
  #nonce = 0;
  /** gRPC's buffer is full. */
  #isBlocked = false;
  #isClosed = false;

  constructor(
    protocol: Protocol<Request>,
    port: StreamPort,
    peer: Peer,
    context: StreamContext,
    only: XdsKind | null = null,
  ) {
    this.#protocol = protocol;
    this.#port = port;
    this.#peer = peer;
    this.#context = context;
    this.#only = only;
    this.#rate = new RequestRate(context.requestsPerSecond, context.clock.nowMs());
    this.#answerTimer = context.timers.createTimer(onAnswerTimeout<Request>, this);
    this.#answerTimer.start(context.helloTimeoutMs);
    context.stats.streamsActive++;
    context.stats.streamsTotal++;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A response waits for its answer. */
  get isBusy(): boolean {
    return this.#types.some((state) => state.outstandingNonce !== null);
  }

  /** A message came. Never throws. */
  onMessage(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#take(bytes);
    } catch (thrown) {
      // Gates and listeners may be a library user's: what they throw costs this stream, not the process.
      this.#log().error({ error: errorText(thrown) }, 'cannot take a request');
      this.end(grpcStatus.INTERNAL, 'cannot take the request');
    }
  }

  #take(bytes: Uint8Array): void {
    this.#limitRate();
    let request: Request;
    try {
      request = this.#protocol.decode(bytes);
    } catch (thrown) {
      this.#fail(grpcStatus.INVALID_ARGUMENT, `malformed request: ${errorText(thrown)}`);
      return;
    }
    if (this.#key === null && !this.#admit(request.node)) return;
    const kind = this.#kindOf(request.typeUrl);
    if (kind === null) return;
    if (kind === 'unknown') this.#refuseUnknown(request, bytes.length);
    else if (this.#mayAsk(kind, request)) this.#onRequest(kind, request, bytes.length);
  }

  /** gRPC takes messages again. */
  onDrain(): void {
    if (this.#isClosed || !this.#isBlocked) return;
    this.#isBlocked = false;
    this.#resume();
    this.pump();
  }

  /** The stream's snapshot is another one since then (monotonic). */
  noteChange(nowMs: number): void {
    if (this.#changedMs === 0) this.#changedMs = nowMs;
  }

  /** Renews TTLs that are due; called now and then. Never throws. */
  heartbeat(nowMs: number): void {
    if (!this.#hasTtl || this.#isClosed) return;
    for (const state of this.#types) {
      if (this.#isClosed || this.#isBlocked) return;
      if (state.outstandingNonce === null && !this.#isChanging(state)) this.#renew(state, nowMs);
    }
  }

  /**
   * In the middle of a pass it is not clear which version of what it changes is to live on; the pass renews what it
   * sends. Other types must not die of a cluster that takes a minute to warm.
   */
  #isChanging(state: TypeState): boolean {
    return this.#target !== null && state.settledSet !== this.#target.set(state.kind);
  }

  #renew(state: TypeState, nowMs: number): void {
    const set = state.settledSet;
    const minTtlMs = set?.minTtlMs ?? null;
    if (set === null || minTtlMs === null) return;
    const isDue = state.heartbeatMs !== 0 && nowMs >= state.heartbeatMs;
    const nextMs = nowMs + minTtlMs / 2;
    // Meanwhile there may be a shorter TTL than when it was set.
    if (state.heartbeatMs === 0 || isDue || nextMs < state.heartbeatMs) state.heartbeatMs = nextMs;
    if (!isDue) return;
    const wanted = state.wanted(set);
    const mortal = wanted.filter(({ ttlMs }) => ttlMs !== null);
    if (mortal.length === 0) return;
    const version = wanted.length === set.size ? set.version : versionOf(wanted);
    // What is absent from the whole state would be gone.
    const isWhole = this.#protocol.name === 'sotw' && isFullStateKind(state.kind);
    this.#context.stats.heartbeatsTotal.add(state.kind);
    const resources = isWhole ? wanted : mortal;
    this.#send(state, { resources, removed: [], version, isHeartbeat: true });
  }

  /** The peer ended the stream, or the connection is gone. */
  onEnd(): void {
    this.#close('');
  }

  /** The server ends the stream. */
  end(code: number, details: string): void {
    if (this.#isClosed) return;
    const text = details.slice(0, MAX_DETAILS);
    this.#close(text);
    this.#port.end(code, text);
  }

  /** Sends what may be sent now. Called when the snapshot changed; never throws. */
  pump(): void {
    try {
      this.#advance();
    } catch (thrown) {
      this.#log().error({ error: errorText(thrown) }, 'cannot build a response');
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
      this.end(admission.code ?? grpcStatus.PERMISSION_DENIED, admission.reason);
      return false;
    }
    const { nodeId, snapshotKey } = admission;
    // Pinned here: what later requests say in `node` is not looked at.
    this.#key = snapshotKey;
    this.#nodeId = nodeId;
    const protocol = this.#protocol.name;
    const { userAgent } = node;
    const { address } = this.#peer;
    this.#record = tracker.open({ nodeId, snapshotKey, protocol, userAgent, address }, this);
    this.#context.taps.of(nodeId)?.({ kind: 'opened', protocol, userAgent, address });
    this.#hasTtl = node.clientFeatures.includes(this.#protocol.ttlFeature);
    this.#answerTimer.stop();
    onKeyed(this, snapshotKey);
    return true;
  }

  /** Made when there is something to say: a logger per stream would cost more than the stream. */
  #log() {
    const { logger } = this.#context;
    return this.#nodeId === '' ? logger : logger.child({ component: `ads ${this.#nodeId}` });
  }

  /** Null = the stream was ended. */
  #kindOf(typeUrl: string): XdsKind | 'unknown' | null {
    const only = this.#only;
    if (only !== null) {
      if (typeUrl === '' || typeUrl === typeUrlOfKind(only)) return only;
      this.#fail(grpcStatus.INVALID_ARGUMENT, `this stream is for ${typeUrlOfKind(only)}`);
      return null;
    }
    if (typeUrl === '') {
      this.#fail(grpcStatus.INVALID_ARGUMENT, 'type_url is required on an aggregated stream');
      return null;
    }
    const kind = kindOfTypeUrl(typeUrl);
    return kind === null || !this.#context.serves(kind) ? 'unknown' : kind;
  }

  /** Who asks for a secret that is not its own, or for all of them, wants to steal. */
  #mayAsk(kind: XdsKind, request: Request): boolean {
    if (kind !== 'secret' && isNamedKind(kind)) return true;
    const names = this.#protocol.namesOf(request);
    const reason = denialOf(this.#context.mayAskFor, this.#key ?? '', kind, names);
    if (reason === null) return true;
    this.#context.stats.deniedTotal++;
    const { address: peer } = this.#peer;
    const why = reason.slice(0, MAX_DETAILS);
    this.#log().warn({ peer, kind, names: namesForLog(names), reason: why }, 'xDS request denied');
    this.end(grpcStatus.PERMISSION_DENIED, why);
    return false;
  }

  #limitRate(): void {
    const { clock, timers, stats } = this.#context;
    const waitMs = this.#rate.take(clock.nowMs());
    if (waitMs === 0 || this.#rate.isWaiting) return;
    stats.throttledTotal++;
    this.#rate.wait(timers, waitMs, () => this.#resume());
    this.#port.pause();
  }

  #resume(): void {
    if (!this.#isClosed && !this.#isBlocked && !this.#rate.isWaiting) this.#port.resume();
  }

  /** What the node would get now. */
  #currentSet(kind: XdsKind): ResourceSet {
    const snapshot = this.#key === null ? null : this.#context.cache.get(this.#key);
    return snapshot?.set(kind) ?? ResourceSet.empty;
  }

  #typeOf(kind: XdsKind): TypeState | null {
    for (const state of this.#types) if (state.kind === kind) return state;
    return null;
  }

  #onRequest(kind: XdsKind, request: Request, bytes: number): void {
    const { stats, maxNames } = this.#context;
    let state = this.#typeOf(kind);
    if (state === null) {
      state = new TypeState(kind);
      this.#types.push(state);
      this.#types.sort((left, right) => byAddition(left.kind, right.kind));
    }
    const { namesVersion } = state.subscription;
    const current = this.#currentSet(kind);
    const meaning = this.#protocol.read(state, request, current);
    this.#tapRequest(meaning, request, bytes);
    if (state.subscription.namesVersion !== namesVersion) {
      state.noteMissing(current, this.#context.clock.wallMs(), true);
    }
    // SotW clients use the good part of what they refuse: their version then says less than they hold.
    if (this.#record?.hasNack(kind) === true) state.resumeVersion = '';
    switch (meaning) {
      case 'ack':
        stats.acksTotal.add(kind);
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
    this.#context.stats.nacksTotal.add(kind);
    if (this.#record?.nacked(kind, reason) === true) {
      this.#log().warn({ kind, reason: reason.slice(0, MAX_DETAILS) }, 'resources refused (NACK)');
    }
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
    const changedMs = this.#changedMs;
    this.#changedMs = 0;
    for (const state of this.#types) {
      if (!state.needsAttention(snapshot.set(state.kind))) continue;
      this.#target = snapshot;
      this.#passSinceMs = changedMs;
      this.#record?.began();
      return true;
    }
    return false;
  }

  #endPass(target: Snapshot): void {
    const { clock, stats } = this.#context;
    for (const state of this.#types) {
      const set = target.set(state.kind);
      state.noteMissing(set, clock.wallMs(), false);
      state.settle(set);
      this.#record?.settled(state.kind, set);
    }
    this.#target = null;
    if (this.#passSinceMs === 0) return;
    stats.pushSeconds.observe((clock.nowMs() - this.#passSinceMs) / 1000);
    this.#passSinceMs = 0;
  }

  /** True when the node has answered for everything new. */
  #addAll(target: Snapshot): boolean {
    for (const state of this.#types) {
      if (state.outstandingNonce !== null || this.#isBlocked) continue;
      const set = target.set(state.kind);
      if (!state.needsAdditions(set)) continue;
      if (comesBehindClusters(state.kind) && firstKinds.some((kind) => this.isOutstanding(kind))) {
        continue;
      }
      const outgoing = this.#protocol.additions(state, set);
      if (outgoing === null) state.addedSet = set;
      else this.#send(state, outgoing);
      if (this.#isClosed) return false;
    }
    return !this.#isBlocked && this.#types.every((state) => state.outstandingNonce === null);
  }

  /** Sends the next removal. True when there is none (left). */
  #removeNext(target: Snapshot): boolean {
    const users = this.#types.toSorted((left, right) => byRemoval(left.kind, right.kind));
    for (const state of users) {
      const set = target.set(state.kind);
      if (!state.needsAttention(set)) continue;
      const outgoing = this.#protocol.removals(state, set);
      if (outgoing === null) continue;
      this.#send(state, outgoing);
      return false;
    }
    return true;
  }

  subscription(kind: XdsKind): TypeState['subscription'] | null {
    return this.#typeOf(kind)?.subscription ?? null;
  }

  missing(kind: XdsKind): ReadonlyMap<string, number> {
    return this.#typeOf(kind)?.missingSince ?? nothing;
  }

  isOutstanding(kind: XdsKind): boolean {
    const nonce = this.#typeOf(kind)?.outstandingNonce;
    return nonce !== undefined && nonce !== null;
  }

  #send(state: TypeState, outgoing: Outgoing): void {
    const { stats, identifier, maxResponseBytes } = this.#context;
    const nonce = String(++this.#nonce);
    const frame = { nonce, controlPlane: identifier, hasTtl: this.#hasTtl };
    const message = this.#protocol.encode(state, outgoing, frame);
    if (message.length > maxResponseBytes) {
      this.#log().error({ kind: state.kind, bytes: message.length }, 'response too large');
      this.end(
        grpcStatus.RESOURCE_EXHAUSTED,
        `a ${state.kind} response has ${message.length} bytes; the limit is ${maxResponseBytes}`,
      );
      return;
    }
    state.lastNonce = nonce;
    state.outstandingNonce = nonce;
    state.wasParentSent = false;
    if (outgoing.isHeartbeat !== true) this.#oweChildren(state.kind, outgoing);
    stats.responsesTotal.add(state.kind);
    this.#record?.sent(state.kind, outgoing);
    const { typeUrl } = state;
    this.#context.taps.of(this.#nodeId)?.({
      kind: 'response',
      ...{ typeUrl, nonce, ...outgoing, bytes: message.length },
    });
    if (!this.#answerTimer.isArmed()) this.#armAnswerTimer();
    this.#write(message);
  }

  /**
   * A cluster that was sent warms in Envoy until its endpoints come (again), changed or not. So they
   * follow by themselves, and a request for them is answered although nothing changed.
   */
  #oweChildren(kind: XdsKind, outgoing: Outgoing): void {
    for (const child of askedAgainAfter(kind)) {
      const state = this.#typeOf(child);
      if (state !== null) state.wasParentSent = true;
    }
    const endpoints = this.#typeOf('endpoint');
    if (kind !== 'cluster' || endpoints === null) return;
    for (const cluster of outgoing.resources) {
      for (const { kind: to, name } of cluster.references) {
        if (to === 'endpoint' && endpoints.subscription.wants(name)) endpoints.owe(name);
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
    for (const { nameCount } of this.#types) count += nameCount;
    return count;
  }

  /** Runs while any response waits for its answer. */
  #armAnswerTimer(): void {
    this.#answerTimer.stop();
    for (const { outstandingNonce } of this.#types) {
      if (outstandingNonce === null) continue;
      this.#answerTimer.start(this.#context.answerTimeoutMs);
      return;
    }
  }

  /** Of the answer timer. */
  cutOff(): void {
    const { stats, helloTimeoutMs, answerTimeoutMs } = this.#context;
    stats.slowStreamsTotal++;
    const kinds = this.#types
      .filter(({ outstandingNonce }) => outstandingNonce !== null)
      .map(({ kind }) => kind);
    const what =
      this.#key === null
        ? `no request within ${helloTimeoutMs} ms`
        : `no answer to ${kinds.join(', ')} within ${answerTimeoutMs} ms`;
    this.#log().warn({ peer: this.#peer.address, what }, 'slow xDS stream cut off');
    this.end(grpcStatus.DEADLINE_EXCEEDED, what);
  }

  #fail(code: number, details: string): void {
    this.#context.stats.badRequestsTotal++;
    this.#log().warn({ peer: this.#peer.address, details }, 'bad xDS request');
    this.end(code, details);
  }

  #close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.taps.of(this.#nodeId)?.({ kind: 'closed', reason });
    this.#answerTimer.stop();
    this.#rate.stop();
    this.#record?.closed();
    this.#context.stats.streamsActive--;
    this.#context.onClosed(this, this.#key);
  }
}

function onAnswerTimeout<Request extends RequestBase>(stream: Stream<Request>): void {
  stream.cutOff();
}
