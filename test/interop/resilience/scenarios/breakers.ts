// Scenarios: circuit breakers, by requests that are held until others overflowed.

import {
  type Action,
  alike,
  always,
  type Fragment,
  type HostScript,
  hang,
  http2Upstream,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

/** Holds what asks for /hold. */
const holder: HostScript = { script: (_count, { path }): Action => (path === '/hold' ? hang : ok) };

function thresholds(...list: readonly Fragment[]): Fragment {
  return { circuit_breakers: { thresholds: list } };
}

/** Sends requests that are held, goes on with `then` once the upstream has them, and lets them go. */
async function holding(scene: Scene, count: number, then: () => Promise<void>): Promise<void> {
  const held: Promise<unknown>[] = [];
  for (let i = 1; i <= count; i++) {
    held.push(scene.send({ path: '/hold' }));
    await scene.untilTries(i);
  }
  await then();
  scene.release(ok);
  await Promise.all(held);
}

const http2Holder: HostScript = { ...holder, kind: 'http2' };

export const breakers: Topic = {
  name: 'circuit breakers',
  scenarios: [
    {
      name: 'max_requests refuses what is above it: 503 UO',
      hosts: [http2Holder],
      cluster: { ...http2Upstream, ...thresholds({ max_requests: 2 }) },
      drive: (scene) =>
        holding(scene, 2, async () => {
          await scene.send({ count: 3 });
        }),
      picks: 'exact',
    },
    {
      name: 'max_requests lets requests in again once others are done',
      hosts: [http2Holder],
      cluster: { ...http2Upstream, ...thresholds({ max_requests: 1 }) },
      drive: async (scene) => {
        await holding(scene, 1, async () => {
          await scene.send();
        });
        await scene.send({ count: 2 });
      },
      picks: 'exact',
    },
    {
      name: 'max_connections lets further requests wait',
      hosts: [holder],
      cluster: thresholds({ max_connections: 1 }),
      drive: (scene) =>
        holding(scene, 1, async () => {
          const waiting = [scene.send(), scene.send()];
          await scene.untilStat('upstream_rq_pending_active', (value) => value === 2);
          scene.release(ok);
          await Promise.all(waiting);
        }),
      picks: 'exact',
    },
    {
      name: 'max_pending_requests refuses who would wait: 503 UO',
      hosts: [holder],
      cluster: thresholds({ max_connections: 1, max_pending_requests: 1 }),
      drive: (scene) =>
        holding(scene, 1, async () => {
          const waiting = scene.send();
          await scene.untilStat('upstream_rq_pending_active', (value) => value === 1);
          await scene.send({ count: 2 });
          scene.release(ok);
          await waiting;
        }),
      picks: 'exact',
    },
    {
      name: 'max_pending_requests 0 refuses everything that has no connection yet',
      hosts: [holder],
      cluster: thresholds({ max_pending_requests: 0 }),
      drive: async (scene) => {
        await scene.send({ count: 2 });
      },
      picks: 'exact',
    },
    {
      name: 'max_retries: no more retries at a time',
      hosts: [
        {
          script: (count, { path }) =>
            path === '/hold' && count > 0 ? hang : { status: 503, body: 'no\n' },
        },
      ],
      cluster: thresholds({ max_retries: 1 }),
      route: {
        retry_policy: {
          ...{ retry_on: '5xx', num_retries: 1 },
          retry_back_off: { base_interval: '0.001s' },
        },
      },
      drive: async (scene) => {
        const retried = scene.send({ path: '/hold' });
        await scene.untilTries(2);
        await scene.send();
        scene.release(ok);
        await retried;
      },
      picks: 'exact',
    },
    {
      name: 'priority HIGH has thresholds of its own',
      hosts: [http2Holder],
      cluster: {
        ...http2Upstream,
        ...thresholds({ max_requests: 1 }, { priority: 'HIGH', max_requests: 2 }),
      },
      virtualHost: {
        routes: [
          { match: { prefix: '/high' }, route: { cluster: '@main@', priority: 'HIGH' } },
          { match: { prefix: '/' }, route: { cluster: '@main@' } },
        ],
      },
      drive: (scene) =>
        holding(scene, 1, async () => {
          await scene.send();
          await scene.send({ path: '/high' });
        }),
      picks: 'exact',
    },
    {
      name: 'track_remaining shows what is left',
      hosts: [http2Holder],
      cluster: {
        ...http2Upstream,
        ...thresholds({
          ...{ max_requests: 5, max_connections: 3, max_pending_requests: 4, max_retries: 2 },
          track_remaining: true,
        }),
      },
      drive: (scene) =>
        holding(scene, 2, async () => {
          await scene.untilStat('circuit_breakers.default.remaining_rq', (value) => value === 3);
        }),
      picks: 'exact',
      differences: [{ at: /remaining_cx_pools/, reason: '`remaining_cx_pools`' }],
    },
    {
      name: 'per_host_thresholds: a host above its connections is not asked while another is free',
      hosts: alike(2, holder),
      cluster: {
        circuit_breakers: {
          per_host_thresholds: [{ max_connections: 1 }],
        },
        lb_policy: 'RANDOM',
      },
      drive: async (scene) => {
        await scene.send({ count: 10 });
      },
      picks: 'any',
      requests: 'in order',
      ignoreStats: [/_cx_|pending/],
    },
    {
      name: 'retry_budget allows its share and its minimum',
      hosts: [always({ status: 503 })],
      cluster: thresholds({
        retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 1 },
      }),
      route: {
        retry_policy: {
          retry_on: '5xx',
          num_retries: 2,
          retry_back_off: { base_interval: '0.001s' },
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 3 });
      },
      picks: 'exact',
    },
    {
      name: 'a retry budget of nothing allows no retry',
      hosts: [always({ status: 503 })],
      cluster: thresholds({
        retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 },
      }),
      route: {
        retry_policy: {
          retry_on: '5xx',
          num_retries: 2,
          retry_back_off: { base_interval: '0.001s' },
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 3 });
      },
      picks: 'exact',
    },
    {
      name: 'max_requests_per_connection closes connections',
      hosts: [always(ok)],
      cluster: {
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            common_http_protocol_options: { max_requests_per_connection: 2 },
            explicit_http_config: { http_protocol_options: {} },
          },
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 6 });
        scene.note(
          'connections',
          scene.tries.map(({ connections }) => connections),
        );
      },
      picks: 'exact',
    },
  ] satisfies readonly Scenario[],
};
