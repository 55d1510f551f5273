// config.core.v3.HealthCheck -> HealthCheckConfig, and the health_check_config of endpoints. What we cannot
// do is refused by the support table; here are the conditions between fields.

import type {
  ClusterProto,
  EndpointHealthCheckConfigProto,
  HealthCheckEventFileSinkProto,
  HealthCheckGrpcHealthCheckProto,
  HealthCheckHttpHealthCheckProto,
  HealthCheckPayloadProto,
  HealthCheckProto,
  HealthCheckTcpHealthCheckProto,
  Int64RangeProto,
  TypedExtensionConfigProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { UpstreamProtocol } from '../api/config/cluster.ts';
import type {
  GrpcCheckData,
  HealthCheckConfig,
  HostHealthCheckConfig,
  HttpCheckData,
  StatusRange,
  TcpCheckData,
} from '../api/config/health-check.ts';
import { compileIpAddress } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { compileHeaderMutations } from '../compile/header-mutations.ts';
import { compileStringMatcher } from '../compile/matchers.ts';
import { compileProxyProtocol } from '../compile/proxy-tlvs.ts';

const FILE_SINK = 'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';
const DEFAULT_NO_TRAFFIC_INTERVAL_MS = 60_000;
const DEFAULT_RESPONSE_BUFFER_BYTES = 1024;
/** Envoy's. */
const methodsWithBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'OPTIONS']);
const MIN_STATUS = 100;
const MAX_STATUS = 600;
const onlyOk: readonly StatusRange[] = [{ start: 200, end: 201 }];

/** `protocol`: what the cluster speaks with its hosts. */
export function compileHealthChecks(
  cluster: ClusterProto,
  path: string,
  protocol: UpstreamProtocol,
  compilation: Compilation,
): HealthCheckConfig | null {
  const [check, second] = cluster.health_checks ?? [];
  if (check === undefined) return null;
  // Envoy's words.
  if (second !== undefined) compilation.fail(path, 'Multiple health checks not supported');
  const at = `${path}[0]`;
  if (check.grpc_health_check !== undefined && protocol === 'HTTP/1.1') {
    compilation.fail(
      `${at}.grpc_health_check`,
      `${cluster.name ?? ''} cluster must support HTTP/2 for gRPC healthchecking`,
    );
  }
  return compileHealthCheck(check, at, compilation);
}

function compileHealthCheck(
  check: HealthCheckProto,
  path: string,
  compilation: Compilation,
): HealthCheckConfig {
  // Absent ones were refused by their PGV rules.
  const intervalMs = durationMsOr(check.interval, 1);
  const noTrafficIntervalMs = durationMsOr(
    check.no_traffic_interval,
    DEFAULT_NO_TRAFFIC_INTERVAL_MS,
  );
  const unhealthyIntervalMs = durationMsOr(check.unhealthy_interval, intervalMs);
  const { runtime } = compilation.context;
  const bounds = {
    minMs: runtime.integer('health_check.min_interval', 0),
    maxMs: runtime.integer('health_check.max_interval', Number.POSITIVE_INFINITY),
  };
  const hasBounds = bounds.minMs !== 0 || bounds.maxMs !== Number.POSITIVE_INFINITY;
  return {
    timeoutMs: durationMsOr(check.timeout, 1),
    intervalMs,
    ...(hasBounds ? { bounds } : {}),
    initialJitterMs: durationMsOr(check.initial_jitter, 0),
    intervalJitterMs: durationMsOr(check.interval_jitter, 0),
    intervalJitterPercent: check.interval_jitter_percent ?? 0,
    unhealthyThreshold: wrapperOr(check.unhealthy_threshold, 1),
    healthyThreshold: wrapperOr(check.healthy_threshold, 1),
    altPort: compileAltPort(check, path, compilation),
    reuseConnection: wrapperOr(check.reuse_connection, true),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: durationMsOr(
      check.no_traffic_healthy_interval,
      noTrafficIntervalMs,
    ),
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: durationMsOr(check.unhealthy_edge_interval, unhealthyIntervalMs),
    healthyEdgeIntervalMs: durationMsOr(check.healthy_edge_interval, intervalMs),
    eventLogPaths: compileEventLogs(check, path, compilation),
    alwaysLogFailures: check.always_log_health_check_failures ?? false,
    alwaysLogSuccess: check.always_log_health_check_success ?? false,
    alpnProtocols: check.tls_options?.alpn_protocols ?? [],
    checker: compileChecker(check, path, compilation),
  };
}

