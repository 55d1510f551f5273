// What a stream needs from outside: the gRPC side of itself, and what all streams of a server share.

import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { XdsKind } from '../cache/kinds.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import type { AckTracker } from './ack-tracker.ts';
import type { AdsStats } from './ads-stats.ts';
import type { Authenticator, NameGuard } from './authn.ts';
import type { StreamTaps } from './stream-taps.ts';

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

/** A stream (stream.ts), as the server sees it. */
export interface AdsStream {
  /** A response waits for its answer. */
  readonly isBusy: boolean;
  /** Sends what may be sent now. */
  pump(): void;
  noteChange(nowMs: number): void;
  heartbeat(nowMs: number): void;
  end(code: number, details: string): void;
}

/** What all streams of a server share. */
export interface StreamContext {
  readonly cache: SnapshotCache;
  readonly tracker: AckTracker;
  readonly taps: StreamTaps;
  readonly stats: AdsStats;
  readonly authenticate: Authenticator;
  readonly mayAskFor: NameGuard;
  /** False = a request for that type is answered as one for a type that we do not know. */
  readonly serves: (kind: XdsKind) => boolean;
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
  /** Above it a stream's requests wait; a burst of as many seconds' worth as BURST_SECONDS may come at once. */
  readonly requestsPerSecond: number;
  /** The stream knows its snapshot's key now, or is gone. */
  readonly onKeyed: (stream: AdsStream, key: string) => void;
  readonly onClosed: (stream: AdsStream, key: string | null) => void;
}
