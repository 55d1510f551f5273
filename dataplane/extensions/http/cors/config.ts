// envoy.filters.http.cors: main-thread half. The filter has no fields; what it does stands in policies per route.

import { type FieldError, ok, type Result } from '../../../../common/result.ts';
import type {
  FiltersHttpCorsCorsPolicyProto,
  RuntimeFractionalPercentProto,
} from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import type { FractionData } from '../../../api/matcher-data.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { compileRuntimeFraction, compileStringMatcher } from '../../../compile/matchers.ts';
import type { CorsPolicyData } from './data.ts';

/** Cors -> null, CorsPolicy -> CorsPolicyData. */
export const cors: ExtensionConfigFactory = {
  name: 'envoy.filters.http.cors',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.cors.v3.Cors'],
  routeConfigTypes: ['envoy.extensions.filters.http.cors.v3.CorsPolicy'],
  compile: () => ok(null),
  compileRoute(
    policy: FiltersHttpCorsCorsPolicyProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const fraction = (proto: RuntimeFractionalPercentProto | undefined): FractionData | null =>
      proto === undefined ? null : compileRuntimeFraction(proto, compilation);
    const data: CorsPolicyData = {
      allowOrigins: mapItems(
        policy.allow_origin_string_match,
        'allow_origin_string_match',
        (matcher, at) => compileStringMatcher(matcher, at, compilation),
      ),
      allowMethods: policy.allow_methods ?? '',
      allowHeaders: policy.allow_headers ?? '',
      exposeHeaders: policy.expose_headers ?? '',
      maxAge: policy.max_age ?? '',
      allowCredentials: wrapperOr(policy.allow_credentials, null),
      allowPrivateNetworkAccess: wrapperOr(policy.allow_private_network_access, null),
      forwardNotMatchingPreflights: wrapperOr(policy.forward_not_matching_preflights, null),
      filterEnabled: fraction(policy.filter_enabled),
      shadowEnabled: fraction(policy.shadow_enabled),
    };
    return compilation.result(data);
  },
};
