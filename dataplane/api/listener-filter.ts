// Listener filters look at the first bytes of a connection before a filter chain is chosen; they may
// also consume some of them (a PROXY header).

import type { ProxyProtocolInfo, SocketAddress } from './connection.ts';

/** What listener filters may learn; filter-chain-match reads it. */
export interface ConnectionProperties {
  /** Who it is from; a PROXY header may have changed it. */
  remoteAddress: SocketAddress;
  /** The peer of the socket, never changed. */
  readonly directRemoteAddress: SocketAddress;
  /** Where it was sent to; a PROXY header may have changed it. */
  localAddress: SocketAddress;
  /** localAddress is not the socket's: a filter restored the original destination. */
  localAddressRestored: boolean;
  /** '' unknown, 'raw_buffer' or 'tls'. */
  transportProtocol: '' | 'raw_buffer' | 'tls';
  /** SNI, lower-case, '' when none. */
  serverName: string;
  applicationProtocols: readonly string[];
  /** By namespace, as StreamInfo.dynamicMetadata of the connection; null = none. */
  dynamicMetadata: Record<string, Record<string, unknown>> | null;
  /** What came in a PROXY header, for clusters that pass it on; null = none came. */
  proxyProtocol: ProxyProtocolInfo | null;
}

export const ListenerFilterStatus = { Continue: 0, NeedMore: 1, Close: 2 } as const;
export type ListenerFilterStatus = (typeof ListenerFilterStatus)[keyof typeof ListenerFilterStatus];

/** All bytes received and not consumed so far. */
export interface PeekedBytes {
  readonly data: Buffer;
  /** Takes the first `bytes` (<= data.length) away from whoever reads next. */
  consume(bytes: number): void;
}

export interface ListenerFilter {
  /**
   * Upper bound of bytes it wants to see: when so many are there and it still says NeedMore, the
   * connection is closed. 0 = needs none.
   */
  readonly maxReadBytes: number;
  /**
   * Once, when it is this filter's turn. Continue = done without bytes, NeedMore = call onData, Close =
   * close the connection. Absent = NeedMore.
   */
  onAccept?(properties: ConnectionProperties): ListenerFilterStatus;
  /** Called with at least one byte, again with more after NeedMore. */
  onData(peeked: PeekedBytes, properties: ConnectionProperties): ListenerFilterStatus;
}

export interface ListenerFilterConfig {
  /** One per connection; a filter without state of its own may always return the same. */
  createFilter(): ListenerFilter;
  /** Once, when its listener is gone or has a new config: gives back stats. */
  dispose?(): void;
}
