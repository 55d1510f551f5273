import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../../../test/fakes/config.ts';
import type { TcpProxyData } from './data.ts';

const TYPE = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const compiled = (body: string): TcpProxyData =>
  networkFilterData(TYPE, `stat_prefix: t, cluster: c, ${body}`) as TcpProxyData; // config.ts makes it
const errors = (body: string): string[] =>
  networkFilterErrors(TYPE, `stat_prefix: t, cluster: c, ${body}`);

test('what is not said has the defaults of Envoy', () => {
  assert.deepEqual(compiled(''), {
    statPrefix: 't',
    clusters: [{ name: 'c', weight: 1, metadataMatch: null }],
    metadataMatch: null,
    hashPolicy: [],
    idleTimeoutMs: 3_600_000,
    maxConnectAttempts: 1,
    backoff: null,
    maxDownstreamConnectionDurationMs: 0,
    maxDurationJitterPercent: 0,
    proxyProtocolTlvs: [],
    tunneling: null,
    accessLogs: [],
    accessLogOptions: { onStart: false, onConnected: false, intervalMs: 0 },
  });
});

test('back-off, jitter, hash policy and log options are carried', () => {
  const data = compiled(
    'backoff_options: {base_interval: 0.1s}, hash_policy: [{source_ip: {}}], ' +
      'max_downstream_connection_duration: 60s, ' +
      'max_downstream_connection_duration_jitter_percentage: {value: 12.5}, ' +
      'access_log_options: {flush_access_log_on_connected: true, access_log_flush_interval: 5s}',
  );
  assert.deepEqual(data.backoff, { baseMs: 100, maxMs: 1000 });
  assert.deepEqual(data.hashPolicy, [{ source: { kind: 'source_ip' }, terminal: false }]);
  assert.equal(data.maxDurationJitterPercent, 12.5);
  assert.deepEqual(data.accessLogOptions, { onStart: false, onConnected: true, intervalMs: 5000 });
  const former = compiled('access_log_flush_interval: 5s, flush_access_log_on_connected: true');
  assert.deepEqual(former.accessLogOptions, data.accessLogOptions);
});

test('contradictions are refused with their paths', () => {
  assert.deepEqual(errors('backoff_options: {base_interval: 0.5s, max_interval: 0.1s}'), [
    'backoff_options.max_interval: must be greater than or equal to base_interval',
  ]);
  assert.deepEqual(errors('access_log_flush_interval: 1s, access_log_options: {}'), [
    'access_log_flush_interval: only one of it and access_log_options can be specified',
  ]);
});

test('what is not there is refused by name', () => {
  for (const [field, body] of [
    ['on_demand', 'on_demand: {timeout: 1s}'],
    ['downstream_idle_timeout', 'downstream_idle_timeout: 1s'],
    ['upstream_idle_timeout', 'upstream_idle_timeout: 1s'],
    [
      'proxy_protocol_tlvs[0].format_string',
      'proxy_protocol_tlvs: [{type: 1, format_string: {text_format_source: {inline_string: a}}}]',
    ],
    ['proxy_protocol_tlv_merge_policy', 'proxy_protocol_tlv_merge_policy: APPEND_IF_EXISTS_OR_ADD'],
    ['upstream_connect_mode', 'upstream_connect_mode: ON_DOWNSTREAM_DATA'],
  ] as const) {
    const [first = ''] = errors(body);
    assert.ok(first.startsWith(`${field}: not supported yet`), `${field}: ${first}`);
  }
});
