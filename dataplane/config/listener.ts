// config.listener.v3.Listener -> ListenerConfig, for LDS and static_resources.

import { joinPath } from '../../common/result.ts';
import type {
  FilterChainProto,
  FilterProto,
  ListenerFilterChainMatchPredicateProto,
  ListenerFilterProto,
  ListenerProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type {
  FilterChainConfig,
  ListenerConfig,
  ListenerFilterData,
  ListenerFilterPredicate,
} from '../api/config/listener.ts';
import type { DownstreamTlsConfig } from '../api/config/tls.ts';
import { formatAddress } from '../api/connection.ts';
import type { ExtensionData } from '../api/factory.ts';
import { compileAccessLogs } from '../compile/access-log.ts';
import { checkTerminal } from '../compile/chain.ts';
import { type Compilation, mapItems, namedAny } from '../compile/compilation.ts';
import { compileDiscoveredFilter } from '../compile/config-discovery.ts';
import { checkOverlap, compileFilterChainMatch, needsTlsInspector } from './filter-chain-match.ts';
import { compileListenAddresses } from './listen-address.ts';
import { limitOf } from './overload.ts';

const DEFAULT_LISTENER_FILTERS_TIMEOUT_MS = 15_000;
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
/** The kernel cuts it down to net.core.somaxconn, which is Envoy's default. */
const DEFAULT_BACKLOG = 65_535;
const TLS_INSPECTOR = 'envoy.filters.listener.tls_inspector';
const PROXY_PROTOCOL_TYPE = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
const ORIGINAL_DST_TYPE = 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst';
const TLS_INSPECTOR_TYPE = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';

/** `path` is '' for a resource of its own; `hash` is that of the resource's bytes. */
export function compileListener(
  listener: ListenerProto,
  path: string,
  hash: string,
  compilation: Compilation,
): ListenerConfig {
  const at = (field: string): string => joinPath(path, field);
  const addresses = compileListenAddresses(listener, path, compilation);
  const { address } = addresses;
  const addressName = formatAddress(address).replaceAll(':', '_');
  const filterChains = compileChains(listener, path, compilation);
  checkOriginalDst(listener, path, compilation);
  return {
    name: listener.name ?? addressName,
    ...addresses,
    bindToPort: wrapperOr(listener.bind_to_port, true),
    enableReusePort: wrapperOr(listener.enable_reuse_port, true),
    useOriginalDst: wrapperOr(listener.use_original_dst, false),
    connectionLimit: limitOf(
      `envoy.resource_limits.listener.${listener.name ?? addressName}.connection_limit`,
      compilation,
    ),
    ignoreGlobalConnLimit: listener.ignore_global_conn_limit ?? false,
    statPrefix: (listener.stat_prefix ?? addressName).replaceAll(':', '_'),
    trafficDirection: listener.traffic_direction ?? 'UNSPECIFIED',
    listenerFilters: compileListenerFilters(listener, path, filterChains, compilation),
    listenerFiltersTimeoutMs: durationMsOr(
      listener.listener_filters_timeout,
      DEFAULT_LISTENER_FILTERS_TIMEOUT_MS,
    ),
    continueOnListenerFiltersTimeout: listener.continue_on_listener_filters_timeout ?? false,
    filterChains,
    defaultFilterChain:
      listener.default_filter_chain === undefined
        ? null
        : compileChain(listener.default_filter_chain, at('default_filter_chain'), compilation),
    perConnectionBufferLimitBytes: wrapperOr(
      listener.per_connection_buffer_limit_bytes,
      DEFAULT_BUFFER_LIMIT_BYTES,
    ),
    tcpBacklogSize: wrapperOr(listener.tcp_backlog_size, DEFAULT_BACKLOG),
    drainType: listener.drain_type ?? 'DEFAULT',
    accessLogs: compileAccessLogs(listener.access_log, at('access_log'), compilation),
    hash,
  };
}

function compileChains(
  listener: ListenerProto,
  path: string,
  compilation: Compilation,
): FilterChainConfig[] {
  const listPath = joinPath(path, 'filter_chains');
  const chains = mapItems(listener.filter_chains, listPath, (chain, at) =>
    compileChain(chain, at, compilation),
  );
  if (chains.length === 0 && listener.default_filter_chain === undefined) {
    compilation.fail(listPath, 'no filter chains specified');
  }
  checkOverlap(chains, listPath, compilation);
  return chains;
}

function compileChain(
  chain: FilterChainProto,
  path: string,
  compilation: Compilation,
): FilterChainConfig {
  const filters: ExtensionData[] = [];
  const paths: string[] = [];
  const before = compilation.errors.length;
  mapItems(chain.filters, `${path}.filters`, (filter, at) => {
    const compiled = compileFilter('network-filter', filter, at, compilation);
    if (compiled === null) return;
    filters.push(compiled);
    paths.push(at);
  });
  // Without filters Envoy closes every connection of the chain, so that is allowed.
  if (compilation.errors.length === before && filters.length > 0) {
    checkTerminal('network-filter', filters, paths, `${path}.filters`, compilation);
  }
  return {
    name: chain.name ?? '',
    match: compileFilterChainMatch(
      chain.filter_chain_match,
      `${path}.filter_chain_match`,
      compilation,
    ),
    tls: compileDownstreamSocket(chain, path, compilation),
    filters,
    transportSocketConnectTimeoutMs: durationMsOr(chain.transport_socket_connect_timeout, 0),
  };
}

/** Null = plaintext. */
function compileDownstreamSocket(
  chain: FilterChainProto,
  path: string,
  compilation: Compilation,
): DownstreamTlsConfig | null {
  if (chain.transport_socket === undefined) return null;
  const at = `${path}.transport_socket`;
  const socket = compilation.extension(
    'downstream-transport-socket',
    namedAny(chain.transport_socket),
    at,
  );
  // The halves of this category make DownstreamTlsConfig, or null for raw_buffer.
  return (socket?.data ?? null) as DownstreamTlsConfig | null;
}

/** Inline, or by ECDS. */
function compileFilter(
  category: 'network-filter' | 'listener-filter',
  filter: FilterProto | ListenerFilterProto,
  path: string,
  compilation: Compilation,
): ExtensionData | null {
  const { config_discovery: discovery, name = '' } = filter;
  if (discovery === undefined) return compilation.extension(category, namedAny(filter), path);
  const at = joinPath(path, 'config_discovery');
  return compileDiscoveredFilter(category, { name, discovery }, at, compilation);
}

function compileListenerFilters(
  listener: ListenerProto,
  path: string,
  chains: readonly FilterChainConfig[],
  compilation: Compilation,
): ListenerFilterData[] {
  const filters: ListenerFilterData[] = [];
  mapItems(listener.listener_filters, joinPath(path, 'listener_filters'), (filter, at) => {
    const compiled = compileFilter('listener-filter', filter, at, compilation);
    if (compiled === null) return;
    const { filter_disabled: disabled } = filter;
    filters.push({
      ...compiled,
      disabled:
        disabled === undefined
          ? null
          : compilePredicate(disabled, `${at}.filter_disabled`, compilation),
    });
  });
  const hasInspector = (listener.listener_filters ?? []).some(
    (filter) => filter.typed_config?.type_name === TLS_INSPECTOR_TYPE,
  );
  // As Envoy does: chains that match on SNI or ALPN bring the inspector with them.
  if (!hasInspector && chains.some(({ match }) => needsTlsInspector(match))) {
    const injected = compilation.extension(
      'listener-filter',
      {
        name: TLS_INSPECTOR,
        typed_config: {
          type_url: `type.googleapis.com/${TLS_INSPECTOR_TYPE}`,
          type_name: TLS_INSPECTOR_TYPE,
          message: {},
          value: Buffer.alloc(0),
        },
      },
      joinPath(path, 'listener_filters'),
    );
    if (injected !== null) filters.push({ ...injected, disabled: null });
  }
  return filters;
}

function compilePredicate(
  predicate: ListenerFilterChainMatchPredicateProto,
  path: string,
  compilation: Compilation,
): ListenerFilterPredicate {
  const { or_match: or, and_match: and, not_match: not, destination_port_range: ports } = predicate;
  if (or !== undefined) return compileRules('or', or.rules, `${path}.or_match`, compilation);
  if (and !== undefined) return compileRules('and', and.rules, `${path}.and_match`, compilation);
  if (not !== undefined) {
    return { kind: 'not', rule: compilePredicate(not, `${path}.not_match`, compilation) };
  }
  if (ports !== undefined) {
    return { kind: 'destination-port', start: ports.start ?? 0, end: ports.end ?? 0 };
  }
  return { kind: 'any', value: predicate.any_match ?? false };
}

function compileRules(
  kind: 'or' | 'and',
  rules: readonly ListenerFilterChainMatchPredicateProto[] | undefined,
  path: string,
  compilation: Compilation,
): ListenerFilterPredicate {
  const compiled = mapItems(rules, `${path}.rules`, (rule, at) =>
    compilePredicate(rule, at, compilation),
  );
  return { kind, rules: compiled };
}

/** Node cannot ask the kernel for an original destination; a PROXY header can tell it. */
function checkOriginalDst(listener: ListenerProto, path: string, compilation: Compilation): void {
  const hint =
    'not supported without a proxy_protocol listener filter before it: Node has no SO_ORIGINAL_DST';
  const types = (listener.listener_filters ?? []).map((filter) => filter.typed_config?.type_name);
  const proxyProtocolAt = types.indexOf(PROXY_PROTOCOL_TYPE);
  if (wrapperOr(listener.use_original_dst, false) && proxyProtocolAt === -1) {
    compilation.fail(joinPath(path, 'use_original_dst'), hint);
  }
  for (const [i, type] of types.entries()) {
    if (type === ORIGINAL_DST_TYPE && (proxyProtocolAt === -1 || proxyProtocolAt > i)) {
      compilation.fail(joinPath(path, `listener_filters[${i}]`), hint);
    }
  }
}
