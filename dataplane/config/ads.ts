// dynamic_resources: the aggregated stream, and which types come over it.

import type {
  ApiConfigSourceProto,
  BootstrapDynamicResourcesProto,
  BootstrapProto,
  ConfigSourceProto,
  GrpcServiceProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { DynamicResourcesConfig, GrpcTarget } from '../api/config/bootstrap.ts';
import type {
  ConfigSource,
  GrpcApiConfig,
  GrpcServiceConfig,
} from '../api/config/config-source.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileConfigSource } from '../compile/config-source.ts';
import { compileGoogleGrpc } from './grpc-target.ts';

const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const path = 'dynamic_resources';

/** Clusters that gRPC services of the bootstrap name: of xDS, load reports and delegated health checks. */
export function grpcClusterNames({
  dynamic_resources: dynamic,
  cluster_manager: manager,
  hds_config: hds,
}: BootstrapProto): ReadonlySet<string> {
  const names = new Set<string>();
  for (const api of [dynamic?.ads_config, manager?.load_stats_config, hds]) {
    for (const service of api?.grpc_services ?? []) {
      const name = service.envoy_grpc?.cluster_name;
      if (name !== undefined) names.add(name);
    }
  }
  return names;
}

export function compileDynamicResources(
  dynamic: BootstrapDynamicResourcesProto | undefined,
  grpcClusters: ReadonlyMap<string, GrpcTarget>,
  compilation: Compilation,
): DynamicResourcesConfig {
  const sourceOf = (field: 'lds_config' | 'cds_config'): ConfigSource | null => {
    const source: ConfigSourceProto | undefined = dynamic?.[field];
    if (source === undefined) return null;
    return compileConfigSource(source, `${path}.${field}`, compilation);
  };
  return {
    lds: sourceOf('lds_config'),
    cds: sourceOf('cds_config'),
    ads:
      dynamic?.ads_config === undefined
        ? null
        : compileAds(dynamic.ads_config, grpcClusters, compilation),
  };
}

function compileAds(
  config: ApiConfigSourceProto,
  grpcClusters: ReadonlyMap<string, GrpcTarget>,
  compilation: Compilation,
): GrpcApiConfig {
  const at = `${path}.ads_config`;
  if (config.api_type === undefined) {
    compilation.fail(`${at}.api_type`, 'must be GRPC or DELTA_GRPC');
  }
  const services = config.grpc_services ?? [];
  if (services.length !== 1) compilation.fail(`${at}.grpc_services`, 'must have exactly one entry');
  return {
    protocol: config.api_type === 'GRPC' ? 'GRPC' : 'DELTA_GRPC',
    services: [
      compileGrpcService(services[0] ?? {}, `${at}.grpc_services[0]`, grpcClusters, compilation),
    ],
    setNodeOnFirstMessageOnly: config.set_node_on_first_message_only ?? false,
    rateLimit: null,
  };
}

/** `servicePath`: where the service stands. */
export function compileGrpcService(
  service: GrpcServiceProto,
  servicePath: string,
  grpcClusters: ReadonlyMap<string, GrpcTarget>,
  compilation: Compilation,
): GrpcServiceConfig {
  const retry = service.envoy_grpc?.retry_policy?.retry_back_off;
  const backoffBaseMs = durationMsOr(retry?.base_interval, BACKOFF_BASE_MS);
  const backoffMaxMs = durationMsOr(
    retry?.max_interval,
    retry === undefined ? BACKOFF_MAX_MS : backoffBaseMs * 10,
  );
  if (backoffMaxMs < backoffBaseMs) {
    compilation.fail(
      `${servicePath}.envoy_grpc.retry_policy.retry_back_off.max_interval`,
      'must be >= base_interval',
    );
  }
  return {
    target: compileTarget(service, servicePath, grpcClusters, compilation),
    initialMetadata: (service.initial_metadata ?? []).map(({ key, value }) => ({
      key: (key ?? '').toLowerCase(),
      value: value ?? '',
    })),
    backoffBaseMs,
    backoffMaxMs,
    maxReceiveMessageBytes: wrapperOr(service.envoy_grpc?.max_receive_message_length, null),
  };
}

const nowhere: GrpcTarget = {
  clusterName: '',
  addresses: [],
  authority: '',
  connectTimeoutMs: 0,
  tls: null,
  keepalive: null,
};

function compileTarget(
  service: GrpcServiceProto,
  servicePath: string,
  grpcClusters: ReadonlyMap<string, GrpcTarget>,
  compilation: Compilation,
): GrpcTarget {
  if (service.google_grpc !== undefined) {
    return compileGoogleGrpc(service.google_grpc, `${servicePath}.google_grpc`, compilation);
  }
  if (service.envoy_grpc === undefined) return nowhere; // validation said so
  const name = service.envoy_grpc.cluster_name ?? '';
  const target = grpcClusters.get(name);
  if (target === undefined) {
    compilation.fail(`${servicePath}.envoy_grpc.cluster_name`, `unknown cluster '${name}'`);
    return nowhere;
  }
  return { ...target, authority: service.envoy_grpc.authority ?? '' };
}
