// Writes proto/gen/types.ts: TypeScript types of the plain form (see proto/plain.ts) of the messages that
// the product touches, transitively from a list of roots. Called by build.ts only.
//
// Names: the message's own name with its outer messages before it and `Proto` after it
// (`ClusterProto`, `ClusterCommonLbConfigProto`); enums have no suffix. Where two packages share a name,
// the first package in `packageOrder` keeps the short one and the others put their package before it
// (`FiltersHttpRbacRBACProto`).

import protobuf from 'protobufjs';
import { fullName } from './load-protos.ts';

/** What config/, xds/, extensions/, admin and the control plane read or write by name. */
const roots: readonly string[] = [
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.route.v3.FilterConfig',
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.extensions.clusters.aggregate.v3.ClusterConfig',
  'envoy.extensions.clusters.dns.v3.DnsCluster',
  'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig',
  'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
  'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig',
  'envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig',
  'envoy.service.runtime.v3.Runtime',
  'envoy.config.core.v3.TypedExtensionConfig',
  'envoy.extensions.filters.http.on_demand.v3.OnDemand',
  'envoy.extensions.filters.http.on_demand.v3.PerRouteConfig',
  'envoy.service.discovery.v3.DiscoveryRequest',
  'envoy.service.discovery.v3.DiscoveryResponse',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.service.load_stats.v3.LoadStatsRequest',
  'envoy.service.load_stats.v3.LoadStatsResponse',
  'envoy.service.status.v3.ClientStatusRequest',
  'envoy.service.status.v3.ClientStatusResponse',
  'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse',
  'envoy.service.health.v3.HealthCheckSpecifier',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.rbac.v3.RBAC',
  'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit',
  'envoy.extensions.filters.network.direct_response.v3.Config',
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
  'envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.cors.v3.CorsPolicy',
  'envoy.extensions.filters.http.set_filter_state.v3.Config',
  'envoy.extensions.filters.network.set_filter_state.v3.Config',
  'envoy.extensions.filters.http.health_check.v3.HealthCheck',
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
  'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
  'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog',
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin',
  'envoy.extensions.load_balancing_policies.random.v3.Random',
  'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin',
  'remora.load_balancing_policies.peak_ewma.v1.PeakEwma',
  'remora.extensions.error_ratio_breaker.v1.ErrorRatioBreaker',
  'remora.extensions.bootstrap.last_good.v1.LastGood',
  'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash',
  'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
  'envoy.extensions.load_balancing_policies.subset.v3.Subset',
  'envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost',
  'envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality',
  'envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig',
  'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig',
  'envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate',
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig',
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
  'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink',
  'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
  'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
  'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig',
  'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig',
  'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
  'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig',
  'envoy.admin.v3.ConfigDump',
  'envoy.admin.v3.BootstrapConfigDump',
  'envoy.admin.v3.ListenersConfigDump',
  'envoy.admin.v3.ClustersConfigDump',
  'envoy.admin.v3.RoutesConfigDump',
  'envoy.admin.v3.EndpointsConfigDump',
  'envoy.admin.v3.SecretsConfigDump',
  'envoy.admin.v3.Clusters',
  'envoy.admin.v3.Listeners',
  'envoy.admin.v3.Certificates',
  'envoy.admin.v3.ServerInfo',
];

const packageOrder: readonly string[] = [
  'envoy.config.bootstrap.v3',
  'envoy.config.listener.v3',
  'envoy.config.route.v3',
  'envoy.config.cluster.v3',
  'envoy.config.endpoint.v3',
  'envoy.config.core.v3',
  'envoy.config.rbac.v3',
  'envoy.service.discovery.v3',
  'envoy.extensions.filters.network.http_connection_manager.v3',
  'envoy.extensions.filters.network.direct_response.v3',
  'envoy.extensions.transport_sockets.tls.v3',
  'envoy.type.matcher.v3',
  'envoy.type.v3',
];

const wellKnown: Readonly<Record<string, string>> = {
  'google.protobuf.Any': 'DecodedAny',
  'google.protobuf.Duration': 'PlainDuration',
  'google.protobuf.Timestamp': 'PlainDuration',
  'google.protobuf.Struct': 'PlainStruct',
  'google.protobuf.Value': 'JsonValue',
  'google.protobuf.ListValue': 'readonly JsonValue[]',
  'google.protobuf.BoolValue': 'Wrapper<boolean>',
  'google.protobuf.StringValue': 'Wrapper<string>',
  'google.protobuf.BytesValue': 'Wrapper<Buffer>',
  'google.protobuf.DoubleValue': 'Wrapper<number>',
  'google.protobuf.FloatValue': 'Wrapper<number>',
  'google.protobuf.Int32Value': 'Wrapper<number>',
  'google.protobuf.UInt32Value': 'Wrapper<number>',
  'google.protobuf.Int64Value': 'Wrapper<number | string>',
  'google.protobuf.UInt64Value': 'Wrapper<number | string>',
};

