import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { formatFieldError } from '../common/result.ts';
import { packAny } from './encode.ts';
import { genDir } from './root.ts';
import { deprecatedFields, validateMessage } from './validate.ts';

function errorsOf(typeName: string, plain: object): string[] {
  return validateMessage(typeName, plain).map(formatFieldError);
}

describe('validateMessage', () => {
  it('reports every violated rule with its path', () => {
    assert.deepEqual(
      errorsOf('envoy.config.cluster.v3.Cluster', {
        connect_timeout: { seconds: 0, nanos: 0 },
        lb_policy: 77,
        circuit_breakers: { thresholds: [{ priority: 9 }] },
        load_assignment: { endpoints: [{ priority: 129 }] },
        health_checks: [{ healthy_threshold: { value: 1 } }],
      }),
      [
        'name: must not be empty',
        'connect_timeout: must be > 0',
        'lb_policy: 77 is not a value of envoy.config.cluster.v3.Cluster.LbPolicy',
        'health_checks[0]: one of http_health_check, tcp_health_check, grpc_health_check, custom_health_check is required',
        'health_checks[0].timeout: is required',
        'health_checks[0].interval: is required',
        'health_checks[0].unhealthy_threshold: is required',
        'circuit_breakers.thresholds[0].priority: 9 is not a value of envoy.config.core.v3.RoutingPriority',
        'load_assignment.cluster_name: must not be empty',
        'load_assignment.endpoints[0].priority: must be <= 128, got 129',
      ],
    );
  });

  it('looks into Anys and TypedStructs', () => {
    const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const filter = { name: 'hcm', typed_config: packAny(hcm, {}) };
    const listener = { filter_chains: [{ filters: [filter] }] };
    assert.deepEqual(errorsOf('envoy.config.listener.v3.Listener', listener), [
      'filter_chains[0].filters[0].typed_config: one of rds, route_config, scoped_routes is required',
      'filter_chains[0].filters[0].typed_config.stat_prefix: must not be empty',
    ]);
  });

  it('checks the value inside a wrapper, and nothing when it is absent', () => {
    const retry = 'envoy.config.route.v3.RetryPolicy.RetryPriority';
    assert.deepEqual(errorsOf(retry, {}), ['name: must not be empty']);
    const outlier = 'envoy.config.cluster.v3.OutlierDetection';
    assert.deepEqual(errorsOf(outlier, { max_ejection_percent: { value: 101 } }), [
      'max_ejection_percent: must be <= 100, got 101',
    ]);
    assert.deepEqual(errorsOf(outlier, {}), []);
  });

  it('applies the rules of header text', () => {
    const option = 'envoy.config.core.v3.HeaderValue';
    assert.deepEqual(errorsOf(option, { key: 'x-a', value: 'any\tthing' }), []);
    assert.deepEqual(errorsOf(option, { key: 'x\n', value: 'a\r\nb' }), [
      'key: has characters that an HTTP header name must not have',
      'value: has characters that an HTTP header value must not have',
    ]);
  });

  it('applies patterns, lists and lengths', () => {
    assert.deepEqual(
      errorsOf('envoy.config.route.v3.RouteMatch', { path_separated_prefix: '/a/' }),
      ['path_separated_prefix: must match the regex ^[^?#]+[^?#/]$'],
    );
    assert.deepEqual(errorsOf('envoy.config.route.v3.VirtualHost', { name: 'v' }), [
      'domains: must not be empty',
    ]);
    assert.deepEqual(
      errorsOf('envoy.config.core.v3.SchemeHeaderTransformation', { scheme_to_overwrite: 'ftp' }),
      ['scheme_to_overwrite: must be one of "http", "https"'],
    );
    assert.deepEqual(errorsOf('envoy.type.v3.HttpStatus', {}), ['code: must not be Empty']);
  });

  it('reads bounds that exclude each other as "outside of", as PGV does', () => {
    const quic = 'envoy.config.core.v3.QuicKeepAliveSettings'; // lte 0, gte 1s
    assert.deepEqual(errorsOf(quic, { max_interval: { seconds: 0, nanos: 0 } }), []);
    assert.deepEqual(errorsOf(quic, { max_interval: { seconds: 1, nanos: 0 } }), []);
    assert.deepEqual(errorsOf(quic, { max_interval: { seconds: 0, nanos: 5 } }), [
      'max_interval: must be >= 1s or <= 0',
    ]);
  });

  it('refuses negative durations everywhere, as Envoy does, and says it once', () => {
    const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const negative = { seconds: 0, nanos: -1 };
    const errors = validateMessage(hcm, {
      stat_prefix: 's',
      route_config: {},
      stream_idle_timeout: negative,
      common_http_protocol_options: { max_connection_duration: { seconds: -5, nanos: 0 } },
      request_timeout: { seconds: 0, nanos: 0 },
    });
    assert.deepEqual(errors.map(formatFieldError).sort(), [
      'common_http_protocol_options.max_connection_duration: must not be negative',
      'stream_idle_timeout: must not be negative',
    ]);
    const cluster = { name: 'c', connect_timeout: negative };
    assert.deepEqual(
      validateMessage('envoy.config.cluster.v3.Cluster', cluster).map(formatFieldError),
      ['connect_timeout: must be > 0'],
    );
  });

  it('knows every rule that the API uses', () => {
    // What validate.ts reads. A new rule in the package must fail here, not be passed over.
    const known = new Set(
      (
        'message.required duration.required duration.lt duration.lte duration.gt duration.gte ' +
        'any.required bool.const enum.defined_only enum.not_in string.min_len string.max_len ' +
        'string.max_bytes string.pattern string.in string.well_known_regex string.strict ' +
        'string.ignore_empty bytes.min_len bytes.max_len repeated.min_items repeated.max_items ' +
        'repeated.unique map.min_pairs'
      ).split(' '),
    );
    const number = /^(double|float|u?int(32|64))\.(lt|lte|gt|gte|in|not_in|const)$/;
    const wrapped = /^(repeated\.items|map\.keys|map\.values)\./;
    const unknown = new Set<string>();
    const visit = (rules: object, path: string): void => {
      for (const [key, value] of Object.entries(rules)) {
        const name = path === '' ? key : `${path}.${key}`;
        const rule = name.replace(wrapped, '');
        if (known.has(rule) || number.test(rule)) continue;
        if (typeof value === 'object' && value !== null && !Array.isArray(value))
          visit(value, name);
        else unknown.add(name);
      }
    };
    const text = readFileSync(new URL('constraints.json', genDir), 'utf8');
    const all = JSON.parse(text) as Record<string, { fields?: Record<string, object> }>;
    for (const { fields } of Object.values(all)) {
      for (const rules of Object.values(fields ?? {})) visit(rules, '');
    }
    assert.deepEqual([...unknown], []);
    assert.ok(Object.keys(all).length > 300);
  });
});

describe('deprecatedFields', () => {
  it('names the deprecated fields in use', () => {
    assert.deepEqual(
      deprecatedFields('envoy.config.route.v3.RouteMatch', {
        prefix: '/',
        headers: [{ name: 'a', exact_match: 'b' }],
      }),
      [{ path: 'headers[0].exact_match', message: 'is deprecated' }],
    );
  });
});
