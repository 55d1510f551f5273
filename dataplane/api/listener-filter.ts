// Listener filters look at the first bytes of a connection before a filter chain is chosen.

import type { SocketAddress } from './connection.ts';

/** What listener filters may learn; filter-chain-match reads it. */
export interface ConnectionProperties {
  remoteAddress: SocketAddress;
  localAddress: SocketAddress;
  /** '' unknown, 'raw_buffer' or 'tls'. */
  transportProtocol: '' | 'raw_buffer' | 'tls';
  /** SNI, lower-case, '' when none. */
  serverName: string;
  applicationProtocols: readonly string[];
}

export const ListenerFilterStatus = { Continue: 0, NeedMore: 1, Close: 2 } as const;
export type ListenerFilterStatus = (typeof ListenerFilterStatus)[keyof typeof ListenerFilterStatus];

export interface ListenerFilter {
  /** Upper bound of bytes it wants to see; 0 = needs none. */
  readonly maxReadBytes: number;
  /** `peeked` = all bytes received so far; none are consumed. */
  onData(peeked: Buffer, properties: ConnectionProperties): ListenerFilterStatus;
}

export interface ListenerFilterConfig {
  createFilter(): ListenerFilter;
}