function compileAltPort(
  check: HealthCheckProto,
  path: string,
  compilation: Compilation,
): number | null {
  const port = wrapperOr(check.alt_port, null);
  if (port !== null) checkPort(port, `${path}.alt_port`, compilation);
  return port === 0 ? null : port;
}

function checkPort(port: number, path: string, compilation: Compilation): void {
  if (port > 65_535) compilation.fail(path, 'must be <= 65535');
}

function compileEventLogs(
  check: HealthCheckProto,
  path: string,
  compilation: Compilation,
): readonly string[] {
  const paths = mapItems(check.event_logger, `${path}.event_logger`, (logger, at) =>
    compileEventSink(logger, at, compilation),
  );
  const { event_log_path: own = '' } = check;
  return own === '' ? paths : [own, ...paths];
}

function compileEventSink(
  logger: TypedExtensionConfigProto,
  path: string,
  compilation: Compilation,
): string {
  const any = logger.typed_config;
  const at = `${path}.typed_config`;
  if (any === undefined) {
    compilation.fail(at, 'is required');
    return '';
  }
  if (any.type_name !== FILE_SINK || any.message === null) {
    compilation.fail(
      at,
      any.message === null
        ? `unknown type '${any.type_url}'`
        : `not supported yet (${any.type_name})`,
    );
    return '';
  }
  return (any.message as HealthCheckEventFileSinkProto).event_log_path ?? ''; // its very type
}

function compileChecker(
  check: HealthCheckProto,
  path: string,
  compilation: Compilation,
): HealthCheckConfig['checker'] {
  if (check.grpc_health_check !== undefined) {
    return compileGrpcCheck(check.grpc_health_check, `${path}.grpc_health_check`, compilation);
  }
  if (check.tcp_health_check !== undefined) {
    return compileTcpCheck(check.tcp_health_check, `${path}.tcp_health_check`, compilation);
  }
  // custom_health_check is refused by the support table, none at all by the rule of the oneof.
  return compileHttpCheck(check.http_health_check ?? {}, `${path}.http_health_check`, compilation);
}

function compileHttpCheck(
  http: HealthCheckHttpHealthCheckProto,
  path: string,
  compilation: Compilation,
): HttpCheckData {
  const expected = compileStatuses('expected', http.expected_statuses, path, compilation);
  const method =
    http.method === undefined || http.method === 'METHOD_UNSPECIFIED' ? 'GET' : http.method;
  if (http.send !== undefined && !methodsWithBody.has(method)) {
    compilation.fail(
      `${path}.send`,
      `HTTP health check cannot specify a request payload with method '${method}'. ` +
        'Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload.',
    );
  }
  return {
    kind: 'HTTP',
    protocol: http.codec_client_type === 'HTTP2' ? 'HTTP/2' : 'HTTP/1.1',
    host: http.host ?? '',
    path: http.path ?? '',
    method,
    send: compileSend(http.send, `${path}.send`, compilation),
    headers: compileHeaderMutations('request', http, path, compilation),
    expectedStatuses: expected.length === 0 ? onlyOk : expected,
    retriableStatuses: compileStatuses('retriable', http.retriable_statuses, path, compilation),
    receive: compileReceive(http.receive, `${path}.receive`, compilation),
    responseBufferBytes: Number(
      wrapperOr(http.response_buffer_size, DEFAULT_RESPONSE_BUFFER_BYTES),
    ),
    serviceName:
      http.service_name_matcher === undefined
        ? null
        : compileStringMatcher(
            http.service_name_matcher,
            `${path}.service_name_matcher`,
            compilation,
          ),
  };
}

