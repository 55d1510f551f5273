import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../../../test/fakes/config.ts';
import type { HcmConfig } from '../../../api/config/hcm.ts';
import { defaultHttp2 } from '../../../api/config/http2.ts';

const TYPE = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const filter = (name: string, type: string, more = ''): string =>
  `{name: ${name}, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.${type}}${more}}`;
const router = filter('router', 'router.v3.Router');
const minimal = `stat_prefix: s, route_config: {}, http_filters: [${router}]`;

// That type's data.
const compiled = (text: string) => networkFilterData(TYPE, text) as HcmConfig;
const errors = (text: string) => networkFilterErrors(TYPE, text);

describe('the config half of the HTTP connection manager', () => {
  it("fills in Envoy's defaults", () => {
    const { httpFilters, routes, ...rest } = compiled(minimal);
    assert.deepEqual(
      httpFilters.map(({ name, extension, disabled }) => [name, extension, disabled]),
      [['router', 'envoy.filters.http.router', false]],
    );
    assert.equal(routes.kind, 'inline');
    assert.deepEqual(rest, {
      statPrefix: 's',
      codecType: 'AUTO',
      accessLogs: [],
      upgrades: [],
      streamErrorOnInvalidHttpMessage: false,
      localReply: null,
      suppressEnvoyHeaders: false,
      serverName: 'envoy',
      serverHeaderTransformation: 'OVERWRITE',
      via: '',
      generateRequestId: true,
      preserveExternalRequestId: false,
      alwaysSetRequestIdInResponse: false,
      packTraceReason: true,
      useRemoteAddress: false,
      skipXffAppend: false,
      xffNumTrustedHops: 0,
      appendXForwardedPort: false,
      originalIpDetection: [],
      schemeToOverwrite: '',
      schemeMatchesUpstream: false,
      internalCidrs: [],
      internalUnixSockets: false,
      forwardClientCertDetails: 'SANITIZE',
      setCurrentClientCertDetails: {
        subject: false,
        dns: false,
        uri: false,
        cert: false,
        chain: false,
        issuer: false,
        format: 'TEXT',
      },
      normalizePath: false,
      mergeSlashes: false,
      pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
      stripMatchingHostPort: false,
      stripAnyHostPort: false,
      stripTrailingHostDot: false,
      headersWithUnderscoresAction: 'ALLOW',
      maxRequestHeadersKb: 60,
      maxHeadersCount: 100,
      idleTimeoutMs: 3_600_000,
      maxConnectionDurationMs: 0,
      streamIdleTimeoutMs: 300_000,
      streamFlushTimeoutMs: null,
      requestTimeoutMs: 0,
      requestHeadersTimeoutMs: 0,
      drainTimeoutMs: 5_000,
      delayedCloseTimeoutMs: 1_000,
      maxConnectionDurationJitterPercent: 0,
      drainTimeoutJitterPercent: 0,
      maxStreamDurationMs: 0,
      maxRequestsPerConnection: 0,
      prematureResets: { totalStreamCount: 500, minStreamLifetimeS: 1 },
      maxRequestsPerIoCycle: 128,
      http1: {
        acceptHttp10: false,
        defaultHostForHttp10: '',
        enableTrailers: false,
        allowAbsoluteUrl: true,
        properCaseHeaderKeys: false,
        preserveCase: null,
        allowChunkedLength: false,
        allowCustomMethods: false,
        ignoredUpgrades: [],
      },
      http2: defaultHttp2,
      proxy100Continue: false,
      http1SafeMaxConnectionDuration: false,
    });
  });

  it('takes suppress_envoy_headers from the router filter', () => {
    const quiet = `stat_prefix: s, route_config: {}, http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}]`;
    assert.equal(compiled(quiet).suppressEnvoyHeaders, true);
  });

  it('takes routes over RDS from a source that there is', () => {
    const rds = (source: string, name: string): string =>
      `stat_prefix: s, http_filters: [${router}], rds: {route_config_name: ${name}, config_source: ${source}}`;
    assert.deepEqual(compiled(rds('{ads: {}}', 'r')).routes, { kind: 'rds', name: 'r' });
    assert.deepEqual(errors(rds('{path_config_source: {path: /x}}', 'r')), [
      "rds.config_source.path_config_source.path: must be a file that can be read: '/x': no such file",
    ]);
    assert.deepEqual(errors(rds('{ads: {}}', '""')), ['rds.route_config_name: must not be empty']);
  });

  const formatter = (type: string, more = '') =>
    `header_key_format: {stateful_formatter: {name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.http.header_formatters.${type}${more}}}}`;
  const preserveCase = 'preserve_case.v3.PreserveCaseFormatterConfig';

  it('takes the options of HTTP/1 whole', () => {
    const more = ', forward_reason_phrase: true, formatter_type_on_envoy_headers: PROPER_CASE';
    const options = [
      'accept_http_10: true, default_host_for_http_10: d, enable_trailers: true',
      'allow_absolute_url: false, allow_chunked_length: true, allow_custom_methods: true',
      'override_stream_error_on_invalid_http_message: true, use_balsa_parser: false',
      'ignore_http_11_upgrade: [{prefix: ü}]',
      formatter(preserveCase, more),
    ];
    const data = compiled(`${minimal}, http_protocol_options: {${options.join(', ')}}`);
    assert.deepEqual(data.http1, {
      properCaseHeaderKeys: false,
      preserveCase: { forwardReasonPhrase: true, isOtherwiseProper: true },
      enableTrailers: true,
      allowChunkedLength: true,
      acceptHttp10: true,
      defaultHostForHttp10: 'd',
      allowAbsoluteUrl: false,
      allowCustomMethods: true,
      ignoredUpgrades: [{ kind: 'prefix', value: 'ü', ignoreCase: false }],
    });
    assert.equal(data.streamErrorOnInvalidHttpMessage, true);
  });

  it('the override of stream_error_on_invalid_http_message wins, either way', () => {
    const both = (general: boolean, override: boolean) =>
      compiled(
        `${minimal}, stream_error_on_invalid_http_message: ${general}, http_protocol_options: {override_stream_error_on_invalid_http_message: ${override}}`,
      ).streamErrorOnInvalidHttpMessage;
    assert.deepEqual([both(true, false), both(false, true)], [false, true]);
  });

  it('HTTP/2 has an override of its own', () => {
    const of = (more: string) =>
      compiled(`${minimal}${more}`).http2.streamErrorOnInvalidHttpMessage;
    const override = (value: boolean) =>
      `, http2_protocol_options: {override_stream_error_on_invalid_http_message: ${value}}`;
    const general = ', stream_error_on_invalid_http_message: true';
    assert.equal(of(general), true);
    assert.equal(of(`${general}${override(false)}`), false);
    assert.equal(of(override(true)), true);
    const deprecated = 'stream_error_on_invalid_http_messaging: true';
    assert.equal(of(`, http2_protocol_options: {${deprecated}}`), true);
    assert.equal(
      of(`, stream_error_on_invalid_http_message: false, http2_protocol_options: {${deprecated}}`),
      false,
    );
  });

  it('takes the jitters', () => {
    const data = compiled(
      `${minimal}, drain_timeout_jitter: {value: 12.5}, common_http_protocol_options: {max_connection_duration_jitter: {value: 50}}`,
    );
    assert.equal(data.drainTimeoutJitterPercent, 12.5);
    assert.equal(data.maxConnectionDurationJitterPercent, 50);
  });

  it('stream_flush_timeout is known to be given or not', () => {
    const of = (more: string) => compiled(`${minimal}${more}`).streamFlushTimeoutMs;
    assert.equal(of(', stream_idle_timeout: 7s'), null);
    assert.equal(of(', stream_idle_timeout: 7s, stream_flush_timeout: 2s'), 2_000);
  });

  it('texts of headers become UTF-8 bytes', () => {
    const { serverName, via } = compiled(`${minimal}, server_name: ü, via: €`);
    assert.deepEqual([serverName, via], ['\xc3\xbc', '\xe2\x82\xac']);
  });

  const fault = filter('fault', 'fault.v3.HTTPFault');
  const bad: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'no HTTP filters',
      'stat_prefix: s, route_config: {}',
      ['http_filters: must not be empty: the last filter must be a terminal one'],
    ],
    [
      'a chain that does not end in the router',
      `stat_prefix: s, route_config: {}, http_filters: [${fault}]`,
      [
        'http_filters[0]: non-terminal filter named fault of type envoy.filters.http.fault is the last filter',
      ],
    ],
    [
      'a filter behind the router',
      `stat_prefix: s, route_config: {}, http_filters: [${router}, ${fault}]`,
      [
        'http_filters[0]: terminal filter named router of type envoy.filters.http.router must be the last filter',
        'http_filters[1]: non-terminal filter named fault of type envoy.filters.http.fault is the last filter',
      ],
    ],
    [
      'a disabled router',
      `stat_prefix: s, route_config: {}, http_filters: [${filter('router', 'router.v3.Router', ', disabled: true')}]`,
      ['http_filters[0].disabled: the last (terminal) filter cannot be disabled'],
    ],
    [
      'an HTTP filter that only Envoy has',
      `stat_prefix: s, route_config: {}, http_filters: [${filter('lua', 'lua.v3.Lua')}, ${router}]`,
      [
        'http_filters[0].typed_config: not supported yet (envoy.extensions.filters.http.lua.v3.Lua)',
      ],
    ],
    [
      'an upgrade twice, and CONNECT-UDP',
      `${minimal}, upgrade_configs: [{upgrade_type: foo}, {upgrade_type: FOO}, {upgrade_type: CONNECT-UDP}]`,
      [
        'upgrade_configs[1].upgrade_type: multiple upgrade configs with the same name: FOO',
        'upgrade_configs[2].upgrade_type: CONNECT-UDP is not supported',
      ],
    ],
    [
      'an upgrade whose filters do not end in a router',
      `${minimal}, upgrade_configs: [{upgrade_type: foo, filters: [${fault}]}]`,
      [
        'upgrade_configs[0].filters[0]: non-terminal filter named fault of type envoy.filters.http.fault is the last filter',
      ],
    ],
    [
      'a header formatter that is none',
      `${minimal}, http_protocol_options: {header_key_format: {stateful_formatter: {name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}}}}`,
      [
        'http_protocol_options.header_key_format.stateful_formatter.typed_config: not supported yet (envoy.extensions.filters.http.fault.v3.HTTPFault)',
      ],
    ],
    [
      'HTTP/3 and tracing',
      `${minimal}, codec_type: HTTP3, http3_protocol_options: {}, tracing: {}`,
      [
        'codec_type: not supported yet (HTTP3)',
        'tracing: not supported yet',
        'http3_protocol_options: not supported yet',
      ],
    ],
    [
      'an access logger that only Envoy has',
      `${minimal}, access_log: [{name: g, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig}}]`,
      [
        'access_log[0].typed_config: not supported yet (envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig)',
      ],
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(text).sort(), [...expected].sort()));
  }
});
