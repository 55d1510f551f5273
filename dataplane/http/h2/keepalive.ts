// connection_keepalive: PINGs, and the end of a connection whose peer answers nothing (core.v3.KeepaliveSettings).
// Any bytes of the peer after the PING prove that it is there, as its answer does.
//
//   idle --interval + jitter--> PING sent --answer--> idle
//                                   '--timeout without a byte--> connection closed, http2.keepalive_timeout

import type { Clock } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { KeepaliveData } from '../../api/config/http2.ts';
import { type Connection, ConnectionCloseType } from '../../api/connection.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import type { Http2ClientOptions, Http2ServerOptions } from './options.ts';

/** What it asks of the codec's connection. */
interface KeepaliveOwner {
  readonly connection: Connection;
  readonly stats: Http2CodecStats;
  readonly timers: TimerService;
  /** `payload`: 8 bytes. */
  readonly outbound: { writePing(payload: Buffer): void };
}

export class Keepalive {
  readonly #connection: KeepaliveOwner;
  readonly #data: KeepaliveData | null;
  readonly #clock: Clock;
  readonly #random: () => number;
  #intervalTimer: Timer | null;
  #timeoutTimer: Timer | null;
  #isWaiting: boolean;
  #sentMs: number;
  /** Clock.nowMs; kept only when there is something to keep alive. */
  #lastBytesMs: number;
  #pings: number;

  constructor(connection: KeepaliveOwner, options: Http2ServerOptions | Http2ClientOptions) {
    this.#connection = connection;
    this.#data = options.protocol.keepalive;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#intervalTimer = null;
    this.#timeoutTimer = null;
    this.#isWaiting = false;
    this.#sentMs = 0;
    this.#lastBytesMs = 0;
    this.#pings = 0;
  }

  start(): void {
    if (this.#data === null) return;
    this.#lastBytesMs = this.#clock.nowMs();
    this.#armInterval(this.#data);
  }

  stop(): void {
    this.#intervalTimer?.stop();
    this.#timeoutTimer?.stop();
  }

  onBytes(): void {
    if (this.#data !== null) this.#lastBytesMs = this.#clock.nowMs();
  }

  onAck(): void {
    if (this.#data === null || !this.#isWaiting) return;
    this.#isWaiting = false;
    this.#timeoutTimer?.stop();
    this.#armInterval(this.#data);
  }

  /** A stream begins: a connection that was silent for long is asked first whether it is there. */
  onNewStream(): void {
    const data = this.#data;
    if (data === null || data.idleIntervalMs === 0 || this.#isWaiting) return;
    if (this.#clock.nowMs() - this.#lastBytesMs >= data.idleIntervalMs) this.#ping(data);
  }

  onInterval(): void {
    if (this.#data !== null && !this.#isWaiting) this.#ping(this.#data);
  }

  onTimeout(): void {
    const data = this.#data;
    if (data === null || !this.#isWaiting) return;
    const leftMs = this.#lastBytesMs + data.timeoutMs - this.#clock.nowMs();
    if (this.#lastBytesMs > this.#sentMs && leftMs > 0) {
      this.#timeoutTimer?.start(leftMs);
      return;
    }
    this.#connection.stats.keepaliveTimeout++;
    const { connection } = this.#connection;
    connection.connectionTerminationDetails = 'http2_ping_timeout';
    connection.close(ConnectionCloseType.NoFlush);
  }

  #ping(data: KeepaliveData): void {
    this.#isWaiting = true;
    this.#intervalTimer?.stop();
    this.#sentMs = this.#clock.nowMs();
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(++this.#pings, 4);
    this.#connection.outbound.writePing(payload);
    this.#timeoutTimer ??= this.#connection.timers.createTimer(onTimeout, this);
    this.#timeoutTimer.start(data.timeoutMs);
  }

  #armInterval({ intervalMs, intervalJitterPercent }: KeepaliveData): void {
    if (intervalMs === 0) return;
    this.#intervalTimer ??= this.#connection.timers.createTimer(onInterval, this);
    const jitterMs = (intervalMs * intervalJitterPercent * this.#random()) / 100;
    this.#intervalTimer.start(intervalMs + jitterMs);
  }
}

function onInterval(keepalive: Keepalive): void {
  keepalive.onInterval();
}

function onTimeout(keepalive: Keepalive): void {
  keepalive.onTimeout();
}