/** The errors are Envoy's. */
function compileStatuses(
  kind: 'expected' | 'retriable',
  ranges: readonly Int64RangeProto[] | undefined,
  path: string,
  compilation: Compilation,
): StatusRange[] {
  return mapItems(ranges, `${path}.${kind}_statuses`, (range, at) => {
    const [start, end] = [Number(range.start ?? 0), Number(range.end ?? 0)];
    const invalid = `Invalid http ${kind} status range: expecting`;
    if (start >= end) {
      compilation.fail(at, `${invalid} start < end, but found start=${start} and end=${end}`);
    } else if (start < MIN_STATUS) {
      compilation.fail(at, `${invalid} start >= ${MIN_STATUS}, but found start=${start}`);
    } else if (end > MAX_STATUS) {
      compilation.fail(at, `${invalid} end <= ${MAX_STATUS}, but found end=${end}`);
    }
    return { start, end };
  });
}

function compileTcpCheck(
  tcp: HealthCheckTcpHealthCheckProto,
  path: string,
  compilation: Compilation,
): TcpCheckData {
  const { send, receive, proxy_protocol_config: proxy } = tcp;
  return {
    kind: 'TCP',
    send: compileSend(send, `${path}.send`, compilation),
    receive: compileReceive(receive, `${path}.receive`, compilation),
    proxyProtocol:
      proxy === undefined
        ? null
        : compileProxyProtocol(proxy, `${path}.proxy_protocol_config`, compilation),
  };
}

function compileGrpcCheck(
  grpc: HealthCheckGrpcHealthCheckProto,
  path: string,
  compilation: Compilation,
): GrpcCheckData {
  const metadata = { request_headers_to_add: grpc.initial_metadata };
  return {
    kind: 'GRPC',
    serviceName: grpc.service_name ?? '',
    authority: grpc.authority ?? '',
    metadata: compileHeaderMutations('request', metadata, path, compilation),
  };
}

function compileSend(
  payload: HealthCheckPayloadProto | undefined,
  path: string,
  compilation: Compilation,
): Uint8Array {
  return payload === undefined ? new Uint8Array() : compilePayload(payload, path, compilation);
}

function compileReceive(
  payloads: readonly HealthCheckPayloadProto[] | undefined,
  path: string,
  compilation: Compilation,
): Uint8Array[] {
  return mapItems(payloads, path, (payload, at) => compilePayload(payload, at, compilation));
}

/** `text` is hexadecimal. */
function compilePayload(
  { text, binary }: HealthCheckPayloadProto,
  path: string,
  compilation: Compilation,
): Uint8Array {
  if (text === undefined) return Uint8Array.from(binary ?? []);
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) {
    compilation.fail(`${path}.text`, `invalid hex string '${text}'`);
    return new Uint8Array();
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** Null = nothing special. */
export function compileHostHealthCheck(
  proto: EndpointHealthCheckConfigProto | undefined,
  path: string,
  compilation: Compilation,
): HostHealthCheckConfig | null {
  if (proto === undefined) return null;
  const port = proto.port_value ?? 0;
  checkPort(port, `${path}.port_value`, compilation);
  const address =
    proto.address === undefined
      ? null
      : compileIpAddress(proto.address, `${path}.address`, compilation);
  return {
    // Envoy: port_value counts where it is set; else the port of the other address.
    port: port === 0 ? (address?.port ?? 0) : port,
    address: address?.ip ?? '',
    hostname: proto.hostname ?? '',
    disabled: proto.disable_active_health_check ?? false,
  };
}
