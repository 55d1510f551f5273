// What an upstream HTTP connection speaks once it is up, as its pool sees it: HTTP/1.1 (h1-session) or HTTP/2
// (h2-session). http-client.ts owns it; nothing here knows of queues or ceilings.

import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import type { ConnectionEvent } from '../../api/connection.ts';

export interface HttpSession {
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** Only while canOpenStream(). */
  startStream(decoder: ResponseDecoder): RequestEncoder;
  canOpenStream(): boolean;
  activeStreams(): number;
  /** Streams at once, as far as is known now. */
  maxStreams(): number;
  /** False: nothing may come on this connection any more, it is closed when its streams have ended. */
  isReusable(): boolean;
  /** Forward a close; ends the streams. True = one of them was cut off. */
  onClosed(event: ConnectionEvent): boolean;
  /** Gives the connection all that was written. */
  flush(): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** Told by a session; http-client.ts. */
export interface HttpSessionOwner {
  /** However it ended; before anybody else hears of it when its connection was lost. */
  onStreamClosed(): void;
  /** The peer will take no more streams; `isError`: because of an error, as it says. */
  onGoAway(isError: boolean): void;
  /** maxStreams() has changed. */
  onCapacityChanged(): void;
  onProtocolError(): void;
}
