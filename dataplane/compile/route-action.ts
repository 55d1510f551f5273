// What a route does: RouteAction, RedirectAction, DirectResponseAction of config.route.v3.

import type {
  DirectResponseActionProto,
  RedirectActionProto,
  RouteActionProto,
  RouteProto,
  WeightedClusterClusterWeightProto,
  WeightedClusterProto,
} from '../../proto/gen/types.ts';
import { durationMs, durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type {
  ForwardActionData,
  RedirectActionData,
  RouteActionData,
  WeightedClusterData,
} from '../api/config/route.ts';
import type { MetadataMatch } from '../api/metadata-match.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { readText } from './data-source.ts';
import { compileHashPolicies } from './hash-policy.ts';
import { compileHeaderMutations } from './header-mutations.ts';
import { compileHedge } from './hedge.ts';
import { compileInternalRedirect } from './internal-redirect.ts';
import { compileRegexRewrite, headerName } from './matchers.ts';
import { compileMetadataMatch } from './metadata-match.ts';
import { compilePerFilterConfig } from './per-filter-config.ts';
import { compileProxyProtocol } from './proxy-tlvs.ts';
import { compileMirrors } from './request-mirror.ts';
import { compileRetryPolicy } from './retry-policy.ts';

/** What all routes of one configuration share while they are compiled. */
export interface RouteScope {
  readonly compilation: Compilation;
  /** validate_clusters: a reference to a cluster that does not exist is an error. */
  readonly validateClusters: boolean;
  readonly maxDirectResponseBodySizeBytes: number;
}

const DEFAULT_ROUTE_TIMEOUT_MS = 15_000;
const MAX_TOTAL_WEIGHT = 0xffff_ffff;

const clusterNotFoundStatus = {
  SERVICE_UNAVAILABLE: 503,
  NOT_FOUND: 404,
  INTERNAL_SERVER_ERROR: 500,
} as const;

const redirectStatus = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
} as const;

export function compileRouteAction(
  route: RouteProto,
  path: string,
  scope: RouteScope,
): RouteActionData {
  if (route.route !== undefined) {
    return { kind: 'route', ...compileForward(route.route, `${path}.route`, scope) };
  }
  if (route.redirect !== undefined) {
    const redirect = compileRedirect(route.redirect, `${path}.redirect`, scope.compilation);
    return { kind: 'redirect', ...redirect };
  }
  return compileDirectResponse(route.direct_response ?? {}, `${path}.direct_response`, scope);
}

function compileForward(
  action: RouteActionProto,
  path: string,
  scope: RouteScope,
): ForwardActionData {
  const { compilation } = scope;
  if (action.prefix_rewrite !== undefined && action.regex_rewrite !== undefined) {
    compilation.fail(path, 'only one of prefix_rewrite, regex_rewrite may be set');
  }
  return {
    cluster: compileClusterSpecifier(action, path, scope),
    hashPolicy: compileHashPolicies(action.hash_policy, `${path}.hash_policy`, compilation),
    clusterNotFoundStatus:
      clusterNotFoundStatus[action.cluster_not_found_response_code ?? 'SERVICE_UNAVAILABLE'],
    prefixRewrite: action.prefix_rewrite ?? null,
    regexRewrite:
      action.regex_rewrite === undefined
        ? null
        : compileRegexRewrite(action.regex_rewrite, `${path}.regex_rewrite`, compilation),
    hostRewrite: compileHostRewrite(action, path, compilation),
    appendXForwardedHost: action.append_x_forwarded_host ?? false,
    // Envoy: with max_stream_duration, whatever it says, only that counts.
    timeoutMs:
      action.max_stream_duration === undefined
        ? durationMsOr(action.timeout, DEFAULT_ROUTE_TIMEOUT_MS)
        : 0,
    idleTimeoutMs: action.idle_timeout === undefined ? null : durationMs(action.idle_timeout),
    retryPolicy:
      action.retry_policy === undefined
        ? null
        : compileRetryPolicy(action.retry_policy, `${path}.retry_policy`, compilation),
    mirrors: compileMirrors(
      action.request_mirror_policies,
      path,
      compilation,
      scope.validateClusters,
    ),
    metadataMatch: compileMetadataMatch(action.metadata_match, null),
    priority: action.priority === 'HIGH' ? 1 : 0,
    maxStreamDurationMs:
      action.max_stream_duration?.max_stream_duration === undefined
        ? null
        : durationMs(action.max_stream_duration.max_stream_duration),
    ...compileGrpcTimeouts(action),
    flushTimeoutMs: durationMsOr(action.flush_timeout, null),
    hedgeOnPerTryTimeout: compileHedge(action.hedge_policy),
    internalRedirect: compileInternalRedirect(action, path, compilation),
    ...compileUpgrades(action, path, compilation),
  };
}

