import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { formatFieldError } from '../common/result.ts';
import { encodeMessage, packAny } from './encode.ts';
import type { BootstrapProto, HttpConnectionManagerProto } from './gen/types.ts';
import { messageFromJson, messageToJson } from './json.ts';
import { validateMessage } from './validate.ts';

const bootstrap = 'envoy.config.bootstrap.v3.Bootstrap';

const staticProxy = `
node: { id: edge-1, cluster: edge, locality: { zone: z1 }, metadata: { team: { size: 3, tags: [a, null] } } }
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 9901 } }
static_resources:
  listeners:
  - name: https
    address: { socketAddress: { address: 0.0.0.0, portValue: 8443 } }
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector }
    filter_chains:
    - filter_chain_match: { server_names: [shop.example], application_protocols: [h2, http/1.1] }
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            alpn_protocols: [h2]
            tls_certificates:
            - certificate_chain: { filename: /etc/cert.pem }
              private_key: { inline_string: "-----BEGIN PRIVATE KEY-----" }
              password: { inline_bytes: c2VjcmV0 }
      filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          codec_type: AUTO
          use_remote_address: false
          stream_idle_timeout: 0s
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: /api, headers: [{ name: x-v, string_match: { exact: "2" } }] }
                route:
                  timeout: 1.5s
                  weighted_clusters: { clusters: [{ name: a, weight: 90 }, { name: b, weight: 10 }] }
                  retry_policy: { retry_on: 5xx, num_retries: 2, retriable_status_codes: [503, 504] }
                typed_per_filter_config:
                  envoy.filters.http.fault:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                    abort: { http_status: 503, percentage: { numerator: 5 } }
              - match: { prefix: / }
                direct_response: { status: 404, body: { inline_string: gone } }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: a
    type: STRICT_DNS
    connect_timeout: 0.25s
    lb_policy: LEAST_REQUEST
    circuit_breakers: { thresholds: [{ priority: HIGH, max_connections: 0 }] }
    load_assignment:
      cluster_name: a
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: a.local, port_value: 80 } } }
          load_balancing_weight: 3
`;

const adsProxy = `
node: { id: n1, cluster: c1 }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: xds } }]
  cds_config: { ads: {}, resource_api_version: V3 }
  lds_config: { ads: {}, resource_api_version: V3 }
static_resources:
  clusters:
  - name: xds
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: xds
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 18000 } } } }] }]
`;

function read(text: string): BootstrapProto {
  const result = messageFromJson(bootstrap, parse(text), { unknownFields: 'error' });
  assert.ok(result.ok, JSON.stringify(result));
  return result.value.message;
}

function errorsOf(typeName: string, value: unknown): string[] {
  const result = messageFromJson(typeName, value, { unknownFields: 'error' });
  return result.ok ? [] : result.errors.map(formatFieldError);
}

const cluster = 'envoy.config.cluster.v3.Cluster';

