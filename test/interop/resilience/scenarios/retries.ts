// Scenarios: what is tried again, how often, and where.

import {
  type Action,
  alike,
  always,
  type Fragment,
  hang,
  http2Upstream,
  inTurn,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

/** Retries come at once. */
const retry_back_off = { base_interval: '0.001s', max_interval: '0.002s' };

function retryPolicy(policy: Fragment): Fragment {
  return { retry_policy: { num_retries: 3, retry_back_off, ...policy } };
}

/** One host that fails once, then answers. */
function failsOnce(
  name: string,
  failure: Action,
  policy: Fragment,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [inTurn([failure, ok])],
    route: retryPolicy(policy),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
    ...more,
  };
}

/** The same over HTTP/2 on both sides. */
const http2: Partial<Scenario> = { cluster: http2Upstream };

const tokens: readonly Scenario[] = [
  failsOnce('retry_on 5xx tries a 500 again', { status: 500 }, { retry_on: '5xx' }),
  failsOnce('retry_on 5xx leaves a 404 alone', { status: 404 }, { retry_on: '5xx' }),
  failsOnce('retry_on 5xx tries a reset again', { reset: 'before headers' }, { retry_on: '5xx' }),
  failsOnce(
    'retry_on gateway-error tries a 502 again',
    { status: 502 },
    { retry_on: 'gateway-error' },
  ),
  failsOnce(
    'retry_on gateway-error leaves a 500 alone',
    { status: 500 },
    { retry_on: 'gateway-error' },
  ),
  failsOnce(
    'retry_on reset tries a reset before headers again',
    { reset: 'before headers' },
    { retry_on: 'reset' },
  ),
  failsOnce(
    'retry_on reset tries a close before headers again',
    { close: 'before headers' },
    { retry_on: 'reset' },
  ),
  failsOnce(
    'retry_on reset cannot try again once headers went downstream',
    { reset: 'after headers' },
    { retry_on: 'reset,5xx' },
  ),
  failsOnce(
    'retry_on connect-failure leaves a reset alone',
    { reset: 'before headers' },
    { retry_on: 'connect-failure' },
  ),
  failsOnce(
    'retry_on retriable-4xx tries a 409 again',
    { status: 409 },
    { retry_on: 'retriable-4xx' },
  ),
  failsOnce(
    'retry_on retriable-4xx leaves a 400 alone',
    { status: 400 },
    { retry_on: 'retriable-4xx' },
  ),
  failsOnce(
    'retry_on retriable-status-codes tries what the list names',
    { status: 418 },
    { retry_on: 'retriable-status-codes', retriable_status_codes: [418] },
  ),
  failsOnce(
    'retry_on retriable-status-codes leaves alone what the list does not name',
    { status: 503 },
    { retry_on: 'retriable-status-codes', retriable_status_codes: [418] },
  ),
  failsOnce(
    'retry_on retriable-headers tries a response with the header again',
    { status: 200, headers: { 'x-again': 'yes' } },
    {
      retry_on: 'retriable-headers',
      retriable_headers: [{ name: 'x-again', string_match: { exact: 'yes' } }],
    },
  ),
  failsOnce(
    'retry_on envoy-ratelimited tries x-envoy-ratelimited again',
    { status: 429, headers: { 'x-envoy-ratelimited': 'true' } },
    { retry_on: 'envoy-ratelimited' },
  ),
  failsOnce(
    'retry_on 5xx does not try x-envoy-ratelimited again',
    { status: 503, headers: { 'x-envoy-ratelimited': 'true' } },
    { retry_on: '5xx' },
  ),
  failsOnce(
    'retry_on refused-stream tries REFUSED_STREAM again',
    { resetStream: 7 },
    { retry_on: 'refused-stream' },
    {
      ...http2,
      hosts: [inTurn([{ resetStream: 7 }, ok], { kind: 'http2' })],
      differences: [
        {
          at: /attempt|expected-rq|rq_retry|unprocessed|refused_errors|rq_error/,
          reason: 'counts as `upstream_rq_unprocessed`',
        },
      ],
    },
  ),
  failsOnce(
    'retry_on reset tries RST_STREAM again',
    { resetStream: 2 },
    { retry_on: 'reset' },
    { ...http2, hosts: [inTurn([{ resetStream: 2 }, ok], { kind: 'http2' })] },
  ),
  failsOnce(
    'retry_on refused-stream leaves another RST_STREAM alone',
    { resetStream: 2 },
    { retry_on: 'refused-stream' },
    { ...http2, hosts: [inTurn([{ resetStream: 2 }, ok], { kind: 'http2' })] },
  ),
  {
    name: 'retry_on connect-failure goes on to a host that accepts',
    hosts: [always(ok, { refuses: true }), always(ok)],
    route: retryPolicy({ retry_on: 'connect-failure' }),
    drive: async (scene) => {
      const answers = await scene.send({ count: 8 });
      scene.note(
        'statuses',
        answers.map(({ status }) => status),
      );
    },
    picks: { within: 0 },
    // Which host the first request meets is chance.
    requests: 'any',
    ignoreStats: [/_cx_|pending|retry|backoff/],
  },
  {
    name: 'retry_on connect-failure gives up after num_retries',
    hosts: [always(ok, { refuses: true })],
    route: retryPolicy({ retry_on: 'connect-failure', num_retries: 2 }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
  {
    name: 'a refused connection without a retry policy is answered 503 UF',
    hosts: [always(ok, { refuses: true })],
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
];

const limits: readonly Scenario[] = [
  {
    name: 'num_retries: the last failure is the answer, with flag URX',
    hosts: [always({ status: 503, body: 'never\n' })],
    route: retryPolicy({ retry_on: '5xx', num_retries: 2 }),
    drive: async (scene) => {
      await scene.send({ count: 3 });
    },
    picks: 'exact',
  },
  {
    name: 'num_retries 0 tries once',
    hosts: [always({ status: 503 })],
    route: retryPolicy({ retry_on: '5xx', num_retries: 0 }),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'resets until num_retries end in 503 with the reset as the reason',
    hosts: [always({ reset: 'before headers' })],
    route: retryPolicy({ retry_on: 'reset', num_retries: 2 }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
  {
    name: 'per_try_timeout gives up a try and begins another',
    hosts: [inTurn([hang, hang, ok])],
    route: retryPolicy({ retry_on: '5xx', per_try_timeout: '0.6s' }),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'per_try_timeout of each try ends in 504 UT',
    hosts: [always(hang)],
    route: retryPolicy({ retry_on: 'gateway-error', num_retries: 1, per_try_timeout: '0.15s' }),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'per_try_idle_timeout gives up a silent try',
    hosts: [inTurn([hang, ok])],
    route: retryPolicy({ retry_on: '5xx', per_try_idle_timeout: '0.6s' }),
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'the route timeout holds over all tries',
    hosts: [always(hang)],
    route: {
      timeout: '2.1s',
      ...retryPolicy({ retry_on: '5xx', num_retries: 10, per_try_timeout: '0.8s' }),
    },
    drive: async (scene) => {
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'a request with a body is tried again with its body',
    hosts: [inTurn([{ status: 503 }, ok])],
    route: retryPolicy({ retry_on: '5xx' }),
    drive: async (scene) => {
      await scene.send({ method: 'POST', body: 'x'.repeat(20_000) });
      scene.note(
        'bodies',
        scene.tries.map(({ body }) => body.length),
      );
    },
    picks: 'exact',
  },
  {
    name: 'a body above per_request_buffer_limit_bytes is not sent again',
    hosts: [inTurn([{ status: 503 }, ok])],
    route: retryPolicy({ retry_on: '5xx' }),
    virtualHost: { per_request_buffer_limit_bytes: 1000 },
    drive: async (scene) => {
      await scene.send({ method: 'POST', body: 'x'.repeat(20_000) });
    },
    picks: 'exact',
  },
];

const headers: readonly Scenario[] = [
  {
    name: 'x-envoy-retry-on and x-envoy-max-retries bring a policy along',
    hosts: [inTurn([{ status: 500 }, { status: 500 }, ok])],
    drive: async (scene) => {
      await scene.send({ headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' } });
    },
    picks: 'exact',
  },
  {
    name: 'x-envoy-retry-on alone tries once more',
    hosts: [always({ status: 500 })],
    drive: async (scene) => {
      await scene.send({ headers: { 'x-envoy-retry-on': '5xx' } });
    },
    picks: 'exact',
  },
  {
    name: 'x-envoy-max-retries is taken instead of num_retries',
    hosts: [always({ status: 500 })],
    route: retryPolicy({ retry_on: '5xx', num_retries: 1 }),
    drive: async (scene) => {
      await scene.send({ headers: { 'x-envoy-max-retries': '3' } });
    },
    picks: 'exact',
  },
  {
    name: 'x-envoy-retriable-status-codes adds to the list',
    hosts: [inTurn([{ status: 418 }, { status: 419 }, ok])],
    route: retryPolicy({ retry_on: 'retriable-status-codes', retriable_status_codes: [418] }),
    drive: async (scene) => {
      await scene.send({ headers: { 'x-envoy-retriable-status-codes': '419,nonsense' } });
    },
    picks: 'exact',
  },
  {
    name: 'x-envoy-retriable-header-names names headers',
    hosts: [inTurn([{ status: 200, headers: { 'x-again': '1' } }, ok])],
    drive: async (scene) => {
      await scene.send({
        headers: {
          'x-envoy-retry-on': 'retriable-headers',
          'x-envoy-retriable-header-names': 'x-other, x-again',
        },
      });
    },
    picks: 'exact',
  },
  {
    name: 'retriable_request_headers: only requests that match are tried again',
    hosts: [always({ status: 500 })],
    route: retryPolicy({
      retry_on: '5xx',
      num_retries: 1,
      retriable_request_headers: [{ name: 'x-safe', present_match: true }],
    }),
    drive: async (scene) => {
      await scene.send();
      await scene.send({ headers: { 'x-safe': '1' } });
    },
    picks: 'exact',
  },
  {
    name: 'x-envoy-retry-grpc-on tries by the status in the headers',
    hosts: [
      inTurn(
        [
          {
            status: 200,
            headers: { 'content-type': 'application/grpc', 'grpc-status': '14' },
          },
          {
            status: 200,
            headers: { 'content-type': 'application/grpc' },
            trailers: { 'grpc-status': '0' },
          },
        ],
        { kind: 'http2' },
      ),
    ],
    cluster: http2Upstream,
    drive: async (scene) => {
      await scene.send({
        over: 'http2',
        method: 'POST',
        headers: {
          'content-type': 'application/grpc',
          te: 'trailers',
          'x-envoy-retry-grpc-on': 'unavailable',
          'x-envoy-max-retries': '2',
        },
      });
    },
    picks: 'exact',
  },
];

const otherHosts: readonly Scenario[] = [
  {
    name: 'previous_hosts keeps retries off hosts that were tried',
    hosts: alike(3, always({ status: 503 })),
    cluster: { lb_policy: 'RANDOM' },
    route: retryPolicy({
      retry_on: '5xx',
      num_retries: 2,
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
          },
        },
      ],
      // Of 100 draws none is likely to miss all but one of three hosts.
      host_selection_retry_max_attempts: 100,
    }),
    drive: async (scene) => {
      await scene.send({ count: 20 });
    },
    picks: { within: 0 },
    ignoreStats: [/cx_|pending_total/],
  },
  {
    name: 'round robin tries the next host again',
    hosts: [always({ status: 503 }), always(ok), always(ok)],
    route: retryPolicy({ retry_on: '5xx' }),
    drive: async (scene) => {
      await scene.send({ count: 10 });
    },
    picks: { within: 1 },
    requests: 'any',
    ignoreStats: [/./],
  },
];

export const retries: Topic = {
  name: 'retries',
  scenarios: [...tokens, ...limits, ...headers, ...otherHosts],
};
