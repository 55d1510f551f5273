// envoy.filters.network.http_connection_manager: main-thread half. Its data is HcmConfig
// (api/config/hcm.ts), because hcm/ runs on it.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { HttpConnectionManagerProto, HttpFilterProto } from '../../../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../../../proto/well-known.ts';
import type { HcmConfig } from '../../../api/config/hcm.ts';
import type {
  CompileContext,
  ExtensionConfigFactory,
  ExtensionData,
} from '../../../api/factory.ts';
import { compileAccessLogs } from '../../../compile/access-log.ts';
import { checkTerminal } from '../../../compile/chain.ts';
import { Compilation, mapItems, namedAny } from '../../../compile/compilation.ts';
import { compileDiscoveredFilter } from '../../../compile/config-discovery.ts';
import { referTo } from '../../../compile/config-source.ts';
import { compileIdentity } from '../../../compile/hcm-identity.ts';
import { compileHttp1Options } from '../../../compile/http1.ts';
import { compileHttp2Options } from '../../../compile/http2.ts';
import { compileLocalReply } from '../../../compile/local-reply.ts';
import { compileStringMatcher } from '../../../compile/matchers.ts';
import { compileRouteConfiguration } from '../../../compile/route.ts';
import { upgradeType } from '../../../compile/route-action.ts';
import { compileScopedRoutes } from '../../../compile/scoped-routes.ts';

const HOUR_MS = 3_600_000;
const DEFAULT_MAX_REQUEST_HEADERS_KB = 60;

/** HttpConnectionManager -> HcmConfig. */
export const httpConnectionManager: ExtensionConfigFactory<HttpConnectionManagerProto> = {
  name: 'envoy.filters.network.http_connection_manager',
  category: 'network-filter',
  configTypes: [
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  ],
  isTerminal: true,
  compile(
    config: HttpConnectionManagerProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(compileHcm(config, compilation));
  },
};

function compileHcm(config: HttpConnectionManagerProto, compilation: Compilation): HcmConfig {
  const httpFilters = compileHttpFilters(config.http_filters, 'http_filters', compilation);
  if (config.common_http_protocol_options?.max_response_headers_kb !== undefined) {
    const at = 'common_http_protocol_options.max_response_headers_kb';
    compilation.fail(at, 'not supported yet (on listeners)');
  }
  const fieldKb = config.http2_protocol_options?.max_header_field_size_kb?.value ?? 0;
  if (fieldKb > wrapperOr(config.max_request_headers_kb, DEFAULT_MAX_REQUEST_HEADERS_KB)) {
    const at = 'http2_protocol_options.max_header_field_size_kb';
    compilation.fail(at, 'must not exceed max_request_headers_kb');
  }
  return {
    statPrefix: config.stat_prefix ?? '',
    codecType: compileCodecType(config.codec_type),
    routes: compileRoutes(config, compilation),
    httpFilters,
    upgrades: compileUpgrades(config, compilation),
    accessLogs: compileAccessLogs(config.access_log, 'access_log', compilation),
    streamErrorOnInvalidHttpMessage: wrapperOr(
      config.http_protocol_options?.override_stream_error_on_invalid_http_message ??
        config.stream_error_on_invalid_http_message,
      false,
    ),
    proxy100Continue: config.proxy_100_continue ?? false,
    http1SafeMaxConnectionDuration: config.http1_safe_max_connection_duration ?? false,
    suppressEnvoyHeaders: suppressesEnvoyHeaders(httpFilters),
    ...compileIdentity(config, compilation),
    localReply: compileLocalReply(config.local_reply_config, compilation),
    ...compileNormalization(config),
    ...compileLimits(config),
    ...compileRuntimeLimits(compilation),
    http1: compileHttp1(config, compilation),
    http2: compileHttp2Options(
      config.http2_protocol_options,
      'http2_protocol_options',
      compilation,
      config.stream_error_on_invalid_http_message?.value,
    ),
  };
}

/** HTTP3 was refused by the table of supported fields. */
function compileCodecType(type: HttpConnectionManagerProto['codec_type']): HcmConfig['codecType'] {
  return type === 'HTTP1' || type === 'HTTP2' ? type : 'AUTO';
}

