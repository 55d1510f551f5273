// A connection whose filter chain is chosen: runs the chain's network filters over its bytes.

import type { Clock } from '../../common/clock.ts';
import {
  type ConnectionCallbacks,
  type ConnectionCloseType,
  ConnectionEvent,
} from '../api/connection.ts';
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

/** Network filter iteration by index; the last filter of a chain is terminal. */
export class DownstreamConnection implements ReadSink, ReadFilterCallbacks, ConnectionCallbacks {
  readonly connection: SocketConnection;
  readonly streamInfo: StreamInfo;
  readonly #chain: FilterChain;
  readonly #stats: ListenerStats;
  readonly #startMs: number;
  readonly #clock: Clock;
  readonly #filters: ReadFilter[] = [];
  /** Filters below this index have let the new connection pass. */
  #initialized = 0;
  /** Bytes that wait for continueReading; a filter that stops must not lose them. */
  #held: Buffer[] = [];
  #heldEnd = false;

  constructor(
    connection: SocketConnection,
    streamInfo: StreamInfo,
    chain: FilterChain,
    stats: ListenerStats,
    clock: Clock,
  ) {
    this.connection = connection;
    this.streamInfo = streamInfo;
    this.#chain = chain;
    this.#stats = stats;
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** Creates the filters and starts reading. */
  start(): void {
    this.#stats.cxTotal++;
    this.#stats.cxActive++;
    this.#chain.connections.add(this);
    this.connection.addConnectionCallbacks(this);
    for (const config of this.#chain.networkFilters) {
      const filter = config.createFilter();
      filter.initializeReadFilterCallbacks(this);
      this.#filters.push(filter);
    }
    this.#initialize();
    if (this.connection.isOpen()) this.connection.setReadSink(this);
  }

  continueReading(): void {
    this.#initialize();
    if (this.#initialized < this.#filters.length) return;
    const held = this.#held;
    this.#held = [];
    for (const data of held) this.#run(data, false);
    if (this.#heldEnd) this.#run(Buffer.alloc(0), true);
  }

  onData(data: Buffer, endStream: boolean): void {
    if (this.#initialized < this.#filters.length) {
      if (data.length > 0) this.#held.push(keepBytes(data));
      this.#heldEnd ||= endStream;
      return;
    }
    this.#run(data, endStream);
  }

  close(type: ConnectionCloseType): void {
    this.connection.close(type);
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    this.#stats.cxActive--;
    this.#stats.cxDestroy++;
    this.#stats.cxLengthMs.record(this.#clock.nowMs() - this.#startMs);
    this.#chain.onConnectionClosed(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    // The filter that writes listens for itself.
  }

  onBelowWriteBufferLowWatermark(): void {
    // The filter that writes listens for itself.
  }

  #initialize(): void {
    while (this.#initialized < this.#filters.length) {
      const filter = this.#filters[this.#initialized]!;
      this.#initialized++;
      if (!this.connection.isOpen()) return;
      if (filter.onNewConnection() === NetworkFilterStatus.StopIteration) {
        // The terminal filter's Stop means "I take it from here", not "hold the bytes".
        return;
      }
    }
  }

  #run(data: Buffer, endStream: boolean): void {
    for (let i = 0; i < this.#filters.length; i++) {
      if (this.#filters[i]!.onData(data, endStream) === NetworkFilterStatus.StopIteration) return;
    }
  }
}