function compileGrpcTimeouts(
  action: RouteActionProto,
): Pick<ForwardActionData, 'grpcTimeoutHeader' | 'maxGrpcTimeout'> {
  const duration = action.max_stream_duration;
  const offsetMs = durationMsOr(duration?.grpc_timeout_header_offset, 0);
  const headerMaxMs = durationMsOr(duration?.grpc_timeout_header_max, null);
  // Envoy: with max_stream_duration, whatever it says, the old fields mean nothing.
  const oldMaxMs = duration === undefined ? durationMsOr(action.max_grpc_timeout, null) : null;
  const oldOffsetMs = durationMsOr(action.grpc_timeout_offset, 0);
  return {
    grpcTimeoutHeader: headerMaxMs === null ? null : { maxMs: headerMaxMs, offsetMs },
    maxGrpcTimeout: oldMaxMs === null ? null : { maxMs: oldMaxMs, offsetMs: oldOffsetMs },
  };
}

type Upgrades = Pick<ForwardActionData, 'upgrades' | 'connect'>;

function compileUpgrades(
  action: RouteActionProto,
  path: string,
  compilation: Compilation,
): Upgrades {
  const upgrades: Upgrades['upgrades'][number][] = [];
  let connect: Upgrades['connect'] = null;
  mapItems(action.upgrade_configs, `${path}.upgrade_configs`, (config, at) => {
    const type = upgradeType(config.upgrade_type, at, compilation);
    if (upgrades.some((other) => other.type === type)) {
      compilation.fail(`${at}.upgrade_type`, `Duplicate upgrade ${config.upgrade_type}`);
    }
    upgrades.push({ type, enabled: wrapperOr(config.enabled, true) });
    if (config.connect_config === undefined) return;
    if (type !== 'connect') {
      const text = `Non-CONNECT upgrade type ${config.upgrade_type} has ConnectConfig`;
      compilation.fail(`${at}.connect_config`, text);
    }
    const { proxy_protocol_config: header, allow_post: allowPost } = config.connect_config;
    const headerPath = `${at}.connect_config.proxy_protocol_config`;
    connect = {
      allowPost: allowPost ?? false,
      proxyProtocol:
        header === undefined ? null : compileProxyProtocol(header, headerPath, compilation),
    };
  });
  return { upgrades, connect };
}

/** Lower-case: upgrade types are compared without regard to case. */
export function upgradeType(
  type: string | undefined,
  path: string,
  compilation: Compilation,
): string {
  const lower = (type ?? '').toLowerCase();
  if (lower === 'connect-udp')
    compilation.fail(`${path}.upgrade_type`, 'CONNECT-UDP is not supported');
  return lower;
}

function compileClusterSpecifier(
  action: RouteActionProto,
  path: string,
  scope: RouteScope,
): ForwardActionData['cluster'] {
  if (action.cluster !== undefined) {
    checkCluster(action.cluster, `${path}.cluster`, scope);
    return { kind: 'cluster', name: action.cluster };
  }
  if (action.cluster_header !== undefined) {
    const at = `${path}.cluster_header`;
    return {
      kind: 'cluster_header',
      header: headerName(action.cluster_header, at, scope.compilation),
    };
  }
  const ofRoute = compileMetadataMatch(action.metadata_match, null);
  const weighted = action.weighted_clusters ?? {};
  return compileWeighted(weighted, ofRoute, `${path}.weighted_clusters`, scope);
}

function checkCluster(name: string, path: string, scope: RouteScope): void {
  const exists = scope.compilation.context.referenceCluster(name);
  if (name === '') scope.compilation.fail(path, 'must not be empty');
  else if (scope.validateClusters && !exists) {
    scope.compilation.fail(path, `unknown cluster '${name}'`);
  }
}

