import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { RouteConfigData, RouteData } from '../api/config/route.ts';
import { metadataText } from '../api/metadata-match.ts';

const withRoute = (route: string): string =>
  `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [${route}]}]}`;

// The kind says what the compiler makes.
const compiled = (text: string) => compiledData('route', text) as RouteConfigData;
const errors = (text: string) => resourceErrors('route', text);

function compiledRoute(route: string): RouteData {
  const data = compiled(withRoute(route)).virtualHosts[0]?.routes[0];
  assert.ok(data);
  return data;
}

/** Errors below `virtual_hosts[0].routes[0].`, without that prefix. */
const routeErrors = (route: string): string[] =>
  errors(withRoute(route)).map((error) => error.replace('virtual_hosts[0].routes[0].', ''));

const forward = (action: string): string => `{match: {prefix: /}, route: {cluster: c, ${action}}}`;

describe('compileRouteConfiguration', () => {
  it('takes no timeout from a route with max_stream_duration, whatever that says', () => {
    for (const [duration, expected] of [
      ['{}', null],
      ['{max_stream_duration: 0s}', 0],
      ['{max_stream_duration: 2s}', 2000],
    ] as const) {
      const { action } = compiledRoute(forward(`timeout: 3s, max_stream_duration: ${duration}`));
      assert.ok(action.kind === 'route');
      assert.deepEqual([action.timeoutMs, action.maxStreamDurationMs], [0, expected]);
    }
  });

  it("fills in Envoy's defaults of a forwarding route", () => {
    const none = { add: [], remove: [] };
    assert.deepEqual(compiledRoute('{match: {prefix: /a}, route: {cluster: c}}'), {
      name: '',
      breaker: null,
      match: {
        path: { kind: 'prefix', value: '/a' },
        caseSensitive: true,
        headers: [],
        queryParameters: [],
        runtimeFraction: null,
        grpc: false,
      },
      action: {
        kind: 'route',
        cluster: { kind: 'cluster', name: 'c' },
        clusterNotFoundStatus: 503,
        prefixRewrite: null,
        regexRewrite: null,
        hostRewrite: { kind: 'none' },
        appendXForwardedHost: false,
        timeoutMs: 15_000,
        idleTimeoutMs: null,
        retryPolicy: null,
        mirrors: [],
        metadataMatch: null,
        priority: 0,
        maxStreamDurationMs: null,
        grpcTimeoutHeader: null,
        maxGrpcTimeout: null,
        flushTimeoutMs: null,
        upgrades: [],
        hedgeOnPerTryTimeout: null,
        internalRedirect: null,
        connect: null,
        hashPolicy: [],
      },
      requestHeaders: none,
      responseHeaders: none,
      perRequestBufferLimitBytes: null,
      requestBodyBufferLimitBytes: null,
      statPrefix: '',
      perFilterConfig: {},
    });
  });

  it("fills in Envoy's defaults of a retry policy", () => {
    const { action } = compiledRoute(forward('retry_policy: {retry_on: "5xx, reset"}'));
    assert.deepEqual(action.kind === 'route' && action.retryPolicy, {
      retryOn: ['5xx', 'reset'],
      numRetries: 1,
      perTryTimeoutMs: null,
      perTryIdleTimeoutMs: null,
      retriableStatusCodes: [],
      retriableHeaders: [],
      retriableRequestHeaders: [],
      baseIntervalMs: 25,
      maxIntervalMs: 250,
      hasOwnBackoff: false,
      rateLimitedBackOff: null,
      hostPredicates: [],
      retryPriority: null,
      hostSelectionRetryMaxAttempts: 1,
    });
  });

  it('takes all that a retry policy may say of hosts, priorities and waits', () => {
    const type = '"@type": type.googleapis.com/envoy.extensions.retry';
    const { action } = compiledRoute(
      forward(`retry_policy: {
        retry_host_predicate: [
          {name: a, typed_config: {${type}.host.previous_hosts.v3.PreviousHostsPredicate}},
          {name: b, typed_config: {${type}.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate}},
          {name: c, typed_config: {${type}.host.omit_host_metadata.v3.OmitHostMetadataConfig, metadata_match: {filter_metadata: {envoy.lb: {b: [1], a: x}}}}}],
        retry_priority: {name: d, typed_config: {${type}.priority.previous_priorities.v3.PreviousPrioritiesConfig, update_frequency: 2}},
        rate_limited_retry_back_off: {reset_headers: [{name: Retry-After}, {name: X-Reset, format: UNIX_TIMESTAMP}]}}`),
    );
    const policy = action.kind === 'route' ? action.retryPolicy : null;
    assert.deepEqual(policy?.hostPredicates, [
      { kind: 'previous_hosts' },
      { kind: 'omit_canary_hosts' },
      {
        kind: 'omit_host_metadata',
        metadata: [
          { key: 'a', value: metadataText('x') },
          { key: 'b', value: metadataText([1]) },
        ],
      },
    ]);
    assert.deepEqual(policy?.retryPriority, { updateFrequency: 2 });
    assert.deepEqual(policy?.rateLimitedBackOff, {
      resetHeaders: [
        { name: 'retry-after', format: 'SECONDS' },
        { name: 'x-reset', format: 'UNIX_TIMESTAMP' },
      ],
      maxIntervalMs: 300_000,
    });
  });

  it('lower-cases domains and header names', () => {
    const data = compiled(
      '{name: r, virtual_hosts: [{name: v, domains: [Example.COM], request_headers_to_add: [{header: {key: X-A, value: b}}], response_headers_to_remove: [X-C]}]}',
    );
    assert.deepEqual(data.virtualHosts[0]?.domains, ['example.com']);
    assert.equal(data.virtualHosts[0]?.requestHeaders.add[0]?.name, 'x-a');
    assert.deepEqual(data.virtualHosts[0]?.responseHeaders.remove, ['x-c']);
  });

  it('reads raw values as the UTF-8 that they become again, and refuses other bytes', () => {
    const raw = (base64: string) =>
      `{name: r, request_headers_to_add: [{header: {key: a, raw_value: ${base64}}}]}`;
    assert.equal(compiled(raw('Y2Fmw6k=')).requestHeaders.add[0]?.value, 'caf\u00e9');
    assert.deepEqual(errors(raw('/w==')), [
      'request_headers_to_add[0].header.raw_value: not supported yet (bytes that are no UTF-8)',
    ]);
  });

  it('reads append: false as overwrite', () => {
    const data = compiled(
      '{name: r, request_headers_to_add: [{header: {key: a, value: b}, append: false}]}',
    );
    assert.equal(data.requestHeaders.add[0]?.action, 'OVERWRITE_IF_EXISTS_OR_ADD');
  });

  it('compiles redirects and direct responses', () => {
    const redirect = compiledRoute(
      '{match: {prefix: /}, redirect: {prefix_rewrite: /b, response_code: PERMANENT_REDIRECT}}',
    );
    assert.deepEqual(redirect.action, {
      kind: 'redirect',
      httpsRedirect: false,
      schemeRedirect: '',
      hostRedirect: '',
      portRedirect: 0,
      path: { kind: 'prefix', value: '/b' },
      status: 308,
      stripQuery: false,
    });
    const direct = compiledRoute(
      '{match: {path: /x}, direct_response: {status: 204, body: {inline_bytes: aGk=}}}',
    );
    assert.deepEqual(direct.action, { kind: 'direct_response', status: 204, body: 'hi' });
  });

  it('compiles per-route filter config, and switches filters off', () => {
    const data = compiledRoute(
      `{match: {prefix: /}, route: {cluster: c}, typed_per_filter_config: {
        fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 500, percentage: {numerator: 1}}},
        rbac: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true},
        gone: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, is_optional: true, config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, disabled: true}}}}`,
    ).perFilterConfig;
    assert.deepEqual(Object.keys(data).sort(), ['fault', 'rbac']);
    assert.equal(data['fault']?.extension, 'envoy.filters.http.fault');
    assert.deepEqual(data['rbac'], { extension: '', data: null, disabled: true });
  });

  it('refuses duplicate domains, and a second default', () => {
    assert.deepEqual(
      errors(
        '{name: r, virtual_hosts: [{name: a, domains: [x.com, "*"]}, {name: b, domains: [X.com, "*"]}]}',
      ),
      [
        "virtual_hosts[1].domains[0]: only unique values for domains are permitted, duplicate entry of domain 'x.com'",
        'virtual_hosts[1].domains[1]: only a single wildcard domain is permitted',
      ],
    );
  });

  it('refuses validate_clusters where clusters are not known', () => {
    assert.deepEqual(errors('{name: r, validate_clusters: true}'), [
      'validate_clusters: not supported yet',
    ]);
    assert.deepEqual(errors('{name: r, validate_clusters: false}'), []);
  });

  it('compiles upgrades, and what ends a CONNECT here', () => {
    const { match, action } = compiledRoute(
      '{match: {connect_matcher: {}}, route: {cluster: c, upgrade_configs: [{upgrade_type: WebSocket, enabled: false}, {upgrade_type: CONNECT, connect_config: {allow_post: true, proxy_protocol_config: {version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [3]}}}}]}}',
    );
    assert.deepEqual(match.path, { kind: 'connect', value: '' });
    assert.ok(action.kind === 'route');
    assert.deepEqual(action.upgrades, [
      { type: 'websocket', enabled: false },
      { type: 'connect', enabled: true },
    ]);
    assert.deepEqual(action.connect, {
      allowPost: true,
      proxyProtocol: { version: 2, passThroughTlvs: [3], addedTlvs: [] },
    });
  });

  it('refuses a larger direct response than allowed', () => {
    const direct = withRoute(
      '{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: abcde}}}',
    );
    const limited = direct.replace('name: r', 'name: r, max_direct_response_body_size_bytes: 4');
    assert.match(errors(limited).join(), /body: response body size is 5 bytes; maximum is 4$/);
  });

  const bad: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'a regex that RE2 has not',
      '{match: {safe_regex: {regex: "(?=a)"}}, route: {cluster: c}}',
      [
        "match.safe_regex.regex: invalid regex '(?=a)': error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
      ],
    ],
    [
      'a segment prefix that ends in a slash',
      '{match: {path_separated_prefix: /a/}, route: {cluster: c}}',
      ['match.path_separated_prefix: must match the regex ^[^?#]+[^?#/]$'],
    ],
    [
      'a substitution of a group that is not there',
      forward("regex_rewrite: {pattern: {regex: /a}, substitution: '\\1'}"),
      ['route.regex_rewrite.substitution: refers to group \\1, but the pattern has 0'],
    ],
    [
      'two rewrites',
      forward('prefix_rewrite: /a, regex_rewrite: {pattern: {regex: a}, substitution: b}'),
      ['route: only one of prefix_rewrite, regex_rewrite may be set'],
    ],
    [
      'weights that add up to nothing',
      '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}, {name: b}]}}}',
      ['route.weighted_clusters.clusters: sum of weights must be greater than 0'],
    ],
    [
      'a change of Host',
      '{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: Host, value: x}}], request_headers_to_remove: [":path"]}',
      [
        'request_headers_to_add[0].header.key: :-prefixed or host headers may not be modified',
        'request_headers_to_remove[0]: :-prefixed or host headers may not be removed',
      ],
    ],
    [
      'a retry back-off that shrinks',
      forward('retry_policy: {retry_back_off: {base_interval: 1s, max_interval: 0.5s}}'),
      ['route.retry_policy.retry_back_off.max_interval: must be >= base_interval'],
    ],
    [
      'a retry predicate that is none',
      forward(
        'retry_policy: {retry_host_predicate: [{name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}]}',
      ),
      [
        'route.retry_policy.retry_host_predicate[0].typed_config: not supported yet (envoy.extensions.filters.http.cors.v3.Cors)',
      ],
    ],
    [
      'ignore_case with a regex',
      '{match: {prefix: /, headers: [{name: a, string_match: {safe_regex: {regex: b}, ignore_case: true}}]}, route: {cluster: c}}',
      ['match.headers[0].string_match.ignore_case: ignore_case has no effect for safe_regex'],
    ],
    [
      'what is not built yet',
      forward('include_vh_rate_limits: true, path_rewrite: /x'),
      ['route.path_rewrite: not supported yet', 'route.include_vh_rate_limits: not supported yet'],
    ],
    [
      'upgrades that cannot be meant',
      forward(
        'upgrade_configs: [{upgrade_type: foo, connect_config: {}}, {upgrade_type: FOO}, {upgrade_type: CONNECT-UDP}]',
      ),
      [
        'route.upgrade_configs[0].connect_config: Non-CONNECT upgrade type foo has ConnectConfig',
        'route.upgrade_configs[1].upgrade_type: Duplicate upgrade FOO',
        'route.upgrade_configs[2].upgrade_type: CONNECT-UDP is not supported',
      ],
    ],
    [
      'a format with an unknown operator',
      '{match: {prefix: /}, route: {cluster: c}, response_headers_to_add: [{header: {key: a, value: "%NOPE%"}}, {header: {key: a, value: "50%"}}]}',
      [
        'response_headers_to_add[0].header.value: not supported yet: %NOPE%; remove it from the format',
        "response_headers_to_add[1].header.value: malformed operator at position 2: '%'",
      ],
    ],
    [
      'per-route config of a filter that only Envoy has',
      '{match: {prefix: /}, route: {cluster: c}, typed_per_filter_config: {envoy.filters.http.lua: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, disabled: true}}}',
      [
        'typed_per_filter_config["envoy.filters.http.lua"]: not supported yet (envoy.extensions.filters.http.lua.v3.LuaPerRoute)',
      ],
    ],
  ];
  for (const [what, route, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(routeErrors(route), expected));
  }
});