describe('messageFromJson', () => {
  it('reads a static bootstrap with TLS, HCM and router', () => {
    const message = read(staticProxy);
    assert.deepEqual(validateMessage(bootstrap, message), []);
    const listener = message.static_resources?.listeners?.[0];
    assert.deepEqual(listener?.address, {
      socket_address: { address: '0.0.0.0', port_value: 8443 },
    });
    const hcmAny = listener?.filter_chains?.[0]?.filters?.[0]?.typed_config;
    assert.equal(
      hcmAny?.type_name,
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    );
    const hcm = hcmAny?.message as HttpConnectionManagerProto; // said so by type_name
    assert.deepEqual(hcm.stream_idle_timeout, { seconds: 0, nanos: 0 });
    assert.deepEqual(hcm.use_remote_address, { value: false });
    assert.equal('codec_type' in hcm, false, 'the default of an enum is absent');
    const route = hcm.route_config?.virtual_hosts?.[0]?.routes?.[0];
    assert.deepEqual(route?.route?.timeout, { seconds: 1, nanos: 500_000_000 });
    assert.deepEqual(route?.typed_per_filter_config?.['envoy.filters.http.fault']?.message, {
      abort: { http_status: 503, percentage: { numerator: 5 } },
    });
    const clusterMessage = message.static_resources?.clusters?.[0];
    assert.equal(clusterMessage?.lb_policy, 'LEAST_REQUEST');
    assert.deepEqual(clusterMessage?.circuit_breakers?.thresholds?.[0], {
      priority: 'HIGH',
      max_connections: { value: 0 },
    });
    assert.deepEqual(message.node?.metadata?.['team'], {
      size: 3,
      tags: ['a', null],
      __proto__: null,
    });
  });

  it('reads a bootstrap that gets everything over ADS', () => {
    const message = read(adsProxy);
    assert.deepEqual(validateMessage(bootstrap, message), []);
    assert.equal(message.dynamic_resources?.ads_config?.api_type, 'DELTA_GRPC');
    assert.deepEqual(message.dynamic_resources?.cds_config?.ads, {});
  });

  it('says everything that is wrong, each with its path', () => {
    assert.deepEqual(
      errorsOf(bootstrap, {
        static_resources: {
          clusters: [
            {
              name: 7,
              connect_timeout: '1 second',
              conect_timeout: '1s',
              lb_policy: 'LEAST_REQUESTS',
              per_connection_buffer_limit_bytes: -1,
              load_assignment: { endpoints: {} },
              metadata: { filter_metadata: { lb: 3 } },
            },
            null,
          ],
        },
        admin: [],
      }),
      [
        'static_resources.clusters[0].name: expected a string, got a number',
        'static_resources.clusters[0].connect_timeout: expected a duration such as "1.5s", got the string "1 second"',
        'static_resources.clusters[0].conect_timeout: unknown field of envoy.config.cluster.v3.Cluster; did you mean connect_timeout?',
        'static_resources.clusters[0].lb_policy: unknown value "LEAST_REQUESTS"; did you mean LEAST_REQUEST?',
        'static_resources.clusters[0].per_connection_buffer_limit_bytes: must be between 0 and 4294967295, got -1',
        'static_resources.clusters[0].load_assignment.endpoints: expected an array, got an object',
        'static_resources.clusters[0].metadata.filter_metadata["lb"]: expected an object, got a number',
        'static_resources.clusters[1]: must not be null',
        'admin: expected an object (envoy.config.bootstrap.v3.Admin), got an array',
      ],
    );
  });

  it('names both members when a oneof is set twice', () => {
    assert.deepEqual(
      errorsOf('envoy.config.core.v3.DataSource', { filename: 'a', inline_string: 'b' }),
      ['only one of filename, inline_string may be set (oneof specifier)'],
    );
  });

  it('refuses a field given in both spellings', () => {
    assert.deepEqual(errorsOf(cluster, { lb_policy: 'RANDOM', lbPolicy: 'RANDOM' }), [
      'lb_policy: is given twice, as lb_policy and as lbPolicy',
    ]);
  });

  it('takes null as absent, enum numbers and numbers in strings', () => {
    const result = messageFromJson(
      cluster,
      { name: null, lb_policy: 1, per_connection_buffer_limit_bytes: '1024', type: 0 },
      { unknownFields: 'error' },
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.message, {
      lb_policy: 'LEAST_REQUEST',
      per_connection_buffer_limit_bytes: { value: 1024 },
      type: 'STATIC', // in a oneof: set, although the default
    });
  });

  it('keeps 64-bit integers exactly', () => {
    const read64 = (value: unknown): unknown => {
      const result = messageFromJson('google.protobuf.UInt64Value', value, {
        unknownFields: 'error',
      });
      return result.ok ? result.value.message['value'] : result.errors[0]?.message;
    };
    assert.equal(read64('18446744073709551615'), '18446744073709551615');
    assert.equal(read64(9007199254740991), 9007199254740991);
    assert.match(
      String(read64('18446744073709551616')),
      /^must be between 0 and 18446744073709551615/,
    );
    assert.match(String(read64(1.5)), /expected an integer, got 1.5/);
  });

  it('warns of unknown fields instead when asked to', () => {
    const result = messageFromJson(cluster, { name: 'a', 'no such': 1 }, { unknownFields: 'warn' });
    assert.ok(result.ok);
    assert.deepEqual(result.value, {
      message: { name: 'a' },
      warnings: [
        { path: '["no such"]', message: 'unknown field of envoy.config.cluster.v3.Cluster' },
      ],
    });
  });

  it('leaves an Any of unknown type to its user, but wants @type', () => {
    const filter = 'envoy.config.core.v3.TypedExtensionConfig';
    const result = messageFromJson(
      filter,
      { name: 'x', typed_config: { '@type': 'type.googleapis.com/acme.Filter', a: 1 } },
      { unknownFields: 'error' },
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.message.typed_config, {
      type_url: 'type.googleapis.com/acme.Filter',
      type_name: 'acme.Filter',
      message: null,
      value: Buffer.alloc(0),
    });
    assert.deepEqual(errorsOf(filter, { typed_config: {} }), ['typed_config.@type: is required']);
    assert.deepEqual(errorsOf(filter, { typed_config: { '@type': 'Router' } }), [
      'typed_config.@type: must be like type.googleapis.com/Router',
    ]);
    assert.deepEqual(
      errorsOf(filter, {
        typed_config: { '@type': 'a/google.protobuf.Duration', value: '1s', more: 1 },
      }),
      ['typed_config.more: unknown field of google.protobuf.Duration'],
    );
  });

  for (const name of ['xds.type.v3.TypedStruct', 'udpa.type.v1.TypedStruct']) {
    it(`unwraps ${name} through the inner schema`, () => {
      const typedStruct = (value: unknown): unknown => ({
        typed_config: {
          '@type': `type.googleapis.com/${name}`,
          type_url: `type.googleapis.com/${cluster}`,
          value,
        },
      });
      const filter = 'envoy.config.core.v3.TypedExtensionConfig';
      const result = messageFromJson(filter, typedStruct({ connectTimeout: '2s' }), {
        unknownFields: 'error',
      });
      assert.ok(result.ok);
      assert.equal(result.value.message.typed_config?.type_name, cluster);
      assert.deepEqual(result.value.message.typed_config?.message, {
        connect_timeout: { seconds: 2, nanos: 0 },
      });
      assert.deepEqual(
        messageToJson(filter, result.value.message),
        typedStruct({ connect_timeout: '2s' }),
      );
      assert.deepEqual(errorsOf(filter, typedStruct({ connect_timeout: 2 })), [
        'typed_config.value.connect_timeout: expected a duration such as "1.5s", got a number',
      ]);
    });
  }

  it('refuses documents that are nested too deeply', () => {
    let condition: unknown = { any: true };
    for (let level = 0; level < 60; level++) condition = { not_id: condition };
    assert.deepEqual(errorsOf('envoy.config.rbac.v3.Principal', condition), []);
    for (let level = 0; level < 5000; level++) condition = { not_id: condition };
    const [error, ...more] = errorsOf('envoy.config.rbac.v3.Principal', condition);
    assert.match(error ?? '', /: is nested more than 100 levels deep$/);
    assert.deepEqual(more, []);
  });

  it('keeps hostile keys apart from the prototype', () => {
    const value: unknown = JSON.parse(
      '{"filter_metadata": {"__proto__": {"__proto__": {"x": 1}}}}',
    );
    const result = messageFromJson('envoy.config.core.v3.Metadata', value, {
      unknownFields: 'error',
    });
    assert.ok(result.ok);
    const metadata = result.value.message.filter_metadata ?? {};
    assert.deepEqual(Object.keys(metadata), ['__proto__']);
    assert.equal((metadata as Record<string, unknown>)['x'], undefined);
    assert.ok(encodeMessage('envoy.config.core.v3.Metadata', result.value.message).length > 0);
  });

  it('says so when the message type is unknown', () => {
    assert.deepEqual(errorsOf('a.B', {}), ['unknown message type a.B']);
    assert.deepEqual(errorsOf('__proto__', {}), ['unknown message type __proto__']);
  });
});

