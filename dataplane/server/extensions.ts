// THE list of extensions, main-thread halves: what a config may contain. The worker halves of those that
// run in workers are listed in worker-extensions.ts.

import type { AnyFactory } from '../config/registry.ts';
import { fileAccessLog } from '../extensions/access-log/file/config.ts';
import { stderrAccessLog } from '../extensions/access-log/stderr/config.ts';
import { stdoutAccessLog } from '../extensions/access-log/stdout/config.ts';
import { spiffeValidator } from '../extensions/cert-validator/spiffe/config.ts';
import { preserveCase } from '../extensions/header-formatter/preserve-case/config.ts';
import { cors } from '../extensions/http/cors/config.ts';
import { dynamicForwardProxy } from '../extensions/http/dynamic-forward-proxy/config.ts';
import { fault } from '../extensions/http/fault/config.ts';
import { grpcHttp1Bridge } from '../extensions/http/grpc-http1-bridge/config.ts';
import { grpcJsonTranscoder } from '../extensions/http/grpc-json-transcoder/config.ts';
import { grpcStats } from '../extensions/http/grpc-stats/config.ts';
import { grpcWeb } from '../extensions/http/grpc-web/config.ts';
import { headerMutation } from '../extensions/http/header-mutation/config.ts';
import { healthCheck } from '../extensions/http/health-check/config.ts';
import { onDemand } from '../extensions/http/on-demand/config.ts';
import { rbac } from '../extensions/http/rbac/config.ts';
import { router } from '../extensions/http/router/config.ts';
import { setFilterState } from '../extensions/http/set-filter-state/config.ts';
import { statefulSession } from '../extensions/http/stateful-session/config.ts';
import { cookieSession } from '../extensions/http-stateful-session/cookie/config.ts';
import { headerSession } from '../extensions/http-stateful-session/header/config.ts';
import { allowListedRoutes } from '../extensions/internal-redirect-predicate/allow-listed-routes/config.ts';
import { previousRoutes } from '../extensions/internal-redirect-predicate/previous-routes/config.ts';
import { safeCrossScheme } from '../extensions/internal-redirect-predicate/safe-cross-scheme/config.ts';
import { httpInspector } from '../extensions/listener/http-inspector/config.ts';
import { originalDst } from '../extensions/listener/original-dst/config.ts';
import { proxyProtocol } from '../extensions/listener/proxy-protocol/config.ts';
import { tlsInspector } from '../extensions/listener/tls-inspector/config.ts';
import { connectionLimit } from '../extensions/network/connection-limit/config.ts';
import { directResponse } from '../extensions/network/direct-response/config.ts';
import { echo } from '../extensions/network/echo/config.ts';
import { httpConnectionManager } from '../extensions/network/http-connection-manager/config.ts';
import { localRateLimit } from '../extensions/network/local-ratelimit/config.ts';
import { networkRbac } from '../extensions/network/rbac/config.ts';
import { setConnectionFilterState } from '../extensions/network/set-filter-state/config.ts';
import { sniCluster } from '../extensions/network/sni-cluster/config.ts';
import { tcpProxy } from '../extensions/network/tcp-proxy/config.ts';
import { customHeaderDetection } from '../extensions/original-ip-detection/custom-header/config.ts';
import { xffDetection } from '../extensions/original-ip-detection/xff/config.ts';
import { uuidRequestId } from '../extensions/request-id/uuid/config.ts';
import { omitCanaryHosts } from '../extensions/retry-host-predicate/omit-canary-hosts/config.ts';
import { omitHostMetadata } from '../extensions/retry-host-predicate/omit-host-metadata/config.ts';
import { previousHosts } from '../extensions/retry-host-predicate/previous-hosts/config.ts';
import { previousPriorities } from '../extensions/retry-priority/previous-priorities/config.ts';
import { upstreamProxyProtocolSocket } from '../extensions/transport-socket/proxy-protocol/config.ts';
import {
  downstreamRawBufferSocket,
  upstreamRawBufferSocket,
} from '../extensions/transport-socket/raw-buffer/config.ts';
import {
  downstreamTlsSocket,
  upstreamTlsSocket,
} from '../extensions/transport-socket/tls/config.ts';

export const builtInExtensions: readonly AnyFactory[] = [
  httpConnectionManager,
  tcpProxy,
  echo,
  directResponse,
  sniCluster,
  setConnectionFilterState,
  connectionLimit,
  localRateLimit,
  networkRbac,
  router,
  rbac,
  headerMutation,
  setFilterState,
  fault,
  cors,
  dynamicForwardProxy,
  onDemand,
  healthCheck,
  grpcStats,
  grpcWeb,
  grpcHttp1Bridge,
  grpcJsonTranscoder,
  statefulSession,
  cookieSession,
  headerSession,
  tlsInspector,
  httpInspector,
  proxyProtocol,
  originalDst,
  downstreamTlsSocket,
  upstreamTlsSocket,
  downstreamRawBufferSocket,
  upstreamRawBufferSocket,
  upstreamProxyProtocolSocket,
  fileAccessLog,
  stdoutAccessLog,
  stderrAccessLog,
  previousRoutes,
  allowListedRoutes,
  safeCrossScheme,
  previousHosts,
  omitCanaryHosts,
  omitHostMetadata,
  previousPriorities,
  xffDetection,
  customHeaderDetection,
  uuidRequestId,
  preserveCase,
  spiffeValidator,
];
