// The upstream end of a proxied connection: a TCP connection of its own (TcpPoolConnection has all of this) or a
// tunnel through an HTTP request (tunnel.ts). proxy.ts cannot tell them apart.

import type { ConnectionCloseType } from '../../../api/connection.ts';

export interface ProxyUpstream {
  /** It ended otherwise than by an orderly end: what came may not be all. */
  readonly wasReset?: boolean;
  write(data: Buffer): void;
  /** Our side ends behind what was written. */
  endWrite(): void;
  readDisable(disable: boolean): void;
  isOpen(): boolean;
  close(type: ConnectionCloseType): void;
  /** Not yet taken by the peer. */
  writeBufferedBytes(): number;
}