describe('messageToJson', () => {
  it('prints a TypedStruct that was made, not read, as itself', () => {
    const struct = { type_url: 'type.googleapis.com/a.B', value: { x: 1 } };
    const made = { typed_config: packAny<string>('xds.type.v3.TypedStruct', struct) };
    assert.deepEqual(messageToJson('envoy.config.core.v3.TypedExtensionConfig', made), {
      typed_config: { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', ...struct },
    });
  });

  it('prints proto names, durations, bare wrappers and @type', () => {
    const json = messageToJson(bootstrap, read(adsProxy));
    assert.deepEqual(JSON.parse(JSON.stringify(json)), parse(adsProxy));
  });

  it('redacts what is marked as sensitive, and only when asked to', () => {
    const tls = 'envoy.extensions.transport_sockets.tls.v3.TlsCertificate';
    const message = {
      certificate_chain: { inline_string: 'cert' },
      private_key: { inline_string: 'key' },
      password: { inline_bytes: Buffer.from('pw') },
    };
    assert.deepEqual(messageToJson(tls, message, { redact: true }), {
      certificate_chain: { inline_string: 'cert' },
      private_key: { inline_string: '[redacted]' },
      password: { inline_bytes: Buffer.from('[redacted]').toString('base64') },
    });
    assert.deepEqual(messageToJson(tls, message), {
      certificate_chain: { inline_string: 'cert' },
      private_key: { inline_string: 'key' },
      password: { inline_bytes: 'cHc=' },
    });
  });

  it('redacts inside Anys', () => {
    const text = JSON.stringify(messageToJson(bootstrap, read(staticProxy), { redact: true }));
    assert.ok(text.includes('"private_key":{"inline_string":"[redacted]"}'));
    assert.ok(!text.includes('BEGIN PRIVATE KEY'));
  });

  it('prints 64-bit integers as strings and numbers that JSON lacks as names', () => {
    assert.deepEqual(messageToJson('google.protobuf.UInt64Value', { value: 5 }), { value: '5' });
    assert.deepEqual(
      messageToJson('envoy.type.v3.DoubleRange', {
        start: Number.NaN,
        end: Number.POSITIVE_INFINITY,
      }),
      { start: 'NaN', end: 'Infinity' },
    );
  });
});
