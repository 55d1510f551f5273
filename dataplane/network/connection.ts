// The one Connection implementation: a plain or TLS socket, accepted or made by connector.ts.
// Used by listener (downstream) and upstream pools; knows nothing of the protocol above it.
//
//   Connecting --onConnected()--> Open --close(Flush*)--> Closing --flushed, delay over--> Closed
//        '------------------ error, peer's end, close(NoFlush) -------------------------------^
//
// Raises exactly one RemoteClose or LocalClose, synchronously when close(NoFlush) is called.

import type { Socket } from 'node:net';
import type { Timer, TimerService } from '../../common/timer.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
  type SocketAddress,
  type TlsInfo,
} from '../api/connection.ts';
import { plainIp } from './address.ts';
import { enterReadEvent, leaveReadEvent, scheduleFlush } from './flush-queue.ts';
import { SlabReader } from './slab-reader.ts';

/** Where received bytes go: a network filter chain, or a client codec. */
export interface ReadSink {
  /** `data` is a slice of a fresh buffer and may be kept. `endStream`: half-close on and FIN came. */
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
  /** The socket is still connecting; the connector calls onConnected later. */
  readonly connecting?: boolean;
}

const State = { Connecting: 0, Open: 1, Closing: 2, Closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
const DEFAULT_DELAYED_CLOSE_MS = 1000;
/** More than this is not held back until the end of the turn. */
const FLUSH_AT_BYTES = 64 * 1024;
/** A buffer up to this size behind a string is appended to it: one write beats one writev. */
const JOIN_BYTES = 4 * 1024;
const EMPTY = Buffer.alloc(0);

/** See the head comment. The socket belongs to the connection, nobody else touches it. */
export class SocketConnection implements Connection {
  readonly id: number;
  remoteAddress: SocketAddress;
  localAddress: SocketAddress;
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

  #socket: Socket;
  readonly #timers: TimerService;
  readonly #bufferLimitBytes: number;
  readonly #delayedCloseTimeoutMs: number;
  readonly #traffic: TrafficCounters | null;
  readonly #callbacks: ConnectionCallbacks[] = [];
  #sink: ReadSink | null;
  #state: State;
  #reading = false;
  #readDisableCount = 0;
  #halfClose = false;
  #remoteEnded = false;
  #localEnded = false;
  /** Written in this turn and not given to the socket: #chunks, then #text. */
  #text = '';
  readonly #chunks: (Buffer | string)[] = [];
  #pendingBytes = 0;
  #flushScheduled = false;
  #aboveHighWatermark = false;
  #onWritten: (() => void) | null = null;
  #closeTimer: Timer | null = null;
  #waitForPeer = false;
  /** writableLength when the close timer was armed, to see progress. */
  #closeProgress = 0;

  constructor(socket: Socket, options: SocketConnectionOptions) {
    this.#socket = socket;
    this.id = options.id;
    this.#timers = options.timers;
    this.#bufferLimitBytes = options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
    this.#delayedCloseTimeoutMs = options.delayedCloseTimeoutMs ?? DEFAULT_DELAYED_CLOSE_MS;
    this.#traffic = options.traffic ?? null;
    this.#sink = null;
    this.tls = options.tls ?? null;
    this.requestedServerName = options.requestedServerName ?? '';
    this.nextProtocol = options.nextProtocol ?? '';
    this.remoteAddress = options.remoteAddress ?? remoteAddressOf(socket);
    this.localAddress = options.localAddress ?? localAddressOf(socket);
    this.#state = options.connecting === true ? State.Connecting : State.Open;
    this.#listen(socket);
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
    this.remoteAddress = remoteAddressOf(this.#socket, this.remoteAddress);
    this.localAddress = localAddressOf(this.#socket);
    this.#raise(ConnectionEvent.Connected);
    if (this.#state !== State.Open) return;
    if (this.#sink !== null) this.#startReading();
    if (this.#pendingBytes > 0 && !this.#flushScheduled) this.flush();
  }

  /** The connector: TLS now stands between us and the connected socket. Only while connecting. */
  replaceSocket(socket: Socket): void {
    this.#socket = socket;
    this.#listen(socket);
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

  enableHalfClose(enabled: boolean): void {
    this.#halfClose = enabled;
  }

  writeBufferedBytes(): number {
    return this.#pendingBytes + this.#socket.writableLength;
  }

  write(data: Buffer | string): void {
    if (this.#state > State.Open || this.#localEnded) return;
    const { length } = data;
    if (length === 0) return;
    if (typeof data === 'string') this.#text += data;
    else if (length <= JOIN_BYTES && this.#text.length > 0) {
      this.#text += data.toString('latin1');
    } else {
      if (this.#text.length > 0) {
        this.#chunks.push(this.#text);
        this.#text = '';
      }
      this.#chunks.push(data);
    }
    this.#pendingBytes += length;
    if (this.#pendingBytes >= FLUSH_AT_BYTES && this.#state === State.Open) this.flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      scheduleFlush(this);
    }
  }

  /** The flush queue's: hands everything gathered to the socket in one call. */
  flush(): void {
    this.#flushScheduled = false;
    const bytes = this.#pendingBytes;
    if (bytes === 0 || this.#state === State.Connecting || this.#state === State.Closed) return;
    const socket = this.#socket;
    this.#pendingBytes = 0;
    this.bytesSent += bytes;
    if (this.#traffic !== null) this.#traffic.txBytesTotal += bytes;
    const limit = this.#bufferLimitBytes;
    // Not 'drain': that comes only past the stream's own high-water mark, which may lie above ours.
    const onWritten =
      limit > 0 && socket.writableLength + bytes > limit ? this.#writtenListener() : undefined;
    const text = this.#text;
    this.#text = '';
    if (this.#chunks.length === 0) socket.write(text, 'latin1', onWritten);
    else if (this.#chunks.length === 1 && text === '')
      this.#writeChunk(this.#chunks[0]!, onWritten);
    else {
      if (text !== '') this.#chunks.push(text);
      socket.cork();
      const last = this.#chunks.length - 1;
      for (let i = 0; i < last; i++) this.#writeChunk(this.#chunks[i]!, undefined);
      this.#writeChunk(this.#chunks[last]!, onWritten);
      socket.uncork();
    }
    this.#chunks.length = 0;
    if (onWritten !== undefined && !this.#aboveHighWatermark && socket.writableLength > limit) {
      this.#aboveHighWatermark = true;
      for (let i = 0; i < this.#callbacks.length; i++) {
        this.#callbacks[i]!.onAboveWriteBufferHighWatermark();
      }
    }
  }

  #writeChunk(chunk: Buffer | string, onWritten: (() => void) | undefined): void {
    if (typeof chunk === 'string') this.#socket.write(chunk, 'latin1', onWritten);
    else this.#socket.write(chunk, onWritten);
  }

  #writtenListener(): () => void {
    this.#onWritten ??= () => {
      if (!this.#aboveHighWatermark || this.#state > State.Open) return;
      // Envoy: the low watermark is half of the high one.
      if (this.#socket.writableLength > this.#bufferLimitBytes / 2) return;
      this.#aboveHighWatermark = false;
      for (let i = 0; i < this.#callbacks.length; i++) {
        this.#callbacks[i]!.onBelowWriteBufferLowWatermark();
      }
    };
    return this.#onWritten;
  }

  readDisable(disable: boolean): void {
    if (disable) {
      if (this.#readDisableCount++ === 0 && this.#reading) this.#socket.pause();
      return;
    }
    if (this.#readDisableCount === 0)
      throw new Error('readDisable(false) without readDisable(true)');
    if (--this.#readDisableCount === 0 && this.#reading && this.#state === State.Open) {
      this.#socket.resume();
    }
  }

  endWrite(): void {
    if (this.#state !== State.Open || this.#localEnded) return;
    this.flush();
    this.#localEnded = true;
    this.#socket.end();
    if (this.#remoteEnded) this.close(ConnectionCloseType.FlushWrite);
  }

  close(type: ConnectionCloseType): void {
    if (this.#state === State.Closed) return;
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
    if (this.#reading) this.#socket.resume();
    if (this.#delayedCloseTimeoutMs > 0) {
      this.#closeTimer = this.#timers.createTimer(onCloseTimer, this);
      this.#armCloseTimer();
    }
    this.#socket.end(() => this.#onFlushed());
  }

  /** The close timer fired: gives up, or waits on while the peer still takes bytes. */
  onCloseTimeout(): void {
    if (this.#state !== State.Closing) return;
    const left = this.#socket.writableLength;
    if (left > 0 && left < this.#closeProgress) this.#armCloseTimer();
    else this.#finish(ConnectionEvent.LocalClose);
  }

  #armCloseTimer(): void {
    this.#closeProgress = this.#socket.writableLength;
    this.#closeTimer?.start(this.#delayedCloseTimeoutMs);
  }

  #onFlushed(): void {
    if (this.#state !== State.Closing) return;
    if (!this.#waitForPeer || this.#remoteEnded) this.#finish(ConnectionEvent.LocalClose);
    else this.#armCloseTimer();
  }

  /** One set of listeners per connection; per event or per request nothing is allocated here. */
  #listen(socket: Socket): void {
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onSocketError(error));
    socket.on('close', () => this.#finish(ConnectionEvent.RemoteClose));
    socket.on('end', () => this.#onSocketEnd());
  }

  #startReading(): void {
    if (this.#reading) return;
    this.#reading = true;
    const onData = (chunk: Buffer) => this.#onSocketData(chunk);
    // 'data' also brings bytes that a listener filter has put back.
    this.#socket.on('data', onData);
    new SlabReader(onData).adopt(this.#socket);
    // Resumes explicitly: a socket that was paused stays paused when a 'data' listener comes.
    if (this.#readDisableCount === 0) this.#socket.resume();
    else this.#socket.pause();
  }

  #onSocketData(chunk: Buffer): void {
    const sink = this.#sink;
    if (sink === null) return;
    const { length } = chunk;
    this.bytesReceived += length;
    if (this.#traffic !== null) this.#traffic.rxBytesTotal += length;
    enterReadEvent();
    try {
      sink.onData(chunk, false);
    } catch (thrown) {
      // A bug above us costs this connection, not the process's others; the worker reports it.
      this.connectionTerminationDetails = 'internal_error';
      this.#finish(ConnectionEvent.LocalClose);
      throw thrown;
    } finally {
      leaveReadEvent();
    }
  }

  #onSocketEnd(): void {
    this.#remoteEnded = true;
    if (this.#state === State.Closing && this.#socket.writableLength > 0) return;
    if (!this.#halfClose || this.#state !== State.Open || this.#localEnded) {
      const sink = this.#sink;
      if (this.#halfClose && sink !== null) sink.onData(EMPTY, true);
      this.#finish(ConnectionEvent.RemoteClose);
      return;
    }
    enterReadEvent();
    try {
      this.#sink?.onData(EMPTY, true);
    } finally {
      leaveReadEvent();
    }
  }

  #onSocketError(error: NodeJS.ErrnoException): void {
    this.wasReset = true;
    if (this.#state === State.Connecting) {
      if (this.transportFailureReason === '') {
        this.transportFailureReason = this.transportErrorText(error);
      }
    } else if (this.tls !== null && error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
      this.transportFailureReason = `TLS_error:${error.message}`;
    }
    // 'close' follows and finishes.
  }

  #finish(event: ConnectionEvent): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    this.#sink = null;
    this.#text = '';
    this.#chunks.length = 0;
    this.#pendingBytes = 0;
    this.#closeTimer?.stop();
    this.#socket.destroy();
    this.#raise(event);
  }

  #raise(event: ConnectionEvent): void {
    for (let i = 0; i < this.#callbacks.length; i++) this.#callbacks[i]!.onEvent(event);
  }
}

function plainErrorText(error: NodeJS.ErrnoException): string {
  return error.message;
}

function onCloseTimer(connection: SocketConnection): void {
  connection.onCloseTimeout();
}

function remoteAddressOf(socket: Socket, fallback?: SocketAddress): SocketAddress {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return fallback ?? { ip: '', port: 0 };
  return { ip: plainIp(remoteAddress), port: remotePort ?? 0 };
}

function localAddressOf(socket: Socket): SocketAddress {
  const { localAddress, localPort } = socket;
  return { ip: plainIp(localAddress ?? ''), port: localPort ?? 0 };
}
