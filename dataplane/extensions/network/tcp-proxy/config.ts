// envoy.filters.network.tcp_proxy: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  BackoffStrategyProto,
  HashPolicyProto,
  TcpProxyProto,
  TcpProxyTunnelingConfigProto,
} from '../../../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../../../proto/well-known.ts';
import type { HashPolicyData, HashSourceData } from '../../../api/config/hash-policy.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { compileAccessLogs } from '../../../compile/access-log.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { checkFormat } from '../../../compile/format.ts';
import { compileHeaderValueOption } from '../../../compile/header-mutations.ts';
import { compileMetadataMatch } from '../../../compile/metadata-match.ts';
import { compileTlvs } from '../../../compile/proxy-tlvs.ts';
import type { AccessLogOptionsData, TcpProxyData, TunnelingData } from './data.ts';

const HOUR_MS = 3_600_000;
/** Envoy: max_interval is ten times base_interval unless it is given. */
const BACKOFF_MAX_FACTOR = 10;

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
      metadataMatch: compileMetadataMatch(config.metadata_match, null),
      hashPolicy: (config.hash_policy ?? []).map(compileHashPolicy),
      idleTimeoutMs: durationMsOr(config.idle_timeout, HOUR_MS),
      maxConnectAttempts: wrapperOr(config.max_connect_attempts, 1),
      backoff: compileBackoff(config.backoff_options, compilation),
      maxDownstreamConnectionDurationMs: durationMsOr(config.max_downstream_connection_duration, 0),
      maxDurationJitterPercent:
        config.max_downstream_connection_duration_jitter_percentage?.value ?? 0,
      proxyProtocolTlvs: compileTlvs(
        config.proxy_protocol_tlvs,
        'proxy_protocol_tlvs',
        compilation,
      ),
      tunneling: compileTunneling(config.tunneling_config, compilation),
      accessLogs: compileAccessLogs(config.access_log, 'access_log', compilation),
      accessLogOptions: compileAccessLogOptions(config, compilation),
    };
    return compilation.result(data);
  },
};

/** type.v3.HashPolicy; Envoy takes no more than one. */
function compileHashPolicy({ filter_state: state }: HashPolicyProto): HashPolicyData {
  const source: HashSourceData =
    state === undefined ? { kind: 'source_ip' } : { kind: 'filter_state', key: state.key ?? '' };
  return { source, terminal: false };
}

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
  const metadataMatch = compileMetadataMatch(config.metadata_match, null);
  if (config.cluster !== undefined) {
    return [{ name: check(config.cluster, 'cluster'), weight: 1, metadataMatch }];
  }
  const path = 'weighted_clusters.clusters';
  const clusters = mapItems(config.weighted_clusters?.clusters, path, (cluster, at) => ({
    name: check(cluster.name ?? '', `${at}.name`),
    weight: cluster.weight ?? 0,
    metadataMatch: compileMetadataMatch(cluster.metadata_match, metadataMatch),
  }));
  if (clusters.every(({ weight }) => weight === 0)) {
    compilation.fail(path, 'sum of weights must be greater than 0');
  }
  return clusters;
}

function compileBackoff(
  options: BackoffStrategyProto | undefined,
  compilation: Compilation,
): TcpProxyData['backoff'] {
  if (options === undefined) return null;
  const baseMs = durationMsOr(options.base_interval, 0);
  const maxMs = durationMsOr(options.max_interval, baseMs * BACKOFF_MAX_FACTOR);
  if (maxMs < baseMs) {
    compilation.fail(
      'backoff_options.max_interval',
      'must be greater than or equal to base_interval',
    );
  }
  return { baseMs, maxMs };
}

function compileTunneling(
  config: TcpProxyTunnelingConfigProto | undefined,
  compilation: Compilation,
): TunnelingData | null {
  if (config === undefined) return null;
  const { hostname = '', use_post: usePost = false, post_path: postPath = '' } = config;
  checkFormat(hostname, 'tunneling_config.hostname', compilation);
  if (postPath !== '' && !usePost) {
    compilation.fail('tunneling_config.post_path', 'only with use_post');
  }
  return {
    hostname,
    usePost,
    postPath: postPath === '' ? '/' : postPath,
    headersToAdd: mapItems(config.headers_to_add, 'tunneling_config.headers_to_add', (option, at) =>
      compileHeaderValueOption(option, at, compilation),
    ),
  };
}

function compileAccessLogOptions(
  config: TcpProxyProto,
  compilation: Compilation,
): AccessLogOptionsData {
  const { access_log_options: options } = config;
  if (options !== undefined) {
    for (const field of ['access_log_flush_interval', 'flush_access_log_on_connected'] as const) {
      if (config[field] !== undefined && config[field] !== false) {
        compilation.fail(field, 'only one of it and access_log_options can be specified');
      }
    }
  }
  return {
    onStart: options?.flush_access_log_on_start ?? false,
    onConnected:
      options?.flush_access_log_on_connected ?? config.flush_access_log_on_connected ?? false,
    intervalMs: durationMsOr(
      options?.access_log_flush_interval ?? config.access_log_flush_interval,
      0,
    ),
  };
}
