// Which side of a proxied connection something befell: both are told by the same callbacks.

import { type ConnectionCallbacks, ConnectionEvent } from '../../../api/connection.ts';

/** proxy.ts, as far as its two connections tell it things. */
export interface TwoSided {
  onDownstreamClosed(event: ConnectionEvent): void;
  onUpstreamClosed(): void;
  onUpstreamData(data: Buffer, endStream: boolean): void;
  /** Downstream does not read: upstream is not read. */
  pauseUpstream(pause: boolean): void;
  /** Upstream does not read: downstream is not read. */
  pauseDownstream(pause: boolean): void;
}

/** Callbacks of the client's connection. */
export class DownstreamSide implements ConnectionCallbacks {
  readonly #proxy: TwoSided;

  constructor(proxy: TwoSided) {
    this.#proxy = proxy;
  }

  onEvent(event: ConnectionEvent): void {
    if (event !== ConnectionEvent.Connected) this.#proxy.onDownstreamClosed(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#proxy.pauseUpstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#proxy.pauseUpstream(false);
  }
}

/** Callbacks of the host's connection. */
export class UpstreamSide implements ConnectionCallbacks {
  readonly #proxy: TwoSided;

  constructor(proxy: TwoSided) {
    this.#proxy = proxy;
  }

  onEvent(event: ConnectionEvent): void {
    if (event !== ConnectionEvent.Connected) this.#proxy.onUpstreamClosed();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#proxy.pauseDownstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#proxy.pauseDownstream(false);
  }
}

/** What the host sends. */
export class UpstreamSink {
  readonly #proxy: TwoSided;

  constructor(proxy: TwoSided) {
    this.#proxy = proxy;
  }

  onData(data: Buffer, endStream: boolean): void {
    this.#proxy.onUpstreamData(data, endStream);
  }
}
