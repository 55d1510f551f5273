// dynamic_resources: the aggregated stream, and which types come over it.

import type { BootstrapDynamicResourcesProto, BootstrapProto } from '../../proto/gen/types.ts';
import type { DynamicResourcesConfig } from '../api/config/bootstrap.ts';
import type { ConfigSource, GrpcApiConfig } from '../api/config/config-source.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileConfigSource } from '../compile/config-source.ts';
import { compileGrpcApi } from '../compile/grpc-service.ts';

const path = 'dynamic_resources';

/** Null = there is no aggregated stream. */
export function adsProtocolOf({
  dynamic_resources: dynamic,
}: BootstrapProto): GrpcApiConfig['protocol'] | null {
  if (dynamic?.ads_config === undefined) return null;
  return dynamic.ads_config.api_type === 'GRPC' ? 'GRPC' : 'DELTA_GRPC';
}

export function compileDynamicResources(
  dynamic: BootstrapDynamicResourcesProto | undefined,
  compilation: Compilation,
): DynamicResourcesConfig {
  const sourceOf = (field: 'lds_config' | 'cds_config'): ConfigSource | null => {
    const source = dynamic?.[field];
    if (source === undefined) return null;
    return compileConfigSource(source, `${path}.${field}`, compilation);
  };
  const ads = dynamic?.ads_config;
  return {
    lds: sourceOf('lds_config'),
    cds: sourceOf('cds_config'),
    ads: ads === undefined ? null : compileGrpcApi(ads, `${path}.ads_config`, compilation),
  };
}