function compileRoutes(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): HcmConfig['routes'] {
  if (config.rds !== undefined) {
    const { config_source: source, route_config_name: name = '' } = config.rds;
    if (name === '') compilation.fail('rds.route_config_name', 'must not be empty');
    const statPrefix = config.stat_prefix ?? '';
    const path = 'rds.config_source';
    return {
      kind: 'rds',
      name: referTo({ kind: 'route', name, source, path, statPrefix }, compilation),
    };
  }
  if (config.scoped_routes !== undefined) {
    const statPrefix = config.stat_prefix ?? '';
    return compileScopedRoutes(config.scoped_routes, 'scoped_routes', statPrefix, compilation);
  }
  const routeConfig = config.route_config ?? {};
  return {
    kind: 'inline',
    config: compileRouteConfiguration(routeConfig, 'route_config', true, compilation),
  };
}

function compileUpgrades(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): HcmConfig['upgrades'] {
  const types = new Set<string>();
  return mapItems(config.upgrade_configs, 'upgrade_configs', (upgrade, path) => {
    const type = upgradeType(upgrade.upgrade_type, path, compilation);
    if (types.has(type)) {
      const text = `multiple upgrade configs with the same name: ${upgrade.upgrade_type}`;
      compilation.fail(`${path}.upgrade_type`, text);
    }
    types.add(type);
    const filters = upgrade.filters ?? [];
    return {
      type,
      enabled: wrapperOr(upgrade.enabled, true),
      filters:
        filters.length === 0 ? null : compileHttpFilters(filters, `${path}.filters`, compilation),
    };
  });
}

function compileHttpFilter(
  filter: HttpFilterProto,
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  const { config_discovery: discovery } = filter;
  if (discovery === undefined) return compilation.extension('http-filter', namedAny(filter), path);
  const at = `${path}.config_discovery`;
  const found = { name: filter.name ?? '', discovery };
  return compileDiscoveredFilter('http-filter', found, at, compilation);
}

function compileHttpFilters(
  filters: readonly HttpFilterProto[] | undefined,
  listPath: string,
  compilation: Compilation,
): HcmConfig['httpFilters'] {
  const compiled: HcmConfig['httpFilters'][number][] = [];
  const paths: string[] = [];
  mapItems(filters, listPath, (filter: HttpFilterProto, path) => {
    const named = namedAny(filter);
    const isInline = filter.config_discovery === undefined;
    if (
      isInline &&
      filter.is_optional === true &&
      !compilation.context.isKnown('http-filter', named)
    ) {
      compilation.context.warn(path, `optional filter '${named.name}' is unknown and left out`);
      return;
    }
    const data = compileHttpFilter(filter, path, compilation);
    if (data === null) return;
    compiled.push({ ...data, disabled: filter.disabled ?? false });
    paths.push(path);
  });
  // With an error in one of the filters the chain is not what the user meant: nothing to say about it.
  if (compilation.errors.length === 0) {
    checkTerminal('http-filter', compiled, paths, listPath, compilation);
    if (compiled.at(-1)?.disabled === true) {
      compilation.fail(`${paths.at(-1)}.disabled`, 'the last (terminal) filter cannot be disabled');
    }
  }
  return compiled;
}

/** The router filter's suppress_envoy_headers also governs what the manager itself adds. */
function suppressesEnvoyHeaders(filters: HcmConfig['httpFilters']): boolean {
  return filters.some(
    ({ extension, data }) =>
      extension === 'envoy.filters.http.router' &&
      typeof data === 'object' &&
      data !== null &&
      'suppressEnvoyHeaders' in data &&
      data.suppressEnvoyHeaders === true,
  );
}

type Normalization = Pick<
  HcmConfig,
  | 'normalizePath'
  | 'mergeSlashes'
  | 'pathWithEscapedSlashesAction'
  | 'stripMatchingHostPort'
  | 'stripAnyHostPort'
  | 'stripTrailingHostDot'
  | 'headersWithUnderscoresAction'
>;

function compileNormalization(config: HttpConnectionManagerProto): Normalization {
  const escaped = config.path_with_escaped_slashes_action ?? 'IMPLEMENTATION_SPECIFIC_DEFAULT';
  return {
    normalizePath: wrapperOr(config.normalize_path, false),
    mergeSlashes: config.merge_slashes ?? false,
    pathWithEscapedSlashesAction:
      escaped === 'IMPLEMENTATION_SPECIFIC_DEFAULT' ? 'KEEP_UNCHANGED' : escaped,
    stripMatchingHostPort: config.strip_matching_host_port ?? false,
    stripAnyHostPort: config.strip_any_host_port ?? false,
    stripTrailingHostDot: config.strip_trailing_host_dot ?? false,
    headersWithUnderscoresAction:
      config.common_http_protocol_options?.headers_with_underscores_action ?? 'ALLOW',
  };
}

