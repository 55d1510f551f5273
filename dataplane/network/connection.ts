// The one Connection implementation: a plain or TLS socket, accepted or made by connector.ts.
// Used by listener (downstream) and upstream pools; knows nothing of the protocol above it.
//
//   Connecting --onConnected()--> Open --close(Flush*)--> Closing --flushed, delay over--> Closed
//        '------------------ error, peer's end, close(NoFlush) -------------------------------^
//
// Raises exactly one RemoteClose or LocalClose, synchronously when close(NoFlush) is called.

import { Socket } from 'node:net';
import type { Timer, TimerService } from '../../common/timer.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
  type DynamicMetadata,
  type ProxyProtocolInfo,
  type SocketAddress,
  type TlsInfo,
} from '../api/connection.ts';
import { enterReadEvent, leaveReadEvent, scheduleFlush } from './flush-queue.ts';
import { HandleReader } from './handle-reader.ts';
import { LARGE_SLAB_BYTES } from './read-slab.ts';
import { RecordReader } from './record-reader.ts';
import type { StreamHandle, WriteOwner } from './stream-handle.ts';
import type { ReadOwner, StreamReader } from './stream-reader.ts';
import { SocketTransport, type Transport, type TransportOwner } from './transport.ts';
import { WriteQueue } from './write-queue.ts';

/** Where received bytes go: a network filter chain, or a client codec. */
export interface ReadSink {
  /**
   * `data` is the sink's until it returns; whoever keeps bytes copies them (read-slab.ts, keepBytes).
   * `endStream`: half-close is on and FIN came.
   */
  onData(data: Buffer, endStream: boolean): void;
}

/** Shared byte counters of a listener or cluster (`downstream_cx_rx_bytes_total` ...). */
export interface TrafficCounters {
  rxBytesTotal: number;
  txBytesTotal: number;
}

/** What a SocketConnection is made with. */
export interface SocketConnectionOptions {
  /** Unique in this process. */
  readonly id: number;
  readonly timers: TimerService;
  /** per_connection_buffer_limit_bytes: high watermark of the write buffer; 0 = none. Default 1 MiB. */
  readonly bufferLimitBytes?: number;
  /** HCM.delayed_close_timeout, ms; 0 = close as soon as flushed. Default 1000. */
  readonly delayedCloseTimeoutMs?: number;
  readonly traffic?: TrafficCounters | null;
  /** Bytes go nowhere and reading is not started until one is given, here or to setReadSink. */
  readonly readSink?: ReadSink | null;
  readonly tls?: TlsInfo | null;
  readonly requestedServerName?: string;
  readonly nextProtocol?: string;
  /** What the socket says unless a listener filter knows better (proxy_protocol, original_dst). */
  readonly remoteAddress?: SocketAddress;
  readonly localAddress?: SocketAddress;
  readonly directRemoteAddress?: SocketAddress;
  readonly localAddressRestored?: boolean;
  readonly proxyProtocol?: ProxyProtocolInfo | null;
  readonly dynamicMetadata?: DynamicMetadata | null;
  /** The socket is still connecting; the connector calls onConnected later. */
  readonly connecting?: boolean;
}

