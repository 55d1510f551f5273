// THE table, all groups together: read by support-check (every config) and support-doc (docs/support.md).

import { bootstrapSupport, coreSupport } from './bootstrap.ts';
import { clusterSupport, endpointSupport } from './cluster.ts';
import { clusterTypeSupport } from './cluster-types.ts';
import { healthCheckSupport } from './health-check.ts';
import { accessLogSupport, listenerSupport, networkFilterSupport, tlsSupport } from './listener.ts';
import { tcpSupport } from './network-filter.ts';
import { httpFilterSupport, routeSupport } from './route.ts';
import type { MessageSupport, SupportGroup } from './table.ts';

/** In the order of docs/support.md. */
export const supportGroups: readonly SupportGroup[] = [
  bootstrapSupport,
  listenerSupport,
  networkFilterSupport,
  tcpSupport,
  httpFilterSupport,
  routeSupport,
  clusterSupport,
  clusterTypeSupport,
  endpointSupport,
  healthCheckSupport,
  tlsSupport,
  accessLogSupport,
  coreSupport,
];

const byType: ReadonlyMap<string, MessageSupport> = new Map(
  supportGroups.flatMap(({ messages }) => Object.entries(messages)),
);

/** The fields of one message, or null when the message is in no group. */
export function supportOf(typeName: string): MessageSupport | null {
  return byType.get(typeName) ?? null;
}
