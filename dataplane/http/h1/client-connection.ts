// HTTP/1 client codec: requests -> bytes of one upstream connection -> responses; one at a time.

import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import type { Connection, ConnectionEvent } from '../../api/connection.ts';
import type { ReadSink } from '../../network/connection.ts';
import type { ClientConnectionCallbacks, ClientOptions } from './options.ts';

/** One per upstream connection; the pool owns it and forwards to it what the connection says. */
export class ClientConnection implements ReadSink {
  readonly connection: Connection;
  readonly options: ClientOptions;
  readonly callbacks: ClientConnectionCallbacks;

  constructor(
    connection: Connection,
    options: ClientOptions,
    callbacks: ClientConnectionCallbacks,
  ) {
    this.connection = connection;
    this.options = options;
    this.callbacks = callbacks;
  }

  /** Begins an exchange; only when canReuse(). Set the stream's callbacks before encodeHeaders. */
  newStream(_decoder: ResponseDecoder): RequestEncoder {
    throw new Error('not written yet');
  }
  dispatch(_data: Buffer, _endStream: boolean): void {}
  /** ReadSink: same as dispatch, so the codec can be the connection's sink itself. */
  onData(data: Buffer, endStream: boolean): void {
    this.dispatch(data, endStream);
  }
  /** Forward every event, before the pool acts on it: a close ends the open stream. */
  onConnectionEvent(_event: ConnectionEvent): void {}
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
  hasActiveStream(): boolean {
    return false;
  }
  /** No exchange is open, the connection is open, and nothing forbids another request on it. */
  canReuse(): boolean {
    return false;
  }
}