const State = { Connecting: 0, Open: 1, Closing: 2, Closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
const DEFAULT_DELAYED_CLOSE_MS = 1000;
/** More than this is not held back until the end of the turn: what one read brings at most. */
const FLUSH_AT_BYTES = LARGE_SLAB_BYTES;
const EMPTY = Buffer.alloc(0);
const NO_ADDRESS: SocketAddress = { ip: '', port: 0 };

/** See the head comment. The socket belongs to the connection, nobody else touches it. */
export class SocketConnection implements Connection, ReadOwner, WriteOwner, TransportOwner {
  readonly id: number;
  remoteAddress: SocketAddress;
  readonly directRemoteAddress: SocketAddress;
  localAddress: SocketAddress;
  readonly localAddressRestored: boolean;
  proxyProtocol: ProxyProtocolInfo | null;
  readonly dynamicMetadata: DynamicMetadata | null;
  tls: TlsInfo | null;
  requestedServerName: string;
  nextProtocol: string;
  transportFailureReason = '';
  connectionTerminationDetails = '';
  wasReset = false;
  /** Plaintext bytes read and handed to the socket since the start. */
  bytesReceived = 0;
  bytesSent = 0;

  /** Turns an error while connecting into transportFailureReason; the connector sets it. */
  transportErrorText: (error: NodeJS.ErrnoException) => string = plainErrorText;

  #transport: Transport;
  /** Null while connecting and once closed: nothing can be written. */
  #handle: StreamHandle | null = null;
  #reader: StreamReader | null = null;
  readonly #timers: TimerService;
  readonly #bufferLimitBytes: number;
  #delayedCloseTimeoutMs: number;
  readonly #traffic: TrafficCounters | null;
  readonly #callbacks: ConnectionCallbacks[] = [];
  #sink: ReadSink | null;
  #state: State;
  #readDisableCount = 0;
  #halfClose = false;
  #remoteEnded = false;
  #localEnded = false;
  readonly #queue: WriteQueue = new WriteQueue(this);
  /** Read by Node before us: put back by a listener filter, or decrypted with the handshake. */
  #early: Buffer | null = null;
  #endAfterEarly = false;
  #flushScheduled = false;
  #aboveHighWatermark = false;
  /** endWrite or close came: FIN follows the last byte. */
  #endAfterFlush = false;
  #closeTimer: Timer | null = null;
  #waitForPeer = false;
  /** Ends with RST instead of FIN. */
  #sendsReset = false;
  /** Bytes not yet taken when the close timer was armed, to see progress. */
  #closeProgress = 0;

  constructor(socket: Socket | Transport, options: SocketConnectionOptions) {
    const transport = socket instanceof Socket ? new SocketTransport(socket) : socket;
    this.#transport = transport;
    this.id = options.id;
    this.#timers = options.timers;
    this.#bufferLimitBytes = options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
    this.#delayedCloseTimeoutMs = options.delayedCloseTimeoutMs ?? DEFAULT_DELAYED_CLOSE_MS;
    this.#traffic = options.traffic ?? null;
    this.#sink = null;
    this.tls = options.tls ?? null;
    this.requestedServerName = options.requestedServerName ?? '';
    this.nextProtocol = options.nextProtocol ?? '';
    this.remoteAddress = options.remoteAddress ?? transport.remoteAddress() ?? NO_ADDRESS;
    this.directRemoteAddress = options.directRemoteAddress ?? this.remoteAddress;
    this.localAddress = options.localAddress ?? transport.localAddress() ?? NO_ADDRESS;
    this.localAddressRestored = options.localAddressRestored ?? false;
    this.proxyProtocol = options.proxyProtocol ?? null;
    this.dynamicMetadata = options.dynamicMetadata ?? null;
    this.#state = options.connecting === true ? State.Connecting : State.Open;
    transport.attach(this);
    if (this.#state === State.Open) this.#handle = transport.handle();
    if (options.readSink !== undefined && options.readSink !== null) {
      this.setReadSink(options.readSink);
    }
  }

  /** Gives received bytes to `sink` from now on and starts reading (unless readDisabled). */
  setReadSink(sink: ReadSink): void {
    this.#sink = sink;
    if (this.#state === State.Open) this.#startReading();
  }

  /** The connector: the transport is up (TLS verified). Raises Connected and starts reading. */
  onConnected(): void {
    if (this.#state !== State.Connecting) return;
    this.#state = State.Open;
    this.#handle = this.#transport.handle();
    this.remoteAddress = this.#transport.remoteAddress() ?? this.remoteAddress;
    this.localAddress = this.#transport.localAddress() ?? NO_ADDRESS;
    this.#raise(ConnectionEvent.Connected);
    if (this.#state !== State.Open) return;
    if (this.#sink !== null) this.#startReading();
    if (this.#queue.pendingBytes > 0 && !this.#flushScheduled) this.flush();
  }

  /** The connector: TLS now stands between us and the connected socket. Only while connecting. */
  replaceSocket(socket: Socket): void {
    this.#transport = new SocketTransport(socket);
    this.#transport.attach(this);
  }

  /** The connector: the peer is there but not acceptable. Raises RemoteClose. */
  failConnecting(reason: string): void {
    this.transportFailureReason = reason;
    this.#finish(ConnectionEvent.RemoteClose);
  }

  addConnectionCallbacks(callbacks: ConnectionCallbacks): void {
    this.#callbacks.push(callbacks);
  }

  isOpen(): boolean {
    return this.#state <= State.Open;
  }

  setDelayedCloseTimeout(ms: number): void {
    this.#delayedCloseTimeoutMs = ms;
  }

  enableHalfClose(enabled: boolean): void {
    this.#halfClose = enabled;
  }

  writeBufferedBytes(): number {
    return this.#queue.pendingBytes + this.#queue.unwrittenBytes(this.#handle);
  }

  write(data: Buffer | string): void {
    if (this.#state > State.Open || this.#localEnded) return;
    if (data.length === 0) return;
    const queue = this.#queue;
    queue.add(data);
    if (queue.inFlightBytes > 0) this.#checkHighWatermark();
    else if (queue.pendingBytes >= FLUSH_AT_BYTES) this.flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      scheduleFlush(this);
    }
  }

  /** The flush queue's: hands everything gathered to the kernel in one call. */
  flush(): void {
    this.#flushScheduled = false;
    const queue = this.#queue;
    const bytes = queue.pendingBytes;
    const handle = this.#handle;
    if (bytes === 0 || handle === null || queue.inFlightBytes > 0) return;
    this.bytesSent += bytes;
    if (this.#traffic !== null) this.#traffic.txBytesTotal += bytes;
    const outcome = queue.writeTo(handle);
    if (outcome < 0) this.#onBroken(outcome);
    else if (outcome > 0) this.#checkHighWatermark();
  }

  /** The handle: the write in flight is done, or the connection is broken. */
  onWriteComplete(status: number): void {
    this.#queue.onWritten();
    if (this.#state === State.Closed) return;
    if (status < 0) {
      this.#onBroken(status);
      return;
    }
    this.flush();
    if (this.#endAfterFlush && this.#queue.heldBytes() === 0) this.#sendFin();
    this.#checkLowWatermark();
  }

  #checkHighWatermark(): void {
    const limit = this.#bufferLimitBytes;
    if (limit === 0 || this.#aboveHighWatermark || this.#state !== State.Open) return;
    if (this.#queue.heldBytes() <= limit) return;
    this.#aboveHighWatermark = true;
    for (let i = 0; i < this.#callbacks.length; i++) {
      this.#callbacks[i]!.onAboveWriteBufferHighWatermark();
    }
  }

  /** Envoy: the low watermark is half of the high one. */
  #checkLowWatermark(): void {
    if (!this.#aboveHighWatermark || this.#state > State.Open) return;
    if (this.#queue.heldBytes() > this.#bufferLimitBytes / 2) return;
    this.#aboveHighWatermark = false;
    for (let i = 0; i < this.#callbacks.length; i++) {
      this.#callbacks[i]!.onBelowWriteBufferLowWatermark();
    }
  }

  readDisable(disable: boolean): void {
    if (disable) {
      if (this.#readDisableCount++ === 0) this.#reader?.stop();
      return;
    }
    if (this.#readDisableCount === 0)
      throw new Error('readDisable(false) without readDisable(true)');
    if (--this.#readDisableCount === 0 && this.#state === State.Open) this.#resumeReading();
  }

  endWrite(): void {
    if (this.#state !== State.Open || this.#localEnded) return;
    this.flush();
    this.#localEnded = true;
    this.#finAfterFlush();
    if (this.#remoteEnded) this.close(ConnectionCloseType.FlushWrite);
  }

  close(type: ConnectionCloseType): void {
    if (this.#state === State.Closed) return;
    if (type === ConnectionCloseType.AbortReset && this.#state !== State.Connecting) {
      // Only TCP has resets: no port is a Unix socket.
      this.#sendsReset = this.tls === null && this.#transport.localAddress() !== null;
      this.#finish(ConnectionEvent.LocalClose);
      return;
    }
    if (type === ConnectionCloseType.NoFlush || this.#state === State.Connecting) {
      this.#finish(ConnectionEvent.LocalClose);
      return;
    }
    if (this.#state === State.Closing) return;
    this.flush();
    // flush() may have raised a watermark whose owner closed us.
    if (this.#state !== State.Open) return;
    this.#state = State.Closing;
    this.#waitForPeer =
      type === ConnectionCloseType.FlushWriteAndDelay && this.#delayedCloseTimeoutMs > 0;
    // What still comes is read and dropped: unread bytes would make the kernel send RST, which can
    // destroy the response that the peer has not read yet.
    this.#sink = null;
    this.#startReading();
    this.#early = null;
    if (this.#endAfterEarly) this.onReadEnd();
    this.#reader?.start();
    if (this.#delayedCloseTimeoutMs > 0) {
      this.#closeTimer = this.#timers.createTimer(onCloseTimer, this);
      this.#armCloseTimer();
    }
    this.#finAfterFlush();
  }

  /** The close timer fired: gives up, or waits on while the peer still takes bytes. */
  onCloseTimeout(): void {
    if (this.#state !== State.Closing) return;
    const left = this.writeBufferedBytes();
    if (left > 0 && left < this.#closeProgress) this.#armCloseTimer();
    else this.#finish(ConnectionEvent.LocalClose);
  }

  #armCloseTimer(): void {
    this.#closeProgress = this.writeBufferedBytes();
    this.#closeTimer?.start(this.#delayedCloseTimeoutMs);
  }

  #finAfterFlush(): void {
    if (this.#queue.heldBytes() > 0) this.#endAfterFlush = true;
    else this.#sendFin();
  }

  #sendFin(): void {
    this.#endAfterFlush = false;
    this.#transport.sendFin();
  }

  /** The transport's. */
  onFinSent(): void {
    if (this.#state !== State.Closing) return;
    if (!this.#waitForPeer || this.#remoteEnded) this.#finish(ConnectionEvent.LocalClose);
    else this.#armCloseTimer();
  }

  #startReading(): void {
    const handle = this.#handle;
    if (this.#reader !== null || handle === null) return;
    const Reader = this.#transport.isTls ? RecordReader : HandleReader;
    this.#reader = new Reader(handle, this, this.#bufferLimitBytes);
    this.#early = this.#transport.takeEarly();
    if (this.#readDisableCount === 0) this.#resumeReading();
  }

  #resumeReading(): void {
    if (this.#early === null) this.#reader?.start();
    else process.nextTick(deliverEarly, this);
  }

  /** In a tick of its own: who gave us the sink goes on first. */
  deliverEarly(): void {
    const data = this.#early;
    if (data === null || this.#readDisableCount > 0) return;
    this.#early = null;
    enterReadEvent();
    try {
      this.onRead(data);
      if (this.#endAfterEarly) this.onReadEnd();
    } finally {
      leaveReadEvent();
    }
    if (this.#readDisableCount === 0 && this.#state <= State.Closing) this.#reader?.start();
  }

  /** The reader's. */
  onRead(chunk: Buffer): void {
    const sink = this.#sink;
    if (sink === null) return;
    const { length } = chunk;
    this.bytesReceived += length;
    if (this.#traffic !== null) this.#traffic.rxBytesTotal += length;
    try {
      sink.onData(chunk, false);
    } catch (thrown) {
      // A bug above us costs this connection, not the process's others; the worker reports it.
      this.connectionTerminationDetails = 'internal_error';
      this.#finish(ConnectionEvent.LocalClose);
      throw thrown;
    }
  }

  /** The reader's: FIN (or TLS close_notify) came. */
  onReadEnd(): void {
    if (this.#remoteEnded || this.#state === State.Closed) return;
    if (this.#early !== null) {
      this.#endAfterEarly = true;
      return;
    }
    this.#remoteEnded = true;
    if (this.#state === State.Closing && this.#queue.heldBytes() > 0) return;
    const sink = this.#sink;
    const isHalfClose = this.#halfClose && sink !== null;
    const isOver = !this.#halfClose || this.#state !== State.Open || this.#localEnded;
    if (isHalfClose) sink.onData(EMPTY, true);
    if (isOver) this.#finish(ConnectionEvent.RemoteClose);
  }

  /** The reader's. */
  onReadError(errno: number): void {
    this.#onBroken(errno);
  }

  /** Reading or writing failed: the peer is gone. */
  #onBroken(_errno: number): void {
    this.wasReset = true;
    this.#finish(ConnectionEvent.RemoteClose);
  }

  /** The transport's. */
  onTransportError(error: NodeJS.ErrnoException): void {
    this.wasReset = true;
    if (this.#state === State.Connecting) {
      if (this.transportFailureReason === '') {
        this.transportFailureReason = this.transportErrorText(error);
      }
    } else if (this.tls !== null && error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
      this.transportFailureReason = `TLS_error:${error.message}`;
    }
  }

  /** The transport's. */
  onTransportClosed(): void {
    this.#finish(ConnectionEvent.RemoteClose);
  }

  #finish(event: ConnectionEvent): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    this.#sink = null;
    this.#queue.clear();
    this.#closeTimer?.stop();
    this.#reader?.dispose();
    this.#handle = null;
    this.#early = null;
    if (this.#sendsReset) this.#transport.reset();
    else this.#transport.close();
    this.#raise(event);
  }

  #raise(event: ConnectionEvent): void {
    for (let i = 0; i < this.#callbacks.length; i++) this.#callbacks[i]!.onEvent(event);
  }
}

function deliverEarly(connection: SocketConnection): void {
  connection.deliverEarly();
}

function plainErrorText(error: NodeJS.ErrnoException): string {
  return error.message;
}

function onCloseTimer(connection: SocketConnection): void {
  connection.onCloseTimeout();
}
