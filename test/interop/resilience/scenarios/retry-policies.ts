// Scenarios: which tries are made again, where, when, and what everybody is told of it.

import {
  type Action,
  alike,
  always,
  type Fragment,
  type HostScript,
  inTurn,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const backOff = { base_interval: '0.001s' };
const failing: Action = { status: 503, body: 'no\n' };
const types = 'type.googleapis.com/envoy.extensions.retry';
const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function retryPolicy(fields: Fragment): Fragment {
  return { retry_policy: { retry_back_off: backOff, num_retries: 1, ...fields } };
}

const predicate = (name: string, fields: Fragment = {}): Fragment => ({
  name,
  typed_config: { '@type': `${types}.host.${name}`, ...fields },
});
const previousHosts = predicate('previous_hosts.v3.PreviousHostsPredicate');

/** One route per policy: `/<name>/...`. */
function routesOf(policies: Readonly<Record<string, Fragment>>): Fragment {
  const routes = Object.entries(policies).map(([name, policy]) => ({
    match: { prefix: `/${name}/` },
    route: { cluster: '@main@', ...retryPolicy(policy) },
  }));
  return { routes };
}

/** Answers as the last part of the path says: a status, `grpc<status>`, or an action. */
const asAsked: HostScript = {
  script: (_count, { path }) => {
    const word = path.slice(path.lastIndexOf('/') + 1);
    if (word === 'reset') return { reset: 'before headers' };
    if (word === 'close') return { close: 'before headers' };
    if (word === 'late') return { status: 200, body: 'late\n', afterMs: 400 };
    if (word === 'limited') return { status: 503, headers: { 'x-envoy-ratelimited': 'true' } };
    if (word === 'header') return { status: 200, headers: { 'x-retry': 'yes' }, body: 'no\n' };
    if (!word.startsWith('grpc')) return { status: Number(word), body: 'no\n' };
    const headers = { 'content-type': 'application/grpc', 'grpc-status': word.slice(4) };
    return { status: 200, headers };
  },
};

const tokens = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
];

function tokenScenario(name: string, words: readonly string[], more: Fragment = {}): Scenario {
  return {
    name,
    hosts: [asAsked],
    virtualHost: routesOf(
      Object.fromEntries(tokens.map((retry_on) => [retry_on, { retry_on, ...more }])),
    ),
    drive: async (scene) => {
      for (const token of tokens)
        for (const word of words) await scene.send({ path: `/${token}/${word}` });
    },
    picks: 'exact',
  };
}

const byToken: readonly Scenario[] = [
  tokenScenario(
    'each token of retry_on with each status',
    ['404', '409', '418', '425', '429', '500', '502', '503', '504', 'limited', 'header'],
    {
      retriable_status_codes: [418, 425],
      retriable_headers: [{ name: 'x-retry', present_match: true }],
    },
  ),
  tokenScenario('each token of retry_on with each gRPC status in a head', [
    'grpc1',
    'grpc4',
    'grpc8',
    'grpc13',
    'grpc14',
    'grpc2',
  ]),
  // Envoy alone answers a GET on a kept connection that the peer closes with 503; so these have a body.
  {
    ...tokenScenario('each token of retry_on with a reset, and with a try that takes too long', []),
    virtualHost: routesOf(
      Object.fromEntries(
        tokens.map((retry_on) => [retry_on, { retry_on, per_try_timeout: '0.15s' }]),
      ),
    ),
    drive: async (scene) => {
      for (const token of tokens) {
        for (const word of ['reset', 'close', 'late'])
          await scene.send({ method: 'POST', body: 'hello', path: `/${token}/${word}` });
      }
    },
    ignoreStats: [/upstream_cx_|upstream_rq_pending_total/],
    hostStatus: ({ stats: _stats, ...rest }) => rest,
  },
  {
    ...tokenScenario('each token of retry_on where nobody listens', []),
    hosts: [always(ok, { refuses: true })],
    drive: async (scene) => {
      for (const token of tokens) await scene.send({ path: `/${token}/` });
    },
  },
];

