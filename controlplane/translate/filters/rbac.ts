// AuthorizationPolicy to the RBAC filter. The path it sees is already normalised (connection-manager.ts),
// so `/a/../admin` cannot slip past a rule for `/a/*`.

import { packAny } from '../../../proto/any.ts';
import type {
  HttpFilterProto,
  PermissionProto,
  PolicyProto,
  PrincipalProto,
  StringMatcherProto,
} from '../../../proto/gen/types.ts';
import type { AllowedRequest, AllowRule, ServiceNode } from '../../graph/graph.ts';
import { trustDomainPrefix } from '../../graph/ids.ts';
import { probeRequest } from '../health-check.ts';

/** Names of AuthorizationPolicies have no underscore. */
const HEALTH_CHECK = '_health_check';

/** null = no policy, every mesh identity may call and no filter is needed. */
export function rbacFilter(
  { allow, healthCheck }: Pick<ServiceNode, 'allow' | 'healthCheck'>,
  trustDomain: string,
): HttpFilterProto | null {
  if (allow === null) return null;
  const probe = healthCheck === null ? null : probeRequest(healthCheck);
  const policies: Record<string, PolicyProto> = {};
  const all: readonly AllowRule[] =
    probe === null
      ? allow
      : [...allow, { name: HEALTH_CHECK, principals: null, requests: [probe] }];
  for (const rule of all) {
    policies[rule.name] = {
      permissions: rule.requests?.map(permission) ?? [{ any: true }],
      // A rule for "any mesh identity" still asks for one: PERMISSIVE listeners take plaintext too.
      principals: rule.principals?.map(principal) ?? [
        { authenticated: { principal_name: { prefix: trustDomainPrefix(trustDomain) } } },
      ],
    };
  }
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: packAny('envoy.extensions.filters.http.rbac.v3.RBAC', {
      // ALLOW without any policy denies everything: `rules: []`.
      rules: { action: 'ALLOW', policies },
    }),
  };
}

function principal(spiffeId: string): PrincipalProto {
  return { authenticated: { principal_name: { exact: spiffeId } } };
}

function permission(request: AllowedRequest): PermissionProto {
  const parts: PermissionProto[] = [];
  if (request.methods !== null) {
    parts.push(
      anyOf(
        request.methods.map((method) => ({
          header: { name: ':method', string_match: { exact: method } },
        })),
      ),
    );
  }
  if (request.paths !== null) {
    parts.push(anyOf(request.paths.map((path) => ({ url_path: { path: pathMatcher(path) } }))));
  }
  const [first] = parts;
  if (first === undefined) return { any: true };
  return parts.length === 1 ? first : { and_rules: { rules: parts } };
}

function anyOf(rules: readonly PermissionProto[]): PermissionProto {
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { or_rules: { rules } };
}

function pathMatcher(path: string): StringMatcherProto {
  return path.endsWith('*') ? { prefix: path === '*' ? '/' : path.slice(0, -1) } : { exact: path };
}
