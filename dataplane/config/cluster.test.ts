import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assignmentOf,
  defaultOutlierDetection,
  leastRequestOf,
} from '../../test/fakes/cluster-config.ts';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { systemDnsResolver } from '../api/config/dns.ts';
import { defaultHttp2 } from '../api/config/http2.ts';
import { defaultRoundRobin } from '../api/config/load-balancing.ts';

// The kind says what the compiler makes.
const compiled = (text: string) => compiledData('cluster', text) as ClusterConfig;
const errors = (text: string) => resourceErrors('cluster', text);

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const httpOptions = (body: string): string =>
  `{name: a, typed_extension_protocol_options: {${HTTP_OPTIONS}: {"@type": type.googleapis.com/${HTTP_OPTIONS}, ${body}}}}`;
const policy = (name: string, body = ''): string =>
  `{typed_extension_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.${name}${body}}}}`;

describe('compileCluster', () => {
  it("fills in Envoy's defaults", () => {
    const thresholds = {
      maxConnections: 1024,
      maxPendingRequests: 1024,
      maxRequests: 1024,
      maxRetries: 3,
      maxConnectionPools: null,
      maxConnectionsPerHost: null,
      retryBudget: null,
      trackRemaining: false,
    };
    assert.deepEqual(compiled('{name: "a:b"}'), {
      name: 'a:b',
      statName: 'a_b',
      type: 'STATIC',
      provided: null,
      edsServiceName: '',
      connectTimeoutMs: 5000,
      perConnectionBufferLimitBytes: 1_048_576,
      loadBalancing: defaultRoundRobin,
      commonLb: {
        healthyPanicThresholdPercent: 50,
        updateMergeWindowMs: 1000,
        closeConnectionsOnHostSetChange: false,
        ignoreNewHostsUntilFirstHc: false,
        overrideHostStatuses: ['UNKNOWN', 'HEALTHY', 'DEGRADED'],
      },
      circuitBreakers: [thresholds, thresholds],
      retryRate: null,
      outlierDetection: null,
      breaker: null,
      hostBreaker: null,
      loadReportMetrics: [],
      healthCheck: null,
      loadAssignment: { ...assignmentOf([], ''), localities: [] },
      dns: {
        refreshRateMs: 5000,
        respectTtl: false,
        minRefreshMs: 0,
        jitterMs: 0,
        lookupFamily: 'AUTO',
        failureRefreshBaseMs: 5000,
        failureRefreshMaxMs: 5000,
        resolver: systemDnsResolver,
      },
      http: {
        idleTimeoutMs: 3_600_000,
        maxRequestsPerConnection: 0,
        maxConnectionDurationMs: 0,
        maxStreamDurationMs: 0,
        maxResponseHeadersKb: 60,
        maxHeadersCount: 100,
        http1: {
          properCaseHeaderKeys: false,
          preserveCase: null,
          enableTrailers: false,
          allowChunkedLength: false,
          sendFullyQualifiedUrl: false,
        },
        http2: defaultHttp2,
        protocol: 'HTTP/1.1',
        autoSni: false,
        autoSanValidation: false,
        retryPolicy: null,
        mirrors: [],
        hashPolicy: [],
        errorMatcher: null,
      },
      tls: null,
      tcpKeepalive: null,
      proxyProtocol: null,
      proxyTlvAsPoolKey: false,
      bind: { addresses: [], keepaliveS: null },
      ignoreHealthOnHostRemoval: false,
      closeConnectionsOnHostHealthFailure: false,
      connectionPoolPerDownstreamConnection: false,
      preconnect: { perUpstreamRatio: 1, predictiveRatio: 1 },
    });
  });

  it('takes HTTP options from the extension or from the deprecated fields', () => {
    const common =
      'common_http_protocol_options: {idle_timeout: 30s, max_requests_per_connection: 7}';
    for (const text of [
      httpOptions(`${common}, explicit_http_config: {http_protocol_options: {}}`),
      `{name: a, ${common}}`,
    ]) {
      assert.equal(compiled(text).http.idleTimeoutMs, 30_000);
      assert.equal(compiled(text).http.maxRequestsPerConnection, 7);
    }
    assert.equal(
      compiled('{name: a, max_requests_per_connection: 3}').http.maxRequestsPerConnection,
      3,
    );
  });

  it('takes the options of HTTP/1 that mean something upstream', () => {
    const options =
      'enable_trailers: true, allow_chunked_length: true, send_fully_qualified_url: true, header_key_format: {proper_case_words: {}}';
    for (const text of [
      httpOptions(`explicit_http_config: {http_protocol_options: {${options}}}`),
      `{name: a, http_protocol_options: {${options}}}`,
    ]) {
      assert.deepEqual(compiled(text).http.http1, {
        properCaseHeaderKeys: true,
        preserveCase: null,
        enableTrailers: true,
        allowChunkedLength: true,
        sendFullyQualifiedUrl: true,
      });
    }
  });

  it('takes the protocol from where it stands, with its options', () => {
    const http2 = 'http2_protocol_options: {max_concurrent_streams: 7}';
    const tls =
      'transport_socket: {name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}';
    const cases: [string, ClusterConfig['http']['protocol'], number][] = [
      [httpOptions(`explicit_http_config: {${http2}}`), 'HTTP/2', 7],
      [httpOptions(`use_downstream_protocol_config: {${http2}}`), 'downstream-or-http2', 7],
      [httpOptions('use_downstream_protocol_config: {}'), 'downstream', 1024],
      [httpOptions(`auto_config: {${http2}}`).replace('{name: a,', `{name: a, ${tls},`), 'auto', 7],
      [`{name: a, ${http2}}`, 'HTTP/2', 7],
      [
        `{name: a, ${http2}, http_protocol_options: {}, protocol_selection: USE_DOWNSTREAM_PROTOCOL}`,
        'downstream-or-http2',
        7,
      ],
      ['{name: a, protocol_selection: USE_DOWNSTREAM_PROTOCOL}', 'downstream', 1024],
      [`{name: a, ${http2}, protocol_selection: USE_CONFIGURED_PROTOCOL}`, 'HTTP/2', 7],
    ];
    for (const [text, protocol, streams] of cases) {
      const { http } = compiled(text);
      assert.equal(http.protocol, protocol, text);
      assert.equal(http.http2.maxConcurrentStreams, streams, text);
    }
  });

  it('takes the first load balancing policy that it knows', () => {
    const list = `[${policy('least_request.v3.LeastRequest', ', choice_count: 5')}, ${policy('random.v3.Random')}]`;
    const cluster = compiled(`{name: a, load_balancing_policy: {policies: ${list}}}`);
    assert.deepEqual(cluster.loadBalancing, leastRequestOf({ choiceCount: 5 }));
  });

  it('counts a panic threshold of 0 as set', () => {
    const cluster = compiled('{name: a, common_lb_config: {healthy_panic_threshold: {value: 0}}}');
    assert.equal(cluster.commonLb.healthyPanicThresholdPercent, 0);
  });

  it('raises the default max_ejection_time to the base ejection time', () => {
    const cluster = compiled('{name: a, outlier_detection: {base_ejection_time: 600s}}');
    assert.equal(cluster.outlierDetection?.maxEjectionTimeMs, 600_000);
    assert.deepEqual(cluster.outlierDetection, {
      ...defaultOutlierDetection,
      baseEjectionTimeMs: 600_000,
      maxEjectionTimeMs: 600_000,
    });
  });

  it('reads resolvers from every place that can name them', () => {
    const address = '{socket_address: {address: 10.0.0.2, port_value: 53}}';
    for (const field of [
      `typed_dns_resolver_config: {name: c, typed_config: {"@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, resolvers: [${address}]}}`,
      `dns_resolution_config: {resolvers: [${address}]}`,
      `dns_resolvers: [${address}]`,
    ]) {
      assert.deepEqual(compiled(`{name: a, type: STRICT_DNS, ${field}}`).dns.resolver.servers, [
        '10.0.0.2:53',
      ]);
    }
  });

  it('uses ten times the base as the longest wait after failed DNS', () => {
    const { dns } = compiled('{name: a, dns_failure_refresh_rate: {base_interval: 2s}}');
    assert.deepEqual([dns.failureRefreshBaseMs, dns.failureRefreshMaxMs], [2000, 20_000]);
  });

  const bad: readonly (readonly [string, string, readonly string[]])[] = [
    ['no name', '{}', ['name: must not be empty']],
    ['a connect timeout of 0', '{name: a, connect_timeout: 0s}', ['connect_timeout: must be > 0']],
    [
      'EDS without its config',
      '{name: a, type: EDS}',
      ['eds_cluster_config: is required in a cluster of type EDS'],
    ],
    [
      'EDS from a file that is not there',
      '{name: a, type: EDS, eds_cluster_config: {eds_config: {path_config_source: {path: /x}}}}',
      [
        "eds_cluster_config.eds_config.path_config_source.path: must be a file that can be read: '/x': no such file",
      ],
    ],
    [
      'EDS with endpoints of its own',
      '{name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}, load_assignment: {cluster_name: a}}',
      ['load_assignment: may not be set in a cluster of type EDS'],
    ],
    [
      'a name where an address is needed',
      '{name: a, load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: host, port_value: 1}}}}]}]}}',
      [
        "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: malformed IP address 'host': use type STRICT_DNS for names",
      ],
    ],
    [
      'a choice by ALPN without TLS',
      httpOptions('auto_config: {}'),
      [
        `typed_extension_protocol_options["${HTTP_OPTIONS}"].auto_config: ALPN configured for cluster a which has a non-ALPN transport socket`,
      ],
    ],
    [
      'options of two protocols without a way to choose',
      '{name: a, http_protocol_options: {}, http2_protocol_options: {}}',
      [
        "http2_protocol_options: both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values",
      ],
    ],
    [
      'a load balancing policy that only Envoy has',
      `{name: a, load_balancing_policy: {policies: [${policy('pick_first.v3.PickFirst')}]}}`,
      [
        'load_balancing_policy.policies[0].typed_extension_config.typed_config: not supported yet (envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst)',
      ],
    ],
    [
      'lb_policy LOAD_BALANCING_POLICY_CONFIG without one',
      '{name: a, lb_policy: LOAD_BALANCING_POLICY_CONFIG}',
      ['load_balancing_policy: is required with lb_policy LOAD_BALANCING_POLICY_CONFIG'],
    ],
    [
      'monitors of outlier detection, which Envoy takes and ignores',
      '{name: a, outlier_detection: {monitors: [{name: x}]}}',
      ['outlier_detection.monitors: not supported yet'],
    ],
    [
      'an error matcher that looks at the body',
      httpOptions(
        'explicit_http_config: {http_protocol_options: {}}, outlier_detection: {error_matcher: {not_match: {http_response_generic_body_match: {patterns: [{string_match: x}]}}}}',
      ),
      [
        `typed_extension_protocol_options["${HTTP_OPTIONS}"].outlier_detection.error_matcher.not_match.http_response_generic_body_match: not supported yet`,
      ],
    ],
    [
      'an ejection time above its maximum',
      '{name: a, outlier_detection: {base_ejection_time: 60s, max_ejection_time: 30s}}',
      ['outlier_detection.max_ejection_time: must be >= base_ejection_time'],
    ],
    [
      'an unknown transport socket',
      '{name: a, transport_socket: {name: t, typed_config: {"@type": type.googleapis.com/x.Y}}}',
      ["transport_socket.typed_config: unknown type 'type.googleapis.com/x.Y'"],
    ],
    [
      'a transport socket of the other direction',
      '{name: a, transport_socket: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext}}}',
      [
        'transport_socket.typed_config: not supported yet (envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext)',
      ],
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(text), expected));
  }

  it('takes the error matcher of outlier detection', () => {
    const matcher = (text: string): string =>
      httpOptions(
        `explicit_http_config: {http_protocol_options: {}}, outlier_detection: {error_matcher: ${text}}`,
      );
    const { http } = compiled(
      matcher(
        '{or_match: {rules: [{not_match: {any_match: true}}, {http_response_headers_match: {headers: [{name: ":status", string_match: {exact: "418"}}]}}]}}',
      ),
    );
    assert.deepEqual(http.errorMatcher, {
      kind: 'or',
      rules: [
        { kind: 'not', rule: { kind: 'any' } },
        {
          kind: 'headers',
          headers: [
            {
              name: ':status',
              match: {
                kind: 'string',
                matcher: { kind: 'exact', value: '418', ignoreCase: false },
              },
              invert: false,
              treatMissingAsEmpty: false,
            },
          ],
        },
      ],
    });
    const pattern = '{headers: [{name: x, safe_regex_match: {regex: "("}}]}';
    const errors = resourceErrors(
      'cluster',
      matcher(`{and_match: {rules: [{http_response_headers_match: ${pattern}}]}}`),
    );
    assert.match(
      errors.join(),
      /error_matcher\.and_match\.rules\[0\]\.http_response_headers_match\.headers\[0\]/,
    );
    const deep = `${'{not_match: '.repeat(17)}{any_match: true}${'}'.repeat(17)}`;
    assert.match(resourceErrors('cluster', matcher(deep)).join(), /nested more than 16 times/);
  });
});
