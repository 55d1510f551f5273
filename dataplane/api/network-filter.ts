// The network (L4) filter contract, after Envoy's envoy/network/filter.h. listener/downstream-connection.ts
// runs the filters of a chain in order:
//
//   new connection --> onNewConnection of each filter, until one stops
//   bytes          --> onData of each filter, until one stops; a filter that has not seen the connection yet
//                      sees it first
//
// A filter that stops and is not the last holds the bytes: they are kept, up to the connection's buffer limit,
// and nothing more is read at the limit. continueReading() hands them to the filters behind it; when more bytes
// come before that, all of them go through the filters again from the first.

import type { Connection } from './connection.ts';
import type { DrainSequence } from './drain.ts';
import type { StreamInfo } from './stream-info.ts';

export const NetworkFilterStatus = { Continue: 0, StopIteration: 1 } as const;
export type NetworkFilterStatus = (typeof NetworkFilterStatus)[keyof typeof NetworkFilterStatus];

export interface ReadFilterCallbacks {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  /** Goes on behind the filter that stopped last; harmless when none has. */
  continueReading(): void;
}

/** One per connection per configured network filter. The last of a chain is terminal. */
export interface ReadFilter {
  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void;
  onNewConnection(): NetworkFilterStatus;
  /**
   * `endStream` = the peer half-closed. `data` is the filter's until it returns; whoever keeps bytes of it
   * copies them (network/read-slab.ts, keepBytes). Connection.write may be given them as they are. The terminal
   * filter takes all of it, whatever it returns.
   */
  onData(data: Buffer, endStream: boolean): NetworkFilterStatus;
}

/** Runtime config of a network filter, shared by the connections of one filter chain in one worker. */
export interface NetworkFilterConfig {
  createFilter(): ReadFilter;
  /** Called when the filter chain starts to drain (listener removed, SIGTERM): stop keep-alive. */
  startDrain(drain: DrainSequence): void;
  /** Once, when its filter chain is gone with its last connection: gives back stats, subscriptions, timers. */
  dispose?(): void;
}
