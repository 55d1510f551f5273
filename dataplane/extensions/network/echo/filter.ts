// envoy.filters.network.echo, worker half: sends back what it gets, no faster than the client takes it.

import type { ConnectionCallbacks } from '../../../api/connection.ts';
import type { NetworkFilterFactory } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';

class EchoFilter implements ReadFilter, ConnectionCallbacks {
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
    // The client's FIN must not cut off the echo of what came before it.
    callbacks.connection.enableHalfClose(true);
    callbacks.connection.addConnectionCallbacks(this);
  }

  onNewConnection(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    const { connection } = this.#callbacks;
    connection.write(data);
    if (endStream) connection.endWrite();
    return NetworkFilterStatus.StopIteration;
  }

  onEvent(): void {
    // Holds nothing.
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#callbacks.connection.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#callbacks.connection.readDisable(false);
  }
}

const config: NetworkFilterConfig = {
  createFilter: () => new EchoFilter(),
  startDrain() {},
};

export const echoFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.echo',
  create: () => config,
};
