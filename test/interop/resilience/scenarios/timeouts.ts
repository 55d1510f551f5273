// Scenarios: the timeouts that belong to the router, and the x-envoy-* headers about them.

import {
  type Action,
  always,
  type Fragment,
  hang,
  inTurn,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';
import type { SendOptions } from '../scene.ts';

/** One request to one host. */
function one(
  name: string,
  action: Action,
  route: Fragment,
  request: SendOptions = {},
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [always(action)],
    route,
    drive: async (scene) => {
      await scene.send(request);
    },
    picks: 'exact',
    ...more,
  };
}

const slow: Action = { ...ok, afterMs: 400 };

export const timeouts: Topic = {
  name: 'timeouts and their headers',
  scenarios: [
    one('timeout: 504 UT', hang, { timeout: '0.15s' }),
    one('timeout 0 waits', slow, { timeout: '0s' }),
    one('a slow answer within the timeout is an answer', slow, { timeout: '10s' }),
    one(
      'x-envoy-upstream-rq-timeout-ms is taken instead of the route timeout',
      hang,
      { timeout: '15s' },
      {
        headers: { 'x-envoy-upstream-rq-timeout-ms': '150' },
      },
    ),
    one(
      'x-envoy-upstream-rq-timeout-ms that is no number is ignored',
      hang,
      { timeout: '0.15s' },
      {
        headers: { 'x-envoy-upstream-rq-timeout-ms': 'soon' },
      },
    ),
    one(
      'x-envoy-upstream-rq-timeout-alt-response answers 204',
      hang,
      { timeout: '0.15s' },
      {
        headers: { 'x-envoy-upstream-rq-timeout-alt-response': '1' },
      },
    ),
    one(
      'x-envoy-upstream-rq-per-try-timeout-ms bounds each try',
      hang,
      {
        retry_policy: {
          retry_on: '5xx',
          num_retries: 1,
          retry_back_off: { base_interval: '0.001s' },
        },
      },
      { headers: { 'x-envoy-upstream-rq-per-try-timeout-ms': '150' } },
    ),
    one('a per-try timeout above the route timeout counts for nothing', hang, {
      timeout: '0.15s',
      retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '5s' },
    }),
    one(
      'x-envoy-expected-rq-timeout-ms of the client is replaced',
      ok,
      { timeout: '7s' },
      {
        headers: { 'x-envoy-expected-rq-timeout-ms': '33' },
      },
    ),
    one(
      'a body that stops within the timeout breaks off',
      { reset: 'after headers' },
      { timeout: '5s' },
    ),
    one('a body that ends too early breaks off', { close: 'after headers' }, { timeout: '5s' }),
    one('idle_timeout of the route: 408 SI before an answer', hang, {
      timeout: '0s',
      idle_timeout: '0.2s',
    }),
    one('max_stream_duration of the route', hang, {
      timeout: '0s',
      max_stream_duration: { max_stream_duration: '0.2s' },
    }),
    {
      name: 'the back-off before a retry is inside the timeout',
      hosts: [inTurn([{ status: 503 }, ok])],
      route: {
        timeout: '0.2s',
        retry_policy: {
          retry_on: '5xx',
          num_retries: 1,
          retry_back_off: { base_interval: '5s', max_interval: '5s' },
        },
      },
      drive: async (scene) => {
        // Of a back-off that is drawn from 0 to 5 s, one in twenty is short enough to come before the timeout.
        scene.note('answered', (await scene.send()).length);
      },
      picks: 'any',
      requests: 'any',
      ignoreStats: [/./],
      hostStatus: () => '*',
    },
    one(
      'x-envoy-upstream-stream-duration-ms that is no number is passed on nowhere',
      ok,
      {},
      { headers: { 'x-envoy-upstream-stream-duration-ms': 'soon' } },
    ),
    one(
      'x-envoy-upstream-stream-duration-ms of 0 is no bound',
      ok,
      {},
      { headers: { 'x-envoy-upstream-stream-duration-ms': '0' } },
    ),
    one(
      'x-envoy-upstream-stream-duration-ms of a client that is not trusted',
      hang,
      { timeout: '0.5s' },
      { headers: { 'x-envoy-upstream-stream-duration-ms': '200' } },
      {
        manager: {
          internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
        },
      },
    ),
    one(
      'x-envoy-upstream-stream-duration-ms bounds the try',
      hang,
      {},
      { headers: { 'x-envoy-upstream-stream-duration-ms': '200' } },
    ),
    one(
      'grpc-timeout bounds the stream where the route says so',
      hang,
      {
        max_stream_duration: { max_stream_duration: '5s', grpc_timeout_header_max: '3s' },
      },
      {
        headers: { 'content-type': 'application/grpc', 'grpc-timeout': '200m', te: 'trailers' },
        method: 'POST',
      },
    ),
    {
      name: 'a timeout with hosts on the same connection: the connection is not used again',
      hosts: [inTurn([hang, ok])],
      route: { timeout: '0.6s' },
      drive: async (scene) => {
        await scene.send({ count: 2 });
        scene.note(
          'connections',
          scene.tries.map(({ connections }) => connections),
        );
      },
      picks: 'exact',
    },
  ],
};