/** The text of types.ts. */
export function generateTypes(root: protobuf.Root): string {
  const reached = closure(root);
  const names = chooseNames(reached);
  const lines = ['// Generated by proto/build.ts. Do not edit.', '', importLine(reached), ''];
  for (const type of reached) {
    lines.push(
      type instanceof protobuf.Type ? messageText(type, names) : enumText(type, names),
      '',
    );
  }
  lines.push(
    '/** Plain-form type of each message, by full name. */',
    'export interface MessageTypes {',
  );
  for (const type of reached) {
    if (type instanceof protobuf.Type) lines.push(`  '${fullName(type)}': ${nameOf(names, type)};`);
  }
  lines.push('}', '');
  return lines.join('\n');
}

type Declared = protobuf.Type | protobuf.Enum;

/** Only what is used: unused imports are errors under our tsconfig. */
function importLine(types: readonly Declared[]): string {
  const used = new Set<string>();
  for (const type of types) {
    for (const field of type instanceof protobuf.Type ? type.fieldsArray : []) {
      const text =
        field.resolvedType === null ? undefined : wellKnown[fullName(field.resolvedType)];
      const name = /DecodedAny|JsonValue|PlainDuration|PlainStruct|Wrapper/.exec(text ?? '')?.[0];
      if (name !== undefined) used.add(name);
    }
  }
  return `import type { ${[...used].sort().join(', ')} } from '../plain.ts';`;
}

function closure(root: protobuf.Root): readonly Declared[] {
  const reached = new Set<Declared>();
  const visit = (type: Declared): void => {
    if (reached.has(type) || wellKnown[fullName(type)] !== undefined) return;
    reached.add(type);
    if (!(type instanceof protobuf.Type)) return;
    for (const field of type.fieldsArray) {
      if (field.resolvedType !== null) visit(field.resolvedType);
    }
  };
  for (const name of roots) visit(root.lookupType(name));
  return [...reached].sort((a, b) => rank(a) - rank(b) || (a.fullName < b.fullName ? -1 : 1));
}

function rank(type: Declared): number {
  const index = packageOrder.indexOf(packageOf(type));
  return index === -1 ? packageOrder.length : index;
}

function packageOf(type: Declared): string {
  let scope: protobuf.NamespaceBase | null = type.parent;
  while (scope instanceof protobuf.Type) scope = scope.parent;
  return scope === null ? '' : fullName(scope);
}

function chooseNames(types: readonly Declared[]): ReadonlyMap<Declared, string> {
  const names = new Map<Declared, string>();
  const taken = new Set<string>();
  for (const type of types) {
    const packageName = packageOf(type);
    const local = fullName(type)
      .slice(packageName.length + 1)
      .split('.')
      .join('');
    const suffix = type instanceof protobuf.Type ? 'Proto' : '';
    let name = local + suffix;
    if (taken.has(name)) name = pascal(packageName) + local + suffix;
    if (taken.has(name)) throw new Error(`two types would be called ${name}`);
    taken.add(name);
    names.set(type, name);
  }
  return names;
}

/** `envoy.extensions.filters.http.rbac.v3` -> `FiltersHttpRbac`. */
function pascal(packageName: string): string {
  return packageName
    .split(/[._]/)
    .filter((part) => !/^(envoy|config|extensions|v\d+)$/.test(part))
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');
}

function nameOf(names: ReadonlyMap<Declared, string>, type: Declared): string {
  const name = wellKnown[fullName(type)] ?? names.get(type);
  if (name === undefined) throw new Error(`no name for ${type.fullName}`);
  return name;
}

function enumText(type: protobuf.Enum, names: ReadonlyMap<Declared, string>): string {
  const values = Object.keys(type.values).map((value) => `'${value}'`);
  return `/** ${fullName(type)} */\nexport type ${nameOf(names, type)} = ${values.join(' | ')};`;
}

// Type aliases, not interfaces: only they are assignable to Record<string, unknown>.
function messageText(type: protobuf.Type, names: ReadonlyMap<Declared, string>): string {
  const fields = type.fieldsArray.map(
    (field) => `  readonly ${field.name}?: ${fieldText(field, names)} | undefined;`,
  );
  const head = `/** ${fullName(type)} */\nexport type ${nameOf(names, type)} = `;
  return fields.length === 0
    ? `${head}Readonly<Record<string, never>>;`
    : `${head}{\n${fields.join('\n')}\n};`;
}

function fieldText(field: protobuf.Field, names: ReadonlyMap<Declared, string>): string {
  const type =
    field.resolvedType === null ? scalarText(field.type) : nameOf(names, field.resolvedType);
  if (field instanceof protobuf.MapField) return `Readonly<Record<string, ${type}>>`;
  if (!field.repeated) return type;
  return type.includes(' ') ? `readonly (${type})[]` : `readonly ${type}[]`;
}

function scalarText(type: string): string {
  if (type === 'string') return 'string';
  if (type === 'bool') return 'boolean';
  if (type === 'bytes') return 'Buffer';
  return type.endsWith('64') ? 'number | string' : 'number';
}
