// filter_disabled of a listener filter: whether it runs on a connection.

import type { ListenerFilterPredicate } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';

/** `localAddress` as it is when it is the filter's turn. A Unix socket has no port and lies in no range. */
export function matchesPredicate(
  predicate: ListenerFilterPredicate,
  localAddress: SocketAddress,
): boolean {
  switch (predicate.kind) {
    case 'any':
      return predicate.value;
    case 'or':
      return predicate.rules.some((rule) => matchesPredicate(rule, localAddress));
    case 'and':
      return predicate.rules.every((rule) => matchesPredicate(rule, localAddress));
    case 'not':
      return !matchesPredicate(predicate.rule, localAddress);
    case 'destination-port': {
      const { ip, port } = localAddress;
      if (ip.startsWith('/') || ip.startsWith('@')) return false;
      return port >= predicate.start && port < predicate.end;
    }
    default:
      return predicate satisfies never;
  }
}
