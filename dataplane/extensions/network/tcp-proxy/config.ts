// envoy.filters.network.tcp_proxy: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { TcpProxyProto } from '../../../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { compileAccessLogs } from '../../../compile/access-log.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import type { TcpProxyData } from './data.ts';

const HOUR_MS = 3_600_000;

/** TcpProxy -> TcpProxyData. */
export const tcpProxy: ExtensionConfigFactory<TcpProxyProto> = {
  name: 'envoy.filters.network.tcp_proxy',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'],
  isTerminal: true,
  compile(config: TcpProxyProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const data: TcpProxyData = {
      statPrefix: config.stat_prefix ?? '',
      clusters: compileClusters(config, compilation),
      idleTimeoutMs: durationMsOr(config.idle_timeout, HOUR_MS),
      maxConnectAttempts: wrapperOr(config.max_connect_attempts, 1),
      maxDownstreamConnectionDurationMs: durationMsOr(config.max_downstream_connection_duration, 0),
      accessLogs: compileAccessLogs(config.access_log, 'access_log', compilation),
    };
    return compilation.result(data);
  },
};

function compileClusters(
  config: TcpProxyProto,
  compilation: Compilation,
): TcpProxyData['clusters'] {
  const check = (name: string, path: string): string => {
    if (!compilation.context.referenceCluster(name)) {
      compilation.fail(path, `unknown cluster '${name}'`);
    }
    return name;
  };
  if (config.cluster !== undefined) {
    return [{ name: check(config.cluster, 'cluster'), weight: 1 }];
  }
  const path = 'weighted_clusters.clusters';
  const clusters = mapItems(config.weighted_clusters?.clusters, path, (cluster, at) => ({
    name: check(cluster.name ?? '', `${at}.name`),
    weight: cluster.weight ?? 0,
  }));
  if (clusters.every(({ weight }) => weight === 0)) {
    compilation.fail(path, 'sum of weights must be greater than 0');
  }
  return clusters;
}
