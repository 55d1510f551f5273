// THE order of HTTP filters in what we send. Inbound: first decide whether the request may come in at
// all, then forward it. A new filter gets its place here and nowhere else:
//
//   inbound    rbac -> router          outbound    router

import { packAny } from '../../../proto/any.ts';
import type { HttpFilterProto } from '../../../proto/gen/types.ts';
import type { ServiceNode } from '../../graph/graph.ts';
import { rbacFilter } from './rbac.ts';

const router: HttpFilterProto = {
  name: 'envoy.filters.http.router',
  typed_config: packAny('envoy.extensions.filters.http.router.v3.Router', {}),
};

export function inboundFilters(service: ServiceNode, trustDomain: string): HttpFilterProto[] {
  const rbac = rbacFilter(service, trustDomain);
  return rbac === null ? [router] : [rbac, router];
}

export function outboundFilters(): HttpFilterProto[] {
  return [router];
}
