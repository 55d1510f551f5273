// envoy.filters.network.rbac: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FiltersNetworkRbacRBACProto } from '../../../../proto/gen/types.ts';
import { durationMsOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { compileRbacRules } from '../../_shared/rbac/config.ts';
import type {
  RbacPermissionData,
  RbacPrincipalData,
  RbacRulesData,
} from '../../_shared/rbac/data.ts';
import type { NetworkRbacData } from './data.ts';

/** RBAC -> NetworkRbacData. */
export const networkRbac: ExtensionConfigFactory<FiltersNetworkRbacRBACProto> = {
  name: 'envoy.filters.network.rbac',
  category: 'network-filter',
  configTypes: ['envoy.extensions.filters.network.rbac.v3.RBAC'],
  compile(
    config: FiltersNetworkRbacRBACProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const rules = (field: 'rules' | 'shadow_rules'): RbacRulesData | null => {
      const proto = config[field];
      if (proto === undefined) return null;
      const compiled = compileRbacRules(proto, field, compilation);
      if (usesHeaders(compiled)) {
        compilation.fail(field, 'a header rule is not supported by the RBAC network filter');
      }
      return compiled;
    };
    const data: NetworkRbacData = {
      statPrefix: (config.stat_prefix ?? '').replace(/\.$/, ''),
      rules: rules('rules'),
      shadowRules: rules('shadow_rules'),
      shadowRulesStatPrefix: config.shadow_rules_stat_prefix ?? '',
      isContinuous: config.enforcement_type === 'CONTINUOUS',
      delayDenyMs: durationMsOr(config.delay_deny, 0),
    };
    return compilation.result(data);
  },
};

/** Envoy refuses header rules here, but not url_path, which then never matches. */
function usesHeaders({ policies }: RbacRulesData): boolean {
  return policies.some(
    ({ permissions, principals }) =>
      permissions.some(permissionUsesHeaders) || principals.some(principalUsesHeaders),
  );
}

function permissionUsesHeaders(data: RbacPermissionData): boolean {
  switch (data.kind) {
    case 'header':
      return true;
    case 'and':
    case 'or':
      return data.rules.some(permissionUsesHeaders);
    case 'not':
      return permissionUsesHeaders(data.rule);
    default:
      return false;
  }
}

function principalUsesHeaders(data: RbacPrincipalData): boolean {
  switch (data.kind) {
    case 'header':
      return true;
    case 'and':
    case 'or':
      return data.ids.some(principalUsesHeaders);
    case 'not':
      return principalUsesHeaders(data.id);
    default:
      return false;
  }
}