function compileWeighted(
  weighted: WeightedClusterProto,
  ofRoute: MetadataMatch | null,
  path: string,
  scope: RouteScope,
): ForwardActionData['cluster'] {
  const { compilation } = scope;
  const clusters = (weighted.clusters ?? []).map((cluster, i) =>
    compileWeight(cluster, weighted.runtime_key_prefix, ofRoute, `${path}.clusters[${i}]`, scope),
  );
  const total = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  if (clusters.length === 0) compilation.fail(`${path}.clusters`, 'must not be empty');
  else if (total === 0)
    compilation.fail(`${path}.clusters`, 'sum of weights must be greater than 0');
  if (total > MAX_TOTAL_WEIGHT) {
    compilation.fail(`${path}.clusters`, `sum of weights must be <= ${MAX_TOTAL_WEIGHT}`);
  }
  const header = weighted.header_name;
  return {
    kind: 'weighted',
    usesHashPolicy: weighted.use_hash_policy?.value ?? false,
    headerName: header === undefined ? '' : headerName(header, `${path}.header_name`, compilation),
    clusters,
  };
}

function compileWeight(
  cluster: WeightedClusterClusterWeightProto,
  runtimeKeyPrefix: string | undefined,
  ofRoute: MetadataMatch | null,
  path: string,
  scope: RouteScope,
): WeightedClusterData {
  const { compilation } = scope;
  const name = cluster.name ?? '';
  checkCluster(name, `${path}.name`, scope);
  const weight = wrapperOr(cluster.weight, 0);
  return {
    name,
    weight,
    liveWeight:
      (runtimeKeyPrefix ?? '') === ''
        ? null
        : compilation.context.runtime.integer(`${runtimeKeyPrefix}.${name}`, weight),
    requestHeaders: compileHeaderMutations('request', cluster, path, compilation),
    responseHeaders: compileHeaderMutations('response', cluster, path, compilation),
    hostRewriteLiteral: cluster.host_rewrite_literal ?? null,
    metadataMatch: compileMetadataMatch(cluster.metadata_match, ofRoute),
    perFilterConfig: compilePerFilterConfig(
      cluster.typed_per_filter_config,
      `${path}.typed_per_filter_config`,
      compilation,
    ),
  };
}

function compileHostRewrite(
  action: RouteActionProto,
  path: string,
  compilation: Compilation,
): ForwardActionData['hostRewrite'] {
  if (action.host_rewrite_literal !== undefined) {
    return { kind: 'literal', value: action.host_rewrite_literal };
  }
  if (action.auto_host_rewrite?.value === true) return { kind: 'auto' };
  if (action.host_rewrite_header !== undefined) {
    const at = `${path}.host_rewrite_header`;
    return { kind: 'header', header: headerName(action.host_rewrite_header, at, compilation) };
  }
  if (action.host_rewrite_path_regex !== undefined) {
    const at = `${path}.host_rewrite_path_regex`;
    const rewrite = compileRegexRewrite(action.host_rewrite_path_regex, at, compilation);
    return { kind: 'path_regex', rewrite };
  }
  return { kind: 'none' };
}

function compileRedirect(
  redirect: RedirectActionProto,
  path: string,
  compilation: Compilation,
): RedirectActionData {
  return {
    httpsRedirect: redirect.https_redirect ?? false,
    schemeRedirect: redirect.scheme_redirect ?? '',
    hostRedirect: redirect.host_redirect ?? '',
    portRedirect: redirect.port_redirect ?? 0,
    path: compileRedirectPath(redirect, path, compilation),
    status: redirectStatus[redirect.response_code ?? 'MOVED_PERMANENTLY'],
    stripQuery: redirect.strip_query ?? false,
  };
}

function compileRedirectPath(
  redirect: RedirectActionProto,
  path: string,
  compilation: Compilation,
): RedirectActionData['path'] {
  if (redirect.path_redirect !== undefined) return { kind: 'path', value: redirect.path_redirect };
  if (redirect.prefix_rewrite !== undefined) {
    return { kind: 'prefix', value: redirect.prefix_rewrite };
  }
  if (redirect.regex_rewrite !== undefined) {
    const at = `${path}.regex_rewrite`;
    return { kind: 'regex', rewrite: compileRegexRewrite(redirect.regex_rewrite, at, compilation) };
  }
  return { kind: 'none' };
}

function compileDirectResponse(
  response: DirectResponseActionProto,
  path: string,
  scope: RouteScope,
): RouteActionData {
  const body = readText(response.body, `${path}.body`, scope.compilation);
  const bytes = Buffer.byteLength(body);
  const most = scope.maxDirectResponseBodySizeBytes;
  if (bytes > most) {
    scope.compilation.fail(
      `${path}.body`,
      `response body size is ${bytes} bytes; maximum is ${most}`,
    );
  }
  return { kind: 'direct_response', status: response.status ?? 0, body };
}
