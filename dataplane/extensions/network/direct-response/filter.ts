// envoy.filters.network.direct_response, worker half: says its piece and closes.

import { ConnectionCloseType } from '../../../api/connection.ts';
import type { NetworkFilterFactory } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { DirectResponseData } from './data.ts';

class DirectResponseConfig implements NetworkFilterConfig {
  readonly response: Buffer;

  constructor({ response }: DirectResponseData) {
    this.response = Buffer.from(response);
  }

  createFilter(): ReadFilter {
    return new DirectResponseFilter(this.response);
  }

  /** Its connections end by themselves. */
  startDrain(): void {}
}

class DirectResponseFilter implements ReadFilter {
  readonly #response: Buffer;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  constructor(response: Buffer) {
    this.#response = response;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    const { connection, streamInfo } = this.#callbacks;
    streamInfo.responseCodeDetails = 'direct_response';
    connection.write(this.#response);
    connection.close(ConnectionCloseType.FlushWrite);
    return NetworkFilterStatus.StopIteration;
  }

  onData(): NetworkFilterStatus {
    return NetworkFilterStatus.StopIteration;
  }
}

export const directResponseFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.direct_response',
  create: (data) => new DirectResponseConfig(data as DirectResponseData), // config.ts made it
};