const byHeader: Scenario = {
  name: 'headers of a trusted client ask for retries, and do not go upstream',
  hosts: [asAsked],
  route: { retry_policy: { retry_on: 'retriable-4xx', retry_back_off: backOff } },
  drive: async (scene) => {
    const send = (word: string, headers: Readonly<Record<string, string>>) =>
      scene.send({ path: `/${word}`, headers });
    await send('503', { 'x-envoy-retry-on': '5xx' });
    await send('409', { 'x-envoy-retry-on': '5xx' });
    await send('503', {
      'x-envoy-retry-on': 'gateway-error, no-such-word',
      'x-envoy-max-retries': '3',
    });
    await send('503', { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '0' });
    await send('503', { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': 'many' });
    await send('503', { 'x-envoy-max-retries': '3' });
    await send('409', { 'x-envoy-max-retries': '2' });
    await send('grpc14', { 'x-envoy-retry-grpc-on': 'unavailable,internal' });
    await send('grpc14', { 'x-envoy-retry-on': 'unavailable' });
    const codes = { 'x-envoy-retriable-status-codes': '418, 420,x' };
    await send('420', { 'x-envoy-retry-on': 'retriable-status-codes', ...codes });
    await send('418', { 'x-envoy-retry-on': 'retriable-status-codes', ...codes });
    await send('418', codes);
    const names = { 'x-envoy-retriable-header-names': 'x-other, X-Retry' };
    await send('header', { 'x-envoy-retry-on': 'retriable-headers', ...names });
    await send('header', names);
    await send('425', {
      'x-envoy-retry-on': 'retriable-status-codes',
      'x-envoy-retriable-status-codes': '425',
    });
    await send('425', {
      'x-envoy-retry-on': 'retriable-status-codes',
      'x-envoy-retriable-status-codes': '425',
      'early-data': '1',
    });
  },
  picks: 'exact',
};

const byRequest: Scenario = {
  name: 'retriable_request_headers: one of them must match',
  hosts: [asAsked],
  route: retryPolicy({
    retry_on: '5xx',
    retriable_request_headers: [
      { name: 'x-safe', string_match: { exact: 'yes' } },
      { name: ':method', string_match: { exact: 'HEAD' } },
    ],
  }),
  drive: async (scene) => {
    await scene.send({ path: '/503' });
    await scene.send({ path: '/503', headers: { 'x-safe': 'no' } });
    await scene.send({ path: '/503', headers: { 'x-safe': 'yes' } });
    await scene.send({ path: '/503', headers: { 'x-envoy-retry-on': '5xx' } });
    await scene.send({ path: '/503', method: 'HEAD' });
  },
  picks: 'exact',
};

const cluster503 = {
  typed_extension_protocol_options: {
    [httpOptions]: {
      '@type': `type.googleapis.com/${httpOptions}`,
      explicit_http_config: { http_protocol_options: {} },
      ...retryPolicy({ retry_on: 'retriable-4xx', num_retries: 2 }),
    },
  },
};

const whose: readonly Scenario[] = [
  {
    name: "a route's retry policy takes the place of its virtual host's",
    hosts: [asAsked],
    virtualHost: {
      ...retryPolicy({ retry_on: '5xx', num_retries: 3 }),
      include_attempt_count_in_response: true,
      include_is_timeout_retry_header: true,
      routes: [
        {
          match: { prefix: '/own/' },
          route: { cluster: '@main@', ...retryPolicy({ retry_on: '5xx', num_retries: 1 }) },
        },
        {
          match: { prefix: '/none/' },
          route: { cluster: '@main@', retry_policy: {} },
        },
        { match: { prefix: '/' }, route: { cluster: '@main@' } },
      ],
    },
    drive: async (scene) => {
      await scene.send({ path: '/503' });
      await scene.send({ path: '/own/503' });
      await scene.send({ path: '/none/503' });
      await scene.send({ path: '/503', headers: { 'x-envoy-is-timeout-retry': 'true' } });
    },
    picks: 'exact',
  },
  {
    name: "the cluster's retry policy takes the place of the route's",
    hosts: [asAsked],
    cluster: cluster503,
    route: retryPolicy({ retry_on: '5xx' }),
    drive: async (scene) => {
      for (const path of ['/503', '/409']) await scene.send({ path });
      await scene.send({ path: '/503', headers: { 'x-envoy-retry-on': '5xx' } });
    },
    picks: 'exact',
  },
  {
    name: 'the upstream learns whether the try before took too long',
    hosts: [inTurn([{ status: 200, afterMs: 400 }, failing, ok])],
    virtualHost: { include_is_timeout_retry_header: true },
    route: retryPolicy({ retry_on: '5xx', num_retries: 3, per_try_timeout: '0.15s' }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
    ignoreStats: [/upstream_cx_|upstream_rq_pending_total/],
    hostStatus: ({ stats: _stats, ...rest }) => rest,
  },
];

const oneGood = [always(failing), always(failing), always(ok)];
const canary = { metadata: { filter_metadata: { 'envoy.lb': { canary: true } } } };
const stage = (value: unknown): Fragment => ({
  metadata: { filter_metadata: { 'envoy.lb': { stage: value, v: 1 } } },
});

const whereTo: readonly Scenario[] = [
  {
    name: 'previous_hosts: a retry goes to a host that was not tried',
    hosts: oneGood,
    route: retryPolicy({
      retry_on: '5xx',
      num_retries: 2,
      retry_host_predicate: [previousHosts],
      host_selection_retry_max_attempts: 5,
    }),
    drive: async (scene) => {
      await scene.send({ count: 12 });
      const again = [...scene.answers.keys()].filter((number) => {
        const tries = scene.tries.filter(
          ({ headers }) => headers['x-scenario-request'] === String(number),
        );
        return new Set(tries.map(({ host }) => host)).size < tries.length;
      });
      scene.note('requests that met a host twice', again);
    },
    picks: 'any',
    requests: 'any',
    ignoreStats: [/_(rq|cx)_|lb_/],
  },
  {
    name: 'previous_hosts with one host: it is tried again all the same',
    hosts: [inTurn([failing, failing, ok])],
    route: retryPolicy({ retry_on: '5xx', num_retries: 2, retry_host_predicate: [previousHosts] }),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'omit_canary_hosts: no retry goes to a canary',
    hosts: [always(failing, { endpoint: canary }), always({ status: 502 })],
    route: retryPolicy({
      retry_on: '5xx',
      num_retries: 1,
      retry_host_predicate: [predicate('omit_canary_hosts.v3.OmitCanaryHostsPredicate')],
      host_selection_retry_max_attempts: 20,
    }),
    drive: async (scene) => {
      await scene.send({ count: 20 });
      const retries = scene.tries.filter(({ headers }) => headers['x-envoy-attempt-count'] === '2');
      scene.note('hosts of retries', [...new Set(retries.map(({ host }) => host))]);
    },
    picks: 'any',
    requests: 'any',
    ignoreStats: [/canary|upstream_rq_50|_cx_/],
  },
  {
    name: 'omit_host_metadata: no retry goes to a host that matches, in a list or alone',
    hosts: [
      always(failing, { endpoint: stage('old') }),
      always(failing, { endpoint: stage(['old', 'older']) }),
      always(failing, { endpoint: stage('new') }),
    ],
    route: retryPolicy({
      retry_on: '5xx',
      num_retries: 2,
      retry_host_predicate: [
        predicate('omit_host_metadata.v3.OmitHostMetadataConfig', {
          metadata_match: { filter_metadata: { 'envoy.lb': { stage: 'old', v: 1 } } },
        }),
      ],
      host_selection_retry_max_attempts: 50,
    }),
    drive: async (scene) => {
      await scene.send({ count: 15 });
      const retries = scene.tries.filter(({ headers }) => headers['x-envoy-attempt-count'] !== '1');
      scene.note('hosts of retries', [...new Set(retries.map(({ host }) => host))].sort());
    },
    picks: 'any',
    requests: 'any',
  },
  ...[1, 2].map(
    (frequency): Scenario => ({
      name: `previous_priorities every ${frequency}: retries leave the priorities that were tried`,
      hosts: alike(4, always(failing)),
      endpoints: ([a, b, c, d]) => [
        { priority: 0, lb_endpoints: [a] },
        { priority: 1, lb_endpoints: [b] },
        { priority: 2, lb_endpoints: [{ ...c, health_status: 'UNHEALTHY' }] },
        { priority: 3, lb_endpoints: [d] },
      ],
      route: retryPolicy({
        retry_on: '5xx',
        num_retries: 8,
        retry_priority: {
          name: 'envoy.retry_priorities.previous_priorities',
          typed_config: {
            '@type': `${types}.priority.previous_priorities.v3.PreviousPrioritiesConfig`,
            update_frequency: frequency,
          },
        },
      }),
      drive: async (scene) => {
        await scene.send({ count: 3 });
      },
      picks: 'exact',
    }),
  ),
];

/** Between the first two tries of each request, rounded down to half a second. */
const waits: Scenario = {
  name: 'rate_limited_retry_back_off: a response says when to come back',
  hosts: [
    {
      script: (count, { path }) =>
        count % 2 === 1
          ? ok
          : { ...failing, headers: { 'retry-after': path.slice(1), 'x-other': 'soon' } },
    },
  ],
  route: retryPolicy({
    retry_on: '5xx',
    rate_limited_retry_back_off: {
      reset_headers: [{ name: 'x-other' }, { name: 'Retry-After', format: 'SECONDS' }],
      max_interval: '5s',
    },
  }),
  drive: async (scene) => {
    const tookMs: number[] = [];
    for (const seconds of ['1', '9', '0', 'x']) {
      const start = performance.now();
      await scene.send({ path: `/${seconds}` });
      tookMs.push(Math.min(1, Math.floor((performance.now() - start) / 900)));
    }
    scene.note('seconds', tookMs);
  },
  picks: 'exact',
};

const bodyOf = (bytes: number): string => 'x'.repeat(bytes);

function bodyScenario(name: string, virtualHost: Fragment, route: Fragment): Scenario {
  return {
    name,
    hosts: [inTurn([failing, ok, failing, ok, failing, ok])],
    virtualHost: {
      ...virtualHost,
      routes: [
        {
          match: { prefix: '/' },
          route: { cluster: '@main@', ...retryPolicy({ retry_on: '5xx' }) },
          ...route,
        },
      ],
    },
    drive: async (scene) => {
      for (const bytes of [500, 3000, 70_000])
        await scene.send({ method: 'POST', body: bodyOf(bytes) });
      scene.note(
        'bodies',
        scene.tries.map(({ body }) => body.length),
      );
    },
    picks: 'exact',
    ignoreStats: [/flow_control|upstream_cx_|pending_total/],
    hostStatus: ({ stats: _stats, ...rest }) => rest,
  };
}

const bodies: readonly Scenario[] = [
  bodyScenario('a retry gets the whole body again', {}, {}),
  bodyScenario(
    'per_request_buffer_limit_bytes of the route: a longer body is not sent again',
    { per_request_buffer_limit_bytes: 100_000 },
    { per_request_buffer_limit_bytes: 1000 },
  ),
  bodyScenario(
    'per_request_buffer_limit_bytes of the virtual host: a longer body is not sent again',
    { per_request_buffer_limit_bytes: 1000 },
    {},
  ),
  bodyScenario(
    'request_body_buffer_limit of the route',
    { request_body_buffer_limit: 100_000 },
    { request_body_buffer_limit: 1000 },
  ),
  bodyScenario(
    'request_body_buffer_limit of the virtual host',
    { request_body_buffer_limit: 1000 },
    {},
  ),
];

const tooLate = { status: 200, body: 'late\n', afterMs: 600 };

const timeouts: Scenario = {
  name: 'x-envoy-* timeouts of a trusted client, and what the upstream is told',
  hosts: [asAsked],
  virtualHost: {
    routes: [
      {
        match: { prefix: '/retried/' },
        route: {
          cluster: '@main@',
          timeout: '2s',
          ...retryPolicy({ retry_on: 'reset', per_try_timeout: '0.1s' }),
        },
      },
      { match: { prefix: '/off/' }, route: { cluster: '@main@', timeout: '0s' } },
      { match: { prefix: '/' }, route: { cluster: '@main@', timeout: '0.15s' } },
    ],
  },
  drive: async (scene) => {
    const send = (path: string, headers: Readonly<Record<string, string>> = {}) =>
      scene.send({ path, headers });
    await send('/200');
    await send('/off/200');
    await send('/retried/200');
    await send('/late');
    await send('/late', { 'x-envoy-upstream-rq-timeout-ms': '3000' });
    await send('/late', { 'x-envoy-upstream-rq-timeout-ms': '0' });
    await send('/200', { 'x-envoy-upstream-rq-timeout-ms': 'soon' });
    await send('/late', { 'x-envoy-upstream-rq-timeout-alt-response': 'true' });
    await send('/late', { 'x-envoy-upstream-rq-timeout-alt-response': 'false' });
    await send('/200', { 'x-envoy-expected-rq-timeout-ms': '77' });
    await send('/retried/late');
    await send('/retried/late', { 'x-envoy-upstream-rq-per-try-timeout-ms': '1500' });
    await send('/retried/late', { 'x-envoy-upstream-rq-per-try-timeout-ms': '5000' });
    await send('/200', {
      'x-envoy-upstream-rq-timeout-ms': '900',
      'x-envoy-upstream-rq-per-try-timeout-ms': '300',
    });
    await send('/503', { 'x-envoy-upstream-rq-timeout-ms': '900', 'x-envoy-retry-on': '5xx' });
  },
  picks: 'exact',
  ignoreStats: [/upstream_cx_|upstream_rq_pending_total/],
  hostStatus: ({ stats: _stats, ...rest }) => rest,
};

const respected: Scenario = {
  ...timeouts,
  name: 'respect_expected_rq_timeout: the proxy before us says how long',
  manager: {
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          respect_expected_rq_timeout: true,
        },
      },
    ],
  },
  drive: async (scene) => {
    const send = (path: string, headers: Readonly<Record<string, string>> = {}) =>
      scene.send({ path, headers });
    await send('/late', { 'x-envoy-expected-rq-timeout-ms': '2000' });
    await send('/late', {
      'x-envoy-expected-rq-timeout-ms': '50',
      'x-envoy-upstream-rq-timeout-ms': '3000',
    });
    await send('/late', { 'x-envoy-upstream-rq-timeout-ms': '3000' });
    await send('/200');
  },
};

const idle: Scenario = {
  name: 'per_try_idle_timeout ends a try that is silent, and it is tried again',
  hosts: [inTurn([tooLate, ok, tooLate, tooLate])],
  route: retryPolicy({ retry_on: 'reset', per_try_idle_timeout: '0.15s' }),
  drive: async (scene) => {
    await scene.send({ count: 2 });
  },
  picks: 'exact',
  ignoreStats: [/upstream_cx_|upstream_rq_pending_total/],
  hostStatus: ({ stats: _stats, ...rest }) => rest,
};

export const retryPolicies: Topic = {
  name: 'retry policies',
  scenarios: [
    ...byToken,
    byHeader,
    byRequest,
    ...whose,
    ...whereTo,
    waits,
    ...bodies,
    timeouts,
    respected,
    idle,
  ],
};
