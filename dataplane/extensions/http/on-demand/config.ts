// envoy.filters.http.on_demand: main-thread half, filter and per-route.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { OnDemandCdsProto, OnDemandProto } from '../../../../proto/gen/types.ts';
import { durationMsOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileConfigSource } from '../../../compile/config-source.ts';
import type { OnDemandCdsData, OnDemandData } from './data.ts';

const pkg = 'envoy.extensions.filters.http.on_demand.v3';
const DEFAULT_TIMEOUT_MS = 5_000;

/** OnDemand and PerRouteConfig -> OnDemandData. */
export const onDemand: ExtensionConfigFactory<OnDemandProto> = {
  name: 'envoy.filters.http.on_demand',
  category: 'http-filter',
  configTypes: [`${pkg}.OnDemand`],
  routeConfigTypes: [`${pkg}.PerRouteConfig`],
  compile,
  // The same one field.
  compileRoute: compile,
};

function compile(
  { odcds }: { readonly odcds?: OnDemandCdsProto | undefined },
  context: CompileContext,
): Result<unknown, FieldError[]> {
  const compilation = new Compilation(context);
  return compilation.result<OnDemandData>({
    odcds: odcds === undefined ? null : compileOdcds(odcds, compilation),
  });
}

function compileOdcds(odcds: OnDemandCdsProto, compilation: Compilation): OnDemandCdsData | null {
  const source = compileConfigSource(odcds.source, 'odcds.source', compilation);
  compilation.context.mayAskLater();
  const timeoutMs = durationMsOr(odcds.timeout, DEFAULT_TIMEOUT_MS);
  return source === null ? null : { source, timeoutMs };
}
