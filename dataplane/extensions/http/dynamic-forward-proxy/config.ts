// envoy.filters.http.dynamic_forward_proxy: main-thread half, filter and per-route.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  FiltersHttpDynamicForwardProxyFilterConfigProto,
  PerRouteConfigProto,
} from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileDnsCache } from '../../../compile/dns-cache.ts';
import type { DynamicForwardProxyFilterData, DynamicForwardProxyRouteData } from './data.ts';

const pkg = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3';

/** FilterConfig -> DynamicForwardProxyFilterData, PerRouteConfig -> DynamicForwardProxyRouteData. */
export const dynamicForwardProxy: ExtensionConfigFactory<FiltersHttpDynamicForwardProxyFilterConfigProto> =
  {
    name: 'envoy.filters.http.dynamic_forward_proxy',
    category: 'http-filter',
    configTypes: [`${pkg}.FilterConfig`],
    routeConfigTypes: [`${pkg}.PerRouteConfig`],
    compile(
      config: FiltersHttpDynamicForwardProxyFilterConfigProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      const compilation = new Compilation(context);
      if (config.dns_cache_config === undefined) {
        compilation.fail('dns_cache_config', 'is required');
        return compilation.result(null);
      }
      const cache = compileDnsCache(config.dns_cache_config, 'dns_cache_config', compilation);
      return compilation.result<DynamicForwardProxyFilterData>({ cache });
    },
    compileRoute(
      config: PerRouteConfigProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      return new Compilation(context).result<DynamicForwardProxyRouteData>({
        hostRewriteLiteral: config.host_rewrite_literal ?? '',
        hostRewriteHeader: (config.host_rewrite_header ?? '').toLowerCase(),
      });
    },
  };
