// Scenarios: active health checks, of hosts that flap.

import {
  type Action,
  alike,
  always,
  type Fragment,
  ok,
  type Picks,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const bad: Action = { status: 503 };
/** Checks go on for ever, so how many there were is chance. */
const noise = [
  /health_check\.(attempt|success|failure|network_failure|verify_cluster|passive_failure)|_cx_|lb_healthy_panic/,
];

function checked(fields: Fragment = {}): Fragment {
  return {
    health_checks: [
      {
        ...{ timeout: '1s', interval: '0.05s', no_traffic_interval: '0.05s' },
        ...{ unhealthy_threshold: 2, healthy_threshold: 2 },
        http_health_check: { path: '/health' },
        ...fields,
      },
    ],
  };
}

function scenario(
  name: string,
  more: Omit<Scenario, 'name' | 'picks'> & { picks?: Picks },
): Scenario {
  return {
    name,
    picks: { within: 0 },
    ignoreStats: noise,
    hostStatus: ({ health, priority, weight }) => ({ health, priority, weight }),
    ...more,
  };
}

export const health: Topic = {
  name: 'active health checks',
  scenarios: [
    scenario('a host whose checks fail gets nothing, and comes back', {
      hosts: alike(2, always(ok)),
      cluster: checked(),
      drive: async (scene) => {
        const failed = (is: boolean) =>
          scene.untilStatus(`h1 ${is ? 'fails' : 'passes'}`, ({ h1 }) => {
            return (h1?.health['failed_active_health_check'] === true) === is;
          });
        await failed(false);
        await scene.send({ count: 10 });
        scene.setHealth('h1', bad);
        await failed(true);
        await scene.send({ count: 10 });
        scene.setHealth('h1', ok);
        await failed(false);
        await scene.send({ count: 10 });
      },
    }),
    scenario('all fail: panic, all are used', {
      hosts: alike(2, always(ok, { health: () => bad })),
      cluster: checked(),
      drive: async (scene) => {
        await scene.send({ count: 10 });
      },
    }),
    scenario('all fail and no panic: 503 UH', {
      hosts: alike(2, always(ok, { health: () => bad })),
      cluster: { ...checked(), common_lb_config: { healthy_panic_threshold: { value: 0 } } },
      drive: async (scene) => {
        await scene.send({ count: 3 });
      },
    }),
    scenario('priority 1 takes over when the checks of priority 0 fail, and gives back', {
      hosts: alike(2, always(ok)),
      endpoints: (all) => [
        { priority: 0, lb_endpoints: all.slice(0, 1) },
        { priority: 1, lb_endpoints: all.slice(1) },
      ],
      cluster: checked(),
      drive: async (scene) => {
        await scene.send({ count: 5 });
        scene.setHealth('h0', bad);
        await scene.untilStatus('h0 fails', ({ h0 }) => {
          return h0?.health['failed_active_health_check'] === true;
        });
        await scene.send({ count: 5 });
        scene.setHealth('h0', ok);
        await scene.untilStatus('h0 passes', ({ h0 }) => {
          return h0?.health['failed_active_health_check'] === undefined;
        });
        await scene.send({ count: 5 });
      },
    }),
    scenario('x-envoy-degraded in a check makes a host degraded', {
      hosts: [
        always(ok),
        always(ok, { health: () => ({ status: 200, headers: { 'x-envoy-degraded': '' } }) }),
      ],
      cluster: checked(),
      drive: async (scene) => {
        await scene.send({ count: 10 });
      },
      picks: 'any',
      requests: 'sorted',
    }),
    scenario('x-envoy-immediate-health-check-fail in an answer takes a host out at once', {
      hosts: [
        always({ ...ok, headers: { 'x-envoy-immediate-health-check-fail': 'true' } }),
        always(ok),
      ],
      endpoints: (all) => [
        { priority: 0, lb_endpoints: all.slice(0, 1) },
        { priority: 1, lb_endpoints: all.slice(1) },
      ],
      // The next check, which would let it back, is far away.
      cluster: checked({ interval: '60s', no_traffic_interval: '60s' }),
      drive: async (scene) => {
        await scene.send();
        await scene.untilStatus('h0 fails', ({ h0 }) => {
          return h0?.health['failed_active_health_check'] === true;
        });
        await scene.send({ count: 5 });
      },
    }),
    scenario(
      'expected_statuses and retriable_statuses: who is unhealthy at once and who after the threshold',
      {
        hosts: [
          always(ok, { health: () => ({ status: 204 }) }),
          always(ok, { health: () => ({ status: 429 }) }),
          always(ok, { health: () => ({ status: 404 }) }),
        ],
        cluster: checked({
          http_health_check: {
            path: '/health',
            expected_statuses: [{ start: 204, end: 205 }],
            retriable_statuses: [{ start: 429, end: 430 }],
          },
        }),
        drive: async (scene) => {
          await scene.untilStatus('two of three fail', (all) => {
            const failed = Object.values(all).filter(
              ({ health }) => health['failed_active_health_check'] === true,
            );
            return failed.length === 2;
          });
          await scene.send({ count: 6 });
        },
      },
    ),
    scenario('a host that refuses connections fails its TCP checks', {
      hosts: [always(ok), always(ok, { refuses: true })],
      cluster: {
        health_checks: [
          {
            ...{ timeout: '1s', interval: '0.05s', no_traffic_interval: '0.05s' },
            ...{ unhealthy_threshold: 1, healthy_threshold: 1 },
            tcp_health_check: {},
          },
        ],
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
      },
      drive: async (scene) => {
        const passes = (is: boolean) =>
          scene.untilStatus(`h1 ${is ? 'passes' : 'fails'}`, ({ h1 }) => {
            return (h1?.health['failed_active_health_check'] === undefined) === is;
          });
        await passes(false);
        await scene.send({ count: 4 });
        await scene.host('h1').accept();
        await passes(true);
        await scene.send({ count: 4 });
        await scene.host('h1').refuse();
        await passes(false);
        await scene.send({ count: 4 });
      },
    }),
    scenario('an ejected host is let back by a check that passes', {
      hosts: [always({ status: 500 })],
      cluster: {
        ...checked({ interval: '0.3s', no_traffic_interval: '0.3s' }),
        outlier_detection: {
          ...{ consecutive_5xx: 3, base_ejection_time: '300s', max_ejection_percent: 100 },
          interval: '300s',
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 3 });
        await scene.untilStat('outlier_detection.ejections_total', (value) => value === 1);
        await scene.untilEjected('h0', false);
      },
    }),
    scenario('successful_active_health_check_uneject_host false: the check lets nobody back', {
      hosts: [always({ status: 500 })],
      cluster: {
        ...checked(),
        outlier_detection: {
          ...{ consecutive_5xx: 3, base_ejection_time: '300s', max_ejection_percent: 100 },
          ...{ interval: '300s', successful_active_health_check_uneject_host: false },
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 3 });
        await scene.untilEjected('h0');
        const before = await scene.stat('health_check.success');
        await scene.untilStat('health_check.success', (value) => value > before + 3);
        scene.note('ejected', (await scene.status())['h0']?.health['failed_outlier_check']);
      },
    }),
  ],
};
