// load_stats_config and hds_config: where a stream goes that tells a management server about us.

import type { ApiConfigSourceProto } from '../../proto/gen/types.ts';
import type { GrpcServiceConfig } from '../api/config/config-source.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileGrpcService } from '../compile/grpc-service.ts';

/** Null = it is not set. `path`: where it stands. */
export function compileReportService(
  config: ApiConfigSourceProto | undefined,
  path: string,
  compilation: Compilation,
): GrpcServiceConfig | null {
  if (config === undefined) return null;
  if (config.api_type !== 'GRPC') compilation.fail(`${path}.api_type`, 'must be GRPC');
  const services = config.grpc_services ?? [];
  if (services.length !== 1) {
    compilation.fail(`${path}.grpc_services`, 'must have exactly one entry');
  }
  return compileGrpcService(services[0] ?? {}, `${path}.grpc_services[0]`, compilation);
}
