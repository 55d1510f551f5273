// config.route.v3.RouteConfiguration -> RouteConfigData. Called for RDS resources and for the inline
// route_config of a connection manager.

import { joinPath } from '../../common/result.ts';
import type {
  RouteConfigurationProto,
  RouteProto,
  VirtualHostProto,
} from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import { type ConfigSource, resourceId, WILDCARD } from '../api/config/config-source.ts';
import type {
  RouteConfigData,
  RouteData,
  VhdsData,
  VirtualHostData,
  VirtualHostResource,
} from '../api/config/route.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { compileConfigSource } from './config-source.ts';
import { compileRouteBreaker } from './error-ratio-breaker.ts';
import { compileHeaderMutations } from './header-mutations.ts';
import { compileHedge } from './hedge.ts';
import { headerName } from './matchers.ts';
import { compilePerFilterConfig } from './per-filter-config.ts';
import { compileMirrors } from './request-mirror.ts';
import { compileRetryPolicy } from './retry-policy.ts';
import { compileRouteAction, type RouteScope } from './route-action.ts';
import { compileRouteMatch } from './route-match.ts';

const DEFAULT_MAX_DIRECT_RESPONSE_BODY_BYTES = 4096;

/** `path` is '' for a resource of its own. `isInline` decides the default of validate_clusters. */
export function compileRouteConfiguration(
  config: RouteConfigurationProto,
  path: string,
  isInline: boolean,
  compilation: Compilation,
): RouteConfigData {
  const at = (field: string): string => joinPath(path, field);
  const validateClusters = wrapperOr(config.validate_clusters, isInline);
  const maxDirectResponseBodySizeBytes = wrapperOr(
    config.max_direct_response_body_size_bytes,
    DEFAULT_MAX_DIRECT_RESPONSE_BODY_BYTES,
  );
  const scope: RouteScope = {
    compilation,
    validateClusters,
    maxDirectResponseBodySizeBytes,
  };
  if (config.validate_clusters?.value === true && compilation.context.source === 'dynamic') {
    compilation.fail(at('validate_clusters'), 'not supported yet');
  }
  checkDomains(config.virtual_hosts ?? [], at('virtual_hosts'), compilation);
  return {
    name: config.name ?? '',
    vhds: compileVhds(config, at('vhds.config_source'), compilation),
    virtualHosts: mapItems(config.virtual_hosts, at('virtual_hosts'), (host, hostPath) =>
      compileVirtualHost(host, hostPath, scope, config.name ?? ''),
    ),
    requestHeaders: compileHeaderMutations('request', config, path, compilation),
    responseHeaders: compileHeaderMutations('response', config, path, compilation),
    internalOnlyHeaders: mapItems(
      config.internal_only_headers,
      at('internal_only_headers'),
      (name, namePath) => headerName(name, namePath, compilation),
    ),
    mostSpecificHeaderMutationsWins: config.most_specific_header_mutations_wins ?? false,
    ignorePortInHostMatching: config.ignore_port_in_host_matching ?? false,
    maxDirectResponseBodySizeBytes,
    mirrors: compileMirrors(config.request_mirror_policies, path, compilation, validateClusters),
    perFilterConfig: compilePerFilterConfig(
      config.typed_per_filter_config,
      at('typed_per_filter_config'),
      compilation,
    ),
  };
}

function compileVhds(
  { name = '', vhds }: RouteConfigurationProto,
  path: string,
  compilation: Compilation,
): VhdsData | null {
  if (vhds === undefined) return null;
  const source = compileConfigSource(vhds.config_source, path, compilation);
  if (source === null) return null;
  const { context } = compilation;
  const isDelta =
    source.kind === 'ads'
      ? context.adsProtocol !== 'GRPC' // that there is none is an error of its own
      : source.kind === 'grpc' && source.api.protocol === 'DELTA_GRPC';
  if (!isDelta) compilation.fail(path, "only 'DELTA_GRPC' is supported as an api_type of vhds");
  if (name === '') compilation.fail(path, 'needs a name of the route configuration');
  context.referTo({ kind: 'virtual-host', name: WILDCARD, source, statName: name });
  return { id: resourceId(name, source), namespace: name, source };
}

/**
 * VirtualHost, as a resource of its own: `name` is `<route configuration>/<host>`, and `max_direct_response_body_size_bytes`
 * of that configuration, which may come later, cannot be known.
 */
