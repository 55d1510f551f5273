// HTTP/1 server codec: bytes of one downstream connection -> requests, responses -> bytes.

import type {
  RequestDecoder,
  ResponseEncoder,
  ServerConnectionCallbacks,
} from '../../api/codec.ts';
import type { Connection, ConnectionEvent } from '../../api/connection.ts';
import type { ServerOptions } from './options.ts';

/**
 * One per downstream connection; the HCM owns it and forwards to it what the connection says.
 * The codec closes the connection (FlushWriteAndDelay) itself after the last response of it.
 */
export class ServerConnection {
  /** Version of the request read last. */
  protocol: 'HTTP/1.0' | 'HTTP/1.1' = 'HTTP/1.1';
  readonly connection: Connection;
  readonly callbacks: ServerConnectionCallbacks;
  readonly options: ServerOptions;

  constructor(
    connection: Connection,
    callbacks: ServerConnectionCallbacks,
    options: ServerOptions,
  ) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.options = options;
  }

  /** Bytes from the connection. `endStream` is ignored: a client's FIN is a RemoteClose. */
  dispatch(_data: Buffer, _endStream: boolean): void {}
  /** `Connection: close` on the next response head, then close; at once when no request is open. */
  startDrain(): void {}
  /** A close event resets the open stream with ConnectionTermination. */
  onConnectionEvent(_event: ConnectionEvent): void {}
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
  /** A request is being read or its response is not complete. */
  hasActiveStream(): boolean {
    return false;
  }
}
export type { RequestDecoder, ResponseEncoder };
