import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig, LoadAssignment } from '../api/config/cluster.ts';
import type { HealthCheckConfig } from '../api/config/health-check.ts';

const required = 'timeout: 1s, interval: 5s, unhealthy_threshold: 3, healthy_threshold: 2';
const http2 =
  'typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}';
const noHeaders = { add: [], remove: [] };

function compiled(check: string, more = ''): HealthCheckConfig {
  const yaml = `{name: a, health_checks: [{${required}, ${check}}]${more === '' ? '' : `, ${more}`}}`;
  return (compiledData('cluster', yaml) as ClusterConfig).healthCheck!; // it has checks
}

function errors(check: string): string[] {
  const at = 'health_checks[0].';
  return resourceErrors('cluster', `{name: a, health_checks: [{${check}}]}`)
    .map((error) => error.replace(at, ''))
    .sort();
}

describe('compileHealthChecks', () => {
  it('fills in what Envoy takes for granted', () => {
    assert.deepEqual(compiled('http_health_check: {path: /health}'), {
      timeoutMs: 1000,
      intervalMs: 5000,
      initialJitterMs: 0,
      intervalJitterMs: 0,
      intervalJitterPercent: 0,
      unhealthyThreshold: 3,
      healthyThreshold: 2,
      altPort: null,
      reuseConnection: true,
      noTrafficIntervalMs: 60_000,
      noTrafficHealthyIntervalMs: 60_000,
      unhealthyIntervalMs: 5000,
      unhealthyEdgeIntervalMs: 5000,
      healthyEdgeIntervalMs: 5000,
      eventLogPaths: [],
      alwaysLogFailures: false,
      alwaysLogSuccess: false,
      alpnProtocols: [],
      checker: {
        kind: 'HTTP',
        protocol: 'HTTP/1.1',
        host: '',
        path: '/health',
        method: 'GET',
        send: new Uint8Array(),
        headers: noHeaders,
        expectedStatuses: [{ start: 200, end: 201 }],
        retriableStatuses: [],
        receive: [],
        responseBufferBytes: 1024,
        serviceName: null,
      },
    });
  });

  it('derives intervals that are not given from those that are', () => {
    const config = compiled(
      'no_traffic_interval: 7s, unhealthy_interval: 8s, tcp_health_check: {}',
    );
    assert.equal(config.noTrafficHealthyIntervalMs, 7000);
    assert.equal(config.unhealthyEdgeIntervalMs, 8000);
    assert.equal(config.healthyEdgeIntervalMs, 5000);
  });

  it('takes every field of HTTP checks', () => {
    const { checker } = compiled(
      `http_health_check: {host: h, path: /p, method: PUT, send: {text: "0a"}, codec_client_type: HTTP2, response_buffer_size: 0,
        expected_statuses: [{start: 200, end: 300}], retriable_statuses: [{start: 500, end: 600}],
        receive: [{text: "00fF"}, {binary: AQI=}], request_headers_to_remove: [X-B],
        request_headers_to_add: [{header: {key: X-A, value: "%HOSTNAME%"}}], service_name_matcher: {prefix: svc}}`,
    );
    assert.deepEqual(checker, {
      kind: 'HTTP',
      protocol: 'HTTP/2',
      host: 'h',
      path: '/p',
      method: 'PUT',
      send: Uint8Array.of(10),
      headers: {
        add: [
          {
            name: 'x-a',
            value: '%HOSTNAME%',
            action: 'APPEND_IF_EXISTS_OR_ADD',
            keepEmptyValue: false,
          },
        ],
        remove: ['x-b'],
      },
      expectedStatuses: [{ start: 200, end: 300 }],
      retriableStatuses: [{ start: 500, end: 600 }],
      receive: [Uint8Array.of(0, 255), Uint8Array.of(1, 2)],
      responseBufferBytes: 0,
      serviceName: { kind: 'prefix', value: 'svc', ignoreCase: false },
    });
  });

  it('takes TCP and gRPC checks', () => {
    const tcp = compiled(
      'tcp_health_check: {send: {text: "70"}, receive: [{text: "71"}], proxy_protocol_config: {version: V2}}',
    );
    assert.deepEqual(tcp.checker, {
      kind: 'TCP',
      send: Uint8Array.of(0x70),
      receive: [Uint8Array.of(0x71)],
      proxyProtocol: { version: 2, passThroughTlvs: [], addedTlvs: [] },
    });
    const grpc = compiled('grpc_health_check: {service_name: s, authority: au}', http2);
    assert.deepEqual(grpc.checker, {
      kind: 'GRPC',
      serviceName: 's',
      authority: 'au',
      metadata: noHeaders,
    });
  });

  it('collects event logs, the deprecated path first', () => {
    const sink =
      'type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';
    const config = compiled(
      `event_log_path: a, event_logger: [{name: f, typed_config: {"@type": ${sink}, event_log_path: b}}], tcp_health_check: {}`,
    );
    assert.deepEqual(config.eventLogPaths, ['a', 'b']);
  });

  it('says what is wrong, each with its path', () => {
    assert.deepEqual(errors('tcp_health_check: {}'), [
      'healthy_threshold: is required',
      'interval: is required',
      'timeout: is required',
      'unhealthy_threshold: is required',
    ]);
    assert.deepEqual(errors(required), [
      'health_checks[0]: one of http_health_check, tcp_health_check, grpc_health_check, custom_health_check is required',
    ]);
    assert.deepEqual(
      errors(
        `${required}, alt_port: 65536, initial_jitter: -1s, http_health_check: {path: /, send: {text: "00"}, receive: [{text: 0g}], expected_statuses: [{start: 300, end: 200}, {start: 99, end: 101}], retriable_statuses: [{start: 500, end: 601}]}`,
      ),
      [
        'alt_port: must be <= 65535',
        'http_health_check.expected_statuses[0]: Invalid http expected status range: expecting start < end, but found start=300 and end=200',
        'http_health_check.expected_statuses[1]: Invalid http expected status range: expecting start >= 100, but found start=99',
        "http_health_check.receive[0].text: invalid hex string '0g'",
        'http_health_check.retriable_statuses[0]: Invalid http retriable status range: expecting end <= 600, but found end=601',
        "http_health_check.send: HTTP health check cannot specify a request payload with method 'GET'. Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload.",
        'initial_jitter: must not be negative',
      ],
    );
    assert.deepEqual(
      resourceErrors(
        'cluster',
        `{name: a, health_checks: [{${required}, tcp_health_check: {}}, {${required}, tcp_health_check: {}}]}`,
      ),
      ['health_checks: Multiple health checks not supported'],
    );
  });

  it('refuses by name what it cannot do', () => {
    assert.deepEqual(errors(`${required}, custom_health_check: {name: redis}`), [
      'custom_health_check: not supported yet',
    ]);
    assert.deepEqual(
      errors(
        `${required}, transport_socket_match_criteria: {a: b}, http_health_check: {path: /, codec_client_type: HTTP3, use_alpn_protocol: true}`,
      ),
      [
        'http_health_check.codec_client_type: not supported yet (HTTP3)',
        'http_health_check.use_alpn_protocol: not supported yet (true)',
        'transport_socket_match_criteria: not supported yet',
      ],
    );
    assert.deepEqual(errors(`${required}, grpc_health_check: {}`), [
      'grpc_health_check: a cluster must support HTTP/2 for gRPC healthchecking',
    ]);
  });
});

describe('compileHostHealthCheck', () => {
  const host = (config: string) =>
    `{cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}, health_check_config: {${config}}}}]}]}`;

  it('takes what an endpoint says of its checks', () => {
    const { localities } = compiledData(
      'endpoint',
      host(
        'port_value: 81, hostname: h, disable_active_health_check: true, address: {socket_address: {address: "::1", port_value: 9}}',
      ),
    ) as LoadAssignment;
    assert.deepEqual(localities[0]?.hosts[0]?.healthCheck, {
      port: 81,
      address: '::1',
      hostname: 'h',
      disabled: true,
    });
  });

  it('wants an IP literal', () => {
    assert.deepEqual(
      resourceErrors('endpoint', host('address: {socket_address: {address: name, port_value: 9}}')),
      [
        'endpoints[0].lb_endpoints[0].endpoint.health_check_config.address.socket_address.address: malformed IP address: name',
      ],
    );
  });
});