export function compileVirtualHostResource(
  host: VirtualHostProto,
  name: string,
  source: ConfigSource,
  compilation: Compilation,
): VirtualHostResource {
  const slash = name.lastIndexOf('/');
  if (slash <= 0) compilation.fail('', `must be named <route configuration>/<host>, not '${name}'`);
  const configName = name.slice(0, Math.max(0, slash));
  const scope: RouteScope = {
    compilation,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: DEFAULT_MAX_DIRECT_RESPONSE_BODY_BYTES,
  };
  checkDomains([host], '', compilation);
  return {
    owner: resourceId(configName, source),
    name,
    host: compileVirtualHost(host, '', scope, configName),
  };
}

/** A domain may be said once in the whole configuration, `*` included. */
function checkDomains(
  hosts: readonly VirtualHostProto[],
  path: string,
  compilation: Compilation,
): void {
  const seen = new Set<string>();
  hosts.forEach((host, i) => {
    (host.domains ?? []).forEach((domain, j) => {
      const lower = domain.toLowerCase();
      if (seen.has(lower)) {
        compilation.fail(
          path === '' ? `domains[${j}]` : `${path}[${i}].domains[${j}]`,
          lower === '*'
            ? 'only a single wildcard domain is permitted'
            : `only unique values for domains are permitted, duplicate entry of domain '${lower}'`,
        );
      }
      seen.add(lower);
    });
  });
}

function compileVirtualHost(
  host: VirtualHostProto,
  path: string,
  scope: RouteScope,
  configName: string,
): VirtualHostData {
  const { compilation } = scope;
  return {
    name: host.name ?? '',
    domains: (host.domains ?? []).map((domain) => domain.toLowerCase()),
    routes: mapItems(host.routes, joinPath(path, 'routes'), (route, at) =>
      compileRoute(route, at, scope, configName),
    ),
    requireTls: host.require_tls ?? 'NONE',
    requestHeaders: compileHeaderMutations('request', host, path, compilation),
    responseHeaders: compileHeaderMutations('response', host, path, compilation),
    retryPolicy:
      host.retry_policy === undefined
        ? null
        : compileRetryPolicy(host.retry_policy, joinPath(path, 'retry_policy'), compilation),
    hedgeOnPerTryTimeout: compileHedge(host.hedge_policy) ?? false,
    includeRequestAttemptCount: host.include_request_attempt_count ?? false,
    includeAttemptCountInResponse: host.include_attempt_count_in_response ?? false,
    includeIsTimeoutRetryHeader: host.include_is_timeout_retry_header ?? false,
    perRequestBufferLimitBytes: wrapperOr(host.per_request_buffer_limit_bytes, null),
    requestBodyBufferLimitBytes: bytesOr(host.request_body_buffer_limit),
    mirrors: compileMirrors(
      host.request_mirror_policies,
      path,
      compilation,
      scope.validateClusters,
    ),
    perFilterConfig: compilePerFilterConfig(
      host.typed_per_filter_config,
      joinPath(path, 'typed_per_filter_config'),
      compilation,
    ),
  };
}

function compileRoute(
  route: RouteProto,
  path: string,
  scope: RouteScope,
  configName: string,
): RouteData {
  const { compilation } = scope;
  return {
    name: route.name ?? '',
    breaker: compileRouteBreaker(route, path, compilation, configName),
    match: compileRouteMatch(route.match, `${path}.match`, compilation),
    action: compileRouteAction(route, path, scope),
    requestHeaders: compileHeaderMutations('request', route, path, compilation),
    responseHeaders: compileHeaderMutations('response', route, path, compilation),
    perRequestBufferLimitBytes: wrapperOr(route.per_request_buffer_limit_bytes, null),
    requestBodyBufferLimitBytes: bytesOr(route.request_body_buffer_limit),
    statPrefix: route.stat_prefix ?? '',
    perFilterConfig: compilePerFilterConfig(
      route.typed_per_filter_config,
      `${path}.typed_per_filter_config`,
      compilation,
    ),
  };
}

/** A UInt64Value, whose plain form is a text where a number does not hold it. */
function bytesOr(limit: RouteProto['request_body_buffer_limit']): number | null {
  return limit === undefined ? null : Number(limit.value);
}
