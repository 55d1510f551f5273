// envoy.filters.http.rbac: main-thread half, filter and per-route.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FiltersHttpRbacRBACProto, RBACPerRouteProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileRbacRules } from '../../_shared/rbac/config.ts';
import type { RbacRulesData } from '../../_shared/rbac/data.ts';
import type { RbacData, RbacRouteData } from './data.ts';

/** RBAC -> RbacData, RBACPerRoute -> RbacRouteData. */
export const rbac: ExtensionConfigFactory<FiltersHttpRbacRBACProto> = {
  name: 'envoy.filters.http.rbac',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.rbac.v3.RBAC'],
  routeConfigTypes: ['envoy.extensions.filters.http.rbac.v3.RBACPerRoute'],
  compile(
    config: FiltersHttpRbacRBACProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(compileRbac(config, '', compilation));
  },
  compileRoute(config: RBACPerRouteProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const data: RbacRouteData =
      config.rbac === undefined ? null : compileRbac(config.rbac, 'rbac.', compilation);
    return compilation.result(data);
  },
};

/** `prefix` is '' or ends in '.'. */
function compileRbac(
  config: FiltersHttpRbacRBACProto,
  prefix: string,
  compilation: Compilation,
): RbacData {
  const rules = (field: 'rules' | 'shadow_rules'): RbacRulesData | null => {
    const proto = config[field];
    return proto === undefined ? null : compileRbacRules(proto, `${prefix}${field}`, compilation);
  };
  return {
    rules: rules('rules'),
    shadowRules: rules('shadow_rules'),
    rulesStatPrefix: config.rules_stat_prefix ?? '',
    shadowRulesStatPrefix: config.shadow_rules_stat_prefix ?? '',
    trackPerRuleStats: config.track_per_rule_stats ?? false,
  };
}
