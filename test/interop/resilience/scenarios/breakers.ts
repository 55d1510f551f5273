// Scenarios: ceilings of a cluster ("circuit breakers") and what their gauges say while they are reached.

import { readStats } from '../observe.ts';
import {
  type Action,
  alike,
  always,
  type Fragment,
  hang,
  http2Upstream,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

const failing: Action = { status: 503, body: 'no\n' };

/** `track_remaining` is always on: the more gauges agree, the better. */
function breakers(thresholds: Fragment, perHost: readonly Fragment[] = []): Fragment {
  return {
    circuit_breakers: {
      thresholds: [{ track_remaining: true, max_connection_pools: 100, ...thresholds }],
      per_host_thresholds: perHost,
    },
  };
}

/** The gauges as they are now. */
async function noteGauges(scene: Scene, when: string): Promise<void> {
  const stats = Object.entries(await readStats(scene)).filter(([name]) =>
    name.includes('circuit_breakers.default.'),
  );
  scene.note(`gauges ${when}`, Object.fromEntries(stats));
}

/** Sends `count` requests that hang, one after the other reaching `stat`; then `more`, and lets go of all. */
async function crowd(
  scene: Scene,
  count: number,
  stat: string,
  more: () => Promise<unknown>,
): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  for (let i = 1; i <= count; i++) {
    waiting.push(scene.send({ path: `/waits/${i}` }));
    await scene.untilStat(stat, (value) => value >= i);
  }
  await noteGauges(scene, 'while it is full');
  await more();
  scene.release({ status: 200, body: 'at last\n' });
  await Promise.all(waiting);
}

const ceilings: readonly Scenario[] = [
  {
    name: 'max_connections: what is too much waits, and max_pending_requests turns it away',
    hosts: [always(hang)],
    cluster: breakers({ max_connections: 2, max_pending_requests: 1 }),
    drive: async (scene) => {
      await crowd(scene, 2, 'upstream_rq_active', async () => {
        const third = scene.send({ path: '/third' });
        await scene.untilStat('upstream_rq_pending_active', (value) => value === 1);
        await noteGauges(scene, 'while one waits');
        await scene.send({ path: '/fourth' });
        scene.release({ status: 200, body: 'at last\n' });
        await scene.untilTries(3);
        scene.release({ status: 200, body: 'at last\n' });
        await third;
      });
    },
    picks: 'exact',
    requests: 'sorted',
  },
  {
    name: 'max_requests over HTTP/2: what is too much is turned away at once',
    hosts: [always(hang, { kind: 'http2' })],
    cluster: { ...http2Upstream, ...breakers({ max_requests: 2 }) },
    drive: (scene) => crowd(scene, 2, 'upstream_rq_active', () => scene.send({ path: '/third' })),
    picks: 'exact',
  },
  {
    name: 'per_host_thresholds: a host gets so many connections, and no more',
    hosts: alike(2, always(hang)),
    cluster: breakers({}, [{ max_connections: 1 }]),
    drive: (scene) =>
      crowd(scene, 2, 'upstream_rq_active', async () => {
        const waiting = [scene.send({ path: '/third' }), scene.send({ path: '/fourth' })];
        await scene.untilStat('upstream_rq_pending_active', (value) => value === 2);
        scene.release({ status: 200, body: 'at last\n' });
        await scene.untilTries(4);
        scene.release({ status: 200, body: 'at last\n' });
        await Promise.all(waiting);
      }),
    picks: { within: 0 },
    requests: 'sorted',
  },
  {
    name: 'max_connection_pools: a second host has none',
    hosts: alike(2, always(ok)),
    cluster: breakers({ max_connection_pools: 1 }),
    drive: async (scene) => {
      await scene.send({ count: 6 });
      await noteGauges(scene, 'with one pool');
    },
    picks: 'any',
    requests: 'any',
  },
  {
    name: 'max_retries 0: no retry is made',
    hosts: [always(failing)],
    cluster: breakers({ max_retries: 0 }),
    route: { retry_policy: { retry_on: '5xx', num_retries: 2 } },
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
  {
    name: 'thresholds of one priority do not hold for the other',
    hosts: [always(hang)],
    cluster: {
      circuit_breakers: {
        thresholds: [
          { priority: 'HIGH', max_connections: 1, max_pending_requests: 0 },
          { max_connections: 9 },
          { max_connections: 1 },
        ],
      },
    },
    virtualHost: {
      routes: [
        { match: { prefix: '/high' }, route: { cluster: '@main@', priority: 'HIGH' } },
        { match: { prefix: '/' }, route: { cluster: '@main@' } },
      ],
    },
    drive: (scene) =>
      crowd(scene, 2, 'upstream_rq_active', () => scene.send({ path: '/high', count: 2 })),
    picks: 'exact',
  },
];

const waitsLong = { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '60s' } };

/** So many of the failing requests are retried, after a wait that does not end. */
function budgetScenario(name: string, budget: Fragment, running: number): Scenario {
  return {
    name,
    hosts: [
      {
        kind: 'http2',
        script: (_count, { path }) => (path.startsWith('/waits') ? hang : failing),
      },
    ],
    cluster: { ...http2Upstream, ...breakers({ retry_budget: budget }) },
    route: { timeout: '0s', retry_policy: waitsLong },
    drive: async (scene) => {
      await crowd(scene, running, 'upstream_rq_active', async () => {
        const clients = new AbortController();
        const { signal } = clients;
        const sent: Promise<unknown>[] = [];
        for (let i = 0; i < 12; i++) {
          sent.push(scene.send({ path: `/fails/${i}`, signal }));
          await scene.untilTries(running + i + 1);
        }
        let overflows = 0;
        await scene.until('all decided', async () => {
          const stats = await readStats(scene);
          overflows = Number(stats['cluster.upstream_rq_retry_overflow'] ?? 0);
          return Number(stats['cluster.upstream_rq_active'] ?? 0) === running;
        });
        scene.note('not retried', overflows);
        clients.abort();
        await Promise.allSettled(sent);
      });
    },
    picks: 'exact',
    requests: 'any',
    differences: [
      {
        at: /remaining_retries/,
        reason: '**Gauges of a retry budget**',
      },
    ],
  };
}

const budgets: readonly Scenario[] = [
  budgetScenario(
    'retry_budget: a share of what is active may be retries',
    { budget_percent: { value: 50 }, min_retry_concurrency: 0 },
    8,
  ),
  budgetScenario(
    'retry_budget: but some always may',
    { budget_percent: { value: 0 }, min_retry_concurrency: 5 },
    2,
  ),
  budgetScenario(
    'retry_budget with budget_interval: a share of the requests of that time',
    { budget_percent: { value: 20 }, min_retry_concurrency: 0, budget_interval: '60s' },
    3,
  ),
];

export const breakersTopic: Topic = {
  name: 'circuit breakers',
  scenarios: [...ceilings, ...budgets],
};
