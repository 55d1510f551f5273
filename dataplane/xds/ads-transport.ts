// Keeps one stream to a management server open for as long as the client runs: connects, reconnects with jittered
// back-off, passes bytes. Of xDS, load reports and delegated health checks alike: knows no types and no resources, the
// handler above does. Never touches traffic.
//
//   stopped --start--> connecting --first good message (back-off reset)--> connected
//                        ^   `--closed--> waiting <--closed--'
//                        `---back-off over---'

import { JitteredBackoff } from '../../common/backoff.ts';
import type { Clock, Random } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { RequestRateLimit } from '../api/config/config-source.ts';
import type { AdsCall, AdsChannel, AdsChannelFactory } from './ads-channel.ts';
import { RequestQueue } from './request-queue.ts';
import { ServerChoice } from './server-choice.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

/** The mux, as the transport sees it. */
export interface TransportHandler {
  /**
   * A stream is open (perhaps not yet connected): the first requests may be sent. `isOther`: to another server than the
   * one that told what is held.
   */
  onOpen(isOther: boolean): void;
  /** Throws when the bytes break the protocol: the stream is closed then. */
  onMessage(bytes: Uint8Array): void;
  /** It is gone, or could not even be opened. */
  onClosed(): void;
}

/** One of the servers that may be called. */
export interface TransportServer {
  readonly channelFactory: AdsChannelFactory;
  /** Back-off; defaults 500 and 30 000 (GrpcService.EnvoyGrpc.retry_policy). */
  readonly baseBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** connect_timeout of the cluster; default 5000. An address may swallow packets for minutes. */
  readonly connectTimeoutMs?: number;
}

export interface AdsTransportOptions {
  /** One, or a primary and a failover (server-choice.ts). */
  readonly servers: readonly TransportServer[];
  /** gRPC path. */
  readonly path: string;
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: Pick<ControlPlaneStats, 'connectedState' | 'malformedResponses'>;
  /** What the log says when it was closed. */
  readonly closedText?: string;
  /** Of requests; absent or null = none. */
  readonly rateLimit?: {
    readonly limit: RequestRateLimit;
    readonly stats: Pick<ControlPlaneStats, 'pendingRequests' | 'rateLimitEnforced'>;
  } | null;
}

/** A server that sends but does not read must not make us queue answers without end. */
const MAX_QUEUED_REQUESTS = 10_000;
/** A flapping server is told of once in this time. */
const LOG_EVERY_MS = 30_000;

export class AdsTransport {
  readonly #options: AdsTransportOptions;
  readonly #handler: TransportHandler;
  /** Per server. */
  readonly #backoffs: readonly JitteredBackoff[];
  readonly #choice: ServerChoice;
  readonly #requests: RequestQueue | null;
  readonly #retryTimer: Timer;
  readonly #connectTimer: Timer;
  #isRunning = false;
  #channel: AdsChannel | null = null;
  #call: AdsCall | null = null;
  /** Callbacks of an earlier call than this one are nobody's concern. */
  #generation = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdsTransportOptions, handler: TransportHandler) {
    this.#options = options;
    this.#handler = handler;
    const { servers, random, rateLimit = null } = options;
    this.#backoffs = servers.map(
      ({ baseBackoffMs = 500, maxBackoffMs = 30_000 }) =>
        new JitteredBackoff(baseBackoffMs, maxBackoffMs, random),
    );
    this.#choice = new ServerChoice(servers.length > 1);
    this.#requests =
      rateLimit === null
        ? null
        : new RequestQueue({ ...options, ...rateLimit, send: (bytes) => this.#call?.send(bytes) });
    this.#retryTimer = options.timers.createTimer(openStream, this);
    this.#connectTimer = options.timers.createTimer(onConnectTimeout, this);
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.open();
  }

  /** Ends the stream and stays away. */
  stop(): void {
    this.#isRunning = false;
    this.#retryTimer.stop();
    this.#drop();
  }

  get isOpen(): boolean {
    return this.#call !== null;
  }

  /** Sends on the open stream; without one the message is dropped (the next stream begins anew). */
  send(bytes: Buffer): void {
    if (this.#call === null) return;
    if (this.#requests === null) this.#call.send(bytes);
    else this.#requests.add(bytes);
    const queued = this.#call.queuedCount() + (this.#requests?.size ?? 0);
    if (queued > MAX_QUEUED_REQUESTS) this.fail('the peer does not read');
  }

  /** Of the retry timer. */
  open(): void {
    const generation = ++this.#generation;
    const server = this.#options.servers[this.#choice.index];
    if (server === undefined) throw new Error('no server to call');
    try {
      this.#channel = server.channelFactory();
      this.#call = this.#channel.open(this.#options.path, {
        onConnected: () => {
          if (generation === this.#generation) this.#onConnected();
        },
        onMessage: (bytes) => {
          if (generation === this.#generation) this.#onMessage(bytes);
        },
        onClosed: (code, details) => {
          if (generation === this.#generation) this.#onClosed(`${details} (gRPC status ${code})`);
        },
      });
    } catch (thrown) {
      // A certificate file that is being replaced, say.
      this.#onClosed(errorText(thrown));
      return;
    }
    this.#connectTimer.start(server.connectTimeoutMs ?? 5000);
    this.#handler.onOpen(this.#choice.isOther);
  }

  /** Of the connect timer, and whenever a peer misbehaves. */
  fail(reason: string): void {
    if (this.#call !== null) this.#onClosed(reason);
  }

  #onConnected(): void {
    this.#connectTimer.stop();
    // Envoy: 1 = the primary, 2 = the failover.
    this.#options.stats.connectedState = this.#choice.index + 1;
  }

  #onMessage(bytes: Buffer): void {
    const generation = this.#generation;
    try {
      this.#handler.onMessage(bytes);
    } catch (thrown) {
      this.#options.stats.malformedResponses++;
      this.fail(`malformed response: ${errorText(thrown)}`);
      return;
    }
    // Its answer was one too many (see send): what follows is about another call.
    if (generation !== this.#generation) return;
    // Not for garbage: a peer that sends only that is called less and less often.
    this.#backoffs[this.#choice.index]?.reset();
    this.#choice.onMessage();
    this.#loggedAtMs = Number.NEGATIVE_INFINITY;
  }

  #onClosed(reason: string): void {
    const { logger, clock } = this.#options;
    this.#drop();
    this.#choice.onClosed();
    this.#handler.onClosed();
    if (!this.#isRunning) return;
    const delayMs = this.#backoffs[this.#choice.index]?.nextMs() ?? 0;
    const fields = { reason, retryInMs: Math.round(delayMs) };
    if (clock.nowMs() - this.#loggedAtMs >= LOG_EVERY_MS) {
      this.#loggedAtMs = clock.nowMs();
      const closedText = 'xDS stream closed; the last good configuration stays';
      logger.warn(fields, this.#options.closedText ?? closedText);
    } else {
      logger.debug(fields, 'stream closed again');
    }
    this.#retryTimer.start(delayMs);
  }

  #drop(): void {
    this.#generation++;
    const [call, channel] = [this.#call, this.#channel];
    this.#call = null;
    this.#channel = null;
    this.#connectTimer.stop();
    this.#requests?.clear();
    this.#options.stats.connectedState = 0;
    call?.cancel();
    channel?.close();
  }
}

function openStream(transport: AdsTransport): void {
  transport.open();
}

function onConnectTimeout(transport: AdsTransport): void {
  transport.fail('connect timeout');
}
