// envoy.filters.listener.original_dst: the original destination of a connection. Node gives no SO_ORIGINAL_DST,
// so the only one that can be known is the one a PROXY header named, and proxy_protocol has put it in
// place already. This filter then has nothing to add; without proxy_protocol it is refused with the config.

import type { ListenerFilterFactory } from '../../../api/factory.ts';
import { type ListenerFilter, ListenerFilterStatus } from '../../../api/listener-filter.ts';

const filter: ListenerFilter = {
  maxReadBytes: 0,
  onAccept: () => ListenerFilterStatus.Continue,
  onData: () => ListenerFilterStatus.Continue,
};

export const originalDstFilterFactory: ListenerFilterFactory = {
  name: 'envoy.filters.listener.original_dst',
  create: () => ({ createFilter: () => filter }),
};
