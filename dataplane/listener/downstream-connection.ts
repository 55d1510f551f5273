// A connection whose filter chain is chosen: runs the chain's network filters over its bytes (the contract is
// in api/network-filter.ts), keeps what they hold, and writes the listener's access log at the end.

import type { Clock } from '../../common/clock.ts';
import { type AccessLogger, connectionLogContext } from '../api/access-log.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../api/connection.ts';
import type { WorkerContext } from '../api/factory.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../api/network-filter.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import type { ReadSink, SocketConnection } from '../network/connection.ts';
import { keepBytes } from '../network/read-slab.ts';
import type { FilterChain } from './filter-chain.ts';
import type { ListenerStats } from './listener-stats.ts';

/** What a connection needs of its listener. */
export interface DownstreamConnectionParts {
  readonly stats: ListenerStats;
  readonly clock: Clock;
  /** Written once per connection, at its end. */
  readonly accessLogs: readonly AccessLogger[];
  /** per_connection_buffer_limit_bytes: so much is held for filters that stopped; 0 = no limit. */
  readonly bufferLimitBytes: number;
  readonly worker: Pick<WorkerContext, 'reportBug'>;
}

const EMPTY = Buffer.alloc(0);

/** See the file head. */
export class DownstreamConnection implements ReadSink, ReadFilterCallbacks, ConnectionCallbacks {
  readonly connection: SocketConnection;
  readonly streamInfo: StreamInfo;
  readonly #chain: FilterChain;
  readonly #parts: DownstreamConnectionParts;
  readonly #startMs: number;
  readonly #filters: ReadFilter[] = [];
  /** Filters below this index have seen the new connection. */
  #initialized = 0;
  /** The filter that stopped, -1 = none: the next bytes go through. */
  #stoppedAt = -1;
  /** Bytes that a stopped filter holds; endStream goes with them. */
  #held: Buffer = EMPTY;
  #heldEnd = false;
  #isReadPaused = false;

  constructor(
    connection: SocketConnection,
    streamInfo: StreamInfo,
    chain: FilterChain,
    parts: DownstreamConnectionParts,
  ) {
    this.connection = connection;
    this.streamInfo = streamInfo;
    this.#chain = chain;
    this.#parts = parts;
    this.#startMs = parts.clock.nowMs();
  }

  /** Creates the filters and starts reading. */
  start(): void {
    const { stats } = this.#parts;
    stats.cxTotal++;
    stats.cxActive++;
    this.#chain.connections.add(this);
    for (const config of this.#chain.networkFilters) {
      const filter = config.createFilter();
      filter.initializeReadFilterCallbacks(this);
      this.#filters.push(filter);
    }
    // Behind the filters': what they write into streamInfo at the end is in the listener's log.
    this.connection.addConnectionCallbacks(this);
    this.#run(0, EMPTY, false);
    if (this.connection.isOpen()) this.connection.setReadSink(this);
  }

  continueReading(): void {
    if (this.#stoppedAt < 0 || !this.connection.isOpen()) return;
    const next = this.#stoppedAt + 1;
    const data = this.#held;
    this.#held = EMPTY;
    this.#run(next, data, this.#heldEnd);
    // It may have been stopped again, with less or the same.
    if (this.#isReadPaused && !this.#isFull() && this.connection.isOpen()) {
      this.#isReadPaused = false;
      this.connection.readDisable(false);
    }
  }

  onData(data: Buffer, endStream: boolean): void {
    this.streamInfo.bytesReceived += data.length;
    if (this.#stoppedAt < 0) {
      this.#run(0, data, endStream);
      return;
    }
    const all = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
    this.#held = EMPTY;
    this.#run(0, all, endStream || this.#heldEnd);
  }

  close(type: ConnectionCloseType): void {
    this.connection.close(type);
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    const { stats, clock } = this.#parts;
    const nowMs = clock.nowMs();
    this.#held = EMPTY;
    stats.cxActive--;
    stats.cxDestroy++;
    stats.cxLengthMs.record(nowMs - this.#startMs);
    this.#log(nowMs);
    this.#chain.onConnectionClosed(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    // The filter that writes listens for itself.
  }

  onBelowWriteBufferLowWatermark(): void {
    // The filter that writes listens for itself.
  }

  /** A bug in a network filter costs one connection. */
  #run(start: number, data: Buffer, endStream: boolean): void {
    try {
      this.#runFilters(start, data, endStream);
    } catch (thrown) {
      this.#parts.worker.reportBug(thrown);
      this.connection.connectionTerminationDetails ||= 'filter_exception';
      this.connection.close(ConnectionCloseType.NoFlush);
    }
  }

  #runFilters(start: number, data: Buffer, endStream: boolean): void {
    const filters = this.#filters;
    const { connection } = this;
    this.#stoppedAt = -1;
    for (let i = start; i < filters.length; i++) {
      const filter = filters[i]!;
      if (i >= this.#initialized) {
        this.#initialized = i + 1;
        if (filter.onNewConnection() === NetworkFilterStatus.StopIteration) {
          this.#hold(i, data, endStream);
          return;
        }
        if (!connection.isOpen()) return;
      }
      if (data.length === 0 && !endStream) continue;
      if (filter.onData(data, endStream) === NetworkFilterStatus.StopIteration) {
        if (i < filters.length - 1) this.#hold(i, data, endStream);
        return;
      }
      // The connection is closed, or closing behind what is written: nobody behind may see more of it.
      if (!connection.isOpen()) return;
    }
  }

  #hold(index: number, data: Buffer, endStream: boolean): void {
    if (!this.connection.isOpen()) return;
    this.#stoppedAt = index;
    this.#held = keepBytes(data);
    this.#heldEnd = endStream;
    if (this.#isReadPaused || !this.#isFull()) return;
    this.#isReadPaused = true;
    this.connection.readDisable(true);
  }

  #isFull(): boolean {
    const { bufferLimitBytes } = this.#parts;
    return bufferLimitBytes > 0 && this.#held.length >= bufferLimitBytes;
  }

  #log(nowMs: number): void {
    const { accessLogs } = this.#parts;
    if (accessLogs.length === 0) return;
    const { streamInfo, connection } = this;
    streamInfo.endMs = nowMs;
    streamInfo.bytesSent = connection.bytesSent;
    streamInfo.connectionTerminationDetails ||= connection.connectionTerminationDetails;
    streamInfo.downstreamTransportFailureReason = connection.transportFailureReason;
    const context = connectionLogContext(streamInfo, 'NotSet');
    for (const logger of accessLogs) logger.log(context);
  }
}
