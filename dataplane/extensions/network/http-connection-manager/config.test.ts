import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../../../test/fakes/config.ts';
import type { HcmConfig } from '../../../api/config/hcm.ts';

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
      requestTimeoutMs: 0,
      requestHeadersTimeoutMs: 0,
      drainTimeoutMs: 5_000,
      delayedCloseTimeoutMs: 1_000,
      maxStreamDurationMs: 0,
      maxRequestsPerConnection: 0,
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
      proxy100Continue: false,
      http1SafeMaxConnectionDuration: false,
    });
  });

  it('takes suppress_envoy_headers from the router filter', () => {
    const quiet = `stat_prefix: s, route_config: {}, http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}]`;
    assert.equal(compiled(quiet).suppressEnvoyHeaders, true);
  });

  it('takes routes over RDS from ADS only', () => {
    const rds = (source: string, name: string): string =>
      `stat_prefix: s, http_filters: [${router}], rds: {route_config_name: ${name}, config_source: ${source}}`;
    assert.deepEqual(compiled(rds('{ads: {}}', 'r')).routes, { kind: 'rds', name: 'r' });
    assert.deepEqual(errors(rds('{path_config_source: {path: /x}}', 'r')), [
      'rds.config_source.path_config_source: not supported yet',
    ]);
    assert.deepEqual(errors(rds('{ads: {}}', '""')), ['rds.route_config_name: must not be empty']);
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
      'HTTP/2 and tracing',
      `${minimal}, codec_type: HTTP2, http2_protocol_options: {}, tracing: {}`,
      [
        'codec_type: not supported yet (HTTP2)',
        'tracing: not supported yet',
        'http2_protocol_options: not supported yet',
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
