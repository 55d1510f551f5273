// Scenarios: the simplest policies.

import { alike, always, inTurn, ok, type Topic } from '../scenario.ts';

export const policies: Topic = {
  name: 'round robin, random, least request',
  scenarios: [
    {
      name: 'round robin goes from host to host',
      hosts: alike(3, always(ok)),
      drive: async (scene) => {
        await scene.send({ count: 30 });
      },
      picks: 'rotated',
    },
    {
      name: 'round robin by weight gives 1:2:5',
      hosts: [1, 2, 5].map((load_balancing_weight) =>
        always(ok, { endpoint: { load_balancing_weight } }),
      ),
      drive: async (scene) => {
        await scene.send({ count: 80 });
      },
      picks: { within: 1 },
    },
    {
      name: 'random gives each host its share, whatever it weighs',
      hosts: [1, 2, 5].map((load_balancing_weight) =>
        always(ok, { endpoint: { load_balancing_weight } }),
      ),
      cluster: { lb_policy: 'RANDOM' },
      drive: async (scene) => {
        await scene.send({ count: 600, concurrent: 4 });
      },
      picks: { chiSquared: true, shares: [1 / 3, 1 / 3, 1 / 3] },
      ignoreStats: [/cx_|pending_total/],
    },
    {
      name: 'a failing answer is tried again',
      hosts: [{ script: (count) => (count % 2 === 0 ? { status: 503, body: 'no\n' } : ok) }],
      route: {
        retry_policy: {
          retry_on: '5xx',
          num_retries: 2,
          retry_back_off: { base_interval: '0.001s' },
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 8 });
      },
      picks: 'exact',
    },
    {
      name: 'three failures in a row eject a host',
      hosts: [inTurn([{ status: 500 }, { status: 500 }, { status: 500 }, ok])],
      cluster: {
        outlier_detection: {
          consecutive_5xx: 3,
          interval: '0.1s',
          base_ejection_time: '0.3s',
          max_ejection_percent: 100,
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 3 });
        await scene.untilEjected('h0');
        await scene.send({ count: 1 });
        await scene.untilEjected('h0', false);
        await scene.send({ count: 2 });
      },
      picks: 'exact',
    },
  ],
};
