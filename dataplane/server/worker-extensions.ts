// THE list of extensions, worker halves. The main halves are in extensions.ts; the test beside that file
// holds the two against each other. Imports no descriptors, directly or not (layer rule).

import { compileFormat } from '../access-log/formatter.ts';
import { fileAccessLoggerFactory } from '../extensions/access-log/file/filter.ts';
import { stderrAccessLoggerFactory } from '../extensions/access-log/stderr/filter.ts';
import { stdoutAccessLoggerFactory } from '../extensions/access-log/stdout/filter.ts';
import { configDiscovery } from '../extensions/http/config-discovery/filter.ts';
import { cors } from '../extensions/http/cors/filter.ts';
import { dynamicForwardProxy } from '../extensions/http/dynamic-forward-proxy/filter.ts';
import { fault } from '../extensions/http/fault/filter.ts';
import { grpcHttp1Bridge } from '../extensions/http/grpc-http1-bridge/filter.ts';
import { grpcJsonTranscoder } from '../extensions/http/grpc-json-transcoder/filter.ts';
import { grpcStats } from '../extensions/http/grpc-stats/filter.ts';
import { grpcWeb } from '../extensions/http/grpc-web/filter.ts';
import { headerMutationFactory } from '../extensions/http/header-mutation/filter.ts';
import { healthCheck } from '../extensions/http/health-check/filter.ts';
import { onDemand } from '../extensions/http/on-demand/filter.ts';
import { rbac } from '../extensions/http/rbac/filter.ts';
import { routerFilterFactory } from '../extensions/http/router/filter.ts';
import { setFilterState } from '../extensions/http/set-filter-state/filter.ts';
import { statefulSession } from '../extensions/http/stateful-session/filter.ts';
import { listenerConfigDiscovery } from '../extensions/listener/config-discovery/filter.ts';
import { httpInspectorFilterFactory } from '../extensions/listener/http-inspector/filter.ts';
import { originalDstFilterFactory } from '../extensions/listener/original-dst/filter.ts';
import { proxyProtocolFilterFactory } from '../extensions/listener/proxy-protocol/filter.ts';
import { tlsInspectorFilterFactory } from '../extensions/listener/tls-inspector/filter.ts';
import { networkConfigDiscovery } from '../extensions/network/config-discovery/filter.ts';
import { connectionLimitFilterFactory } from '../extensions/network/connection-limit/filter.ts';
import { directResponseFilterFactory } from '../extensions/network/direct-response/filter.ts';
import { echoFilterFactory } from '../extensions/network/echo/filter.ts';
import { httpConnectionManagerFactory } from '../extensions/network/http-connection-manager/filter.ts';
import { localRateLimitFilterFactory } from '../extensions/network/local-ratelimit/filter.ts';
import { networkRbacFilterFactory } from '../extensions/network/rbac/filter.ts';
import { setConnectionFilterState } from '../extensions/network/set-filter-state/filter.ts';
import { sniClusterFilterFactory } from '../extensions/network/sni-cluster/filter.ts';
import { tcpProxyFilterFactory } from '../extensions/network/tcp-proxy/filter.ts';
import { createRouteTable } from '../router/route-table.ts';
import type { BuildRouteTable, WorkerFactories } from './worker-context.ts';

export const buildRouteTable: BuildRouteTable = (data, context) => createRouteTable(data, context);

const headerMutation = headerMutationFactory((text) => {
  const formatter = compileFormat(text);
  return (context) => formatter.format(context);
});

export const workerFactories: WorkerFactories = {
  http: [
    routerFilterFactory,
    rbac,
    headerMutation,
    setFilterState,
    fault,
    configDiscovery,
    cors,
    dynamicForwardProxy,
    onDemand,
    healthCheck,
    grpcStats,
    grpcWeb,
    grpcHttp1Bridge,
    grpcJsonTranscoder,
    statefulSession,
  ],
  network: [
    httpConnectionManagerFactory(buildRouteTable),
    tcpProxyFilterFactory,
    echoFilterFactory,
    directResponseFilterFactory,
    sniClusterFilterFactory,
    setConnectionFilterState,
    connectionLimitFilterFactory,
    networkConfigDiscovery,
    localRateLimitFilterFactory,
    networkRbacFilterFactory,
  ],
  listener: [
    listenerConfigDiscovery,
    tlsInspectorFilterFactory,
    httpInspectorFilterFactory,
    proxyProtocolFilterFactory,
    originalDstFilterFactory,
  ],
  accessLog: [fileAccessLoggerFactory, stdoutAccessLoggerFactory, stderrAccessLoggerFactory],
};
