// RouteAction.RequestMirrorPolicy of routes, virtual hosts, route configurations and clusters.

import { joinPath } from '../../common/result.ts';
import type { RouteActionRequestMirrorPolicyProto } from '../../proto/gen/types.ts';
import type { MirrorPolicyData } from '../api/config/route.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { compileOrderedMutation } from './header-mutations.ts';
import { compileRuntimeFraction, headerName } from './matchers.ts';

/** `path`: of the message that has them. `validatesClusters`: one that does not exist is an error. */
export function compileMirrors(
  policies: readonly RouteActionRequestMirrorPolicyProto[] | undefined,
  path: string,
  compilation: Compilation,
  validatesClusters: boolean,
): readonly MirrorPolicyData[] {
  return mapItems(policies, joinPath(path, 'request_mirror_policies'), (policy, at) => ({
    cluster: compileCluster(policy, at, compilation, validatesClusters),
    fraction:
      policy.runtime_fraction === undefined
        ? null
        : compileRuntimeFraction(policy.runtime_fraction, compilation),
    appendsShadowSuffix: !(policy.disable_shadow_host_suffix_append ?? false),
    mutations: mapItems(
      policy.request_headers_mutations,
      `${at}.request_headers_mutations`,
      (mutation, mutationPath) => compileOrderedMutation(mutation, mutationPath, compilation),
    ),
    hostRewriteLiteral: policy.host_rewrite_literal ?? '',
  }));
}

function compileCluster(
  policy: RouteActionRequestMirrorPolicyProto,
  path: string,
  compilation: Compilation,
  validatesClusters: boolean,
): MirrorPolicyData['cluster'] {
  const { cluster = '', cluster_header: header = '' } = policy;
  if ((cluster === '') === (header === '')) {
    compilation.fail(path, 'exactly one of cluster, cluster_header must be set');
  }
  if (header !== '') {
    const at = `${path}.cluster_header`;
    return { kind: 'cluster_header', header: headerName(header, at, compilation) };
  }
  const exists = cluster === '' || compilation.context.referenceCluster(cluster);
  if (validatesClusters && !exists) {
    compilation.fail(`${path}.cluster`, `unknown shadow cluster '${cluster}'`);
  }
  return { kind: 'cluster', name: cluster };
}