type Limits = Pick<
  HcmConfig,
  | 'maxRequestHeadersKb'
  | 'maxHeadersCount'
  | 'idleTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'streamIdleTimeoutMs'
  | 'streamFlushTimeoutMs'
  | 'requestTimeoutMs'
  | 'requestHeadersTimeoutMs'
  | 'drainTimeoutMs'
  | 'delayedCloseTimeoutMs'
  | 'maxConnectionDurationJitterPercent'
  | 'drainTimeoutJitterPercent'
  | 'maxStreamDurationMs'
  | 'maxRequestsPerConnection'
>;

function compileLimits(config: HttpConnectionManagerProto): Limits {
  const common = config.common_http_protocol_options;
  return {
    maxRequestHeadersKb: wrapperOr(config.max_request_headers_kb, DEFAULT_MAX_REQUEST_HEADERS_KB),
    maxHeadersCount: wrapperOr(common?.max_headers_count, 100),
    idleTimeoutMs: durationMsOr(common?.idle_timeout, HOUR_MS),
    maxConnectionDurationMs: durationMsOr(common?.max_connection_duration, 0),
    streamIdleTimeoutMs: durationMsOr(config.stream_idle_timeout, 300_000),
    streamFlushTimeoutMs: durationMsOr(config.stream_flush_timeout, null),
    requestTimeoutMs: durationMsOr(config.request_timeout, 0),
    requestHeadersTimeoutMs: durationMsOr(config.request_headers_timeout, 0),
    drainTimeoutMs: durationMsOr(config.drain_timeout, 5_000),
    delayedCloseTimeoutMs: durationMsOr(config.delayed_close_timeout, 1_000),
    maxConnectionDurationJitterPercent: common?.max_connection_duration_jitter?.value ?? 0,
    drainTimeoutJitterPercent: config.drain_timeout_jitter?.value ?? 0,
    maxStreamDurationMs: durationMsOr(common?.max_stream_duration, 0),
    maxRequestsPerConnection: wrapperOr(common?.max_requests_per_connection, 0),
  };
}

const DEFAULT_PREMATURE_RESET_COUNT = 500;
const DEFAULT_PREMATURE_RESET_LIFETIME_S = 1;
const DEFAULT_MAX_REQUESTS_PER_IO_CYCLE = 128;

/** What Envoy leaves to runtime keys. A key of another type than integer counts as absent, as in Envoy. */
function compileRuntimeLimits(
  compilation: Compilation,
): Pick<HcmConfig, 'prematureResets' | 'maxRequestsPerIoCycle'> {
  const { runtime } = compilation.context;
  return {
    prematureResets: {
      totalStreamCount: runtime.integer(
        'overload.premature_reset_total_stream_count',
        DEFAULT_PREMATURE_RESET_COUNT,
      ),
      minStreamLifetimeS: runtime.integer(
        'overload.premature_reset_min_stream_lifetime_seconds',
        DEFAULT_PREMATURE_RESET_LIFETIME_S,
      ),
    },
    maxRequestsPerIoCycle: runtime.integer(
      'http.max_requests_per_io_cycle',
      DEFAULT_MAX_REQUESTS_PER_IO_CYCLE,
    ),
  };
}

function compileHttp1(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): HcmConfig['http1'] {
  const options = config.http_protocol_options;
  const at = 'http_protocol_options';
  return {
    ...compileHttp1Options(options, at, compilation),
    acceptHttp10: options?.accept_http_10 ?? false,
    defaultHostForHttp10: options?.default_host_for_http_10 ?? '',
    allowAbsoluteUrl: wrapperOr(options?.allow_absolute_url, true),
    allowCustomMethods: options?.allow_custom_methods ?? false,
    ignoredUpgrades: mapItems(
      options?.ignore_http_11_upgrade,
      `${at}.ignore_http_11_upgrade`,
      (matcher, path) => compileStringMatcher(matcher, path, compilation),
    ),
  };
}
