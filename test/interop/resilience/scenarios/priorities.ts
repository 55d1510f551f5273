// Scenarios: how much of the traffic which priority gets, when hosts are unhealthy or degraded, and panic.

import {
  alike,
  always,
  type Fragment,
  type HostScript,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

type Health = 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING' | 'TIMEOUT';

/** What scenarios with percentages send. */
const REQUESTS = 300;

function host(health_status: Health): HostScript {
  return always(ok, { endpoint: { health_status } });
}

/** One locality per priority, each with the hosts of its turn. */
function priorities(sizes: readonly number[]): NonNullable<Scenario['endpoints']> {
  return (endpoints) => {
    let from = 0;
    return sizes.map((size, priority) => {
      const lb_endpoints = endpoints.slice(from, from + size);
      from += size;
      return { priority, lb_endpoints };
    });
  };
}

function shared(
  name: string,
  byPriority: readonly (readonly Health[])[],
  shares: readonly number[],
  cluster: Fragment = {},
): Scenario {
  return {
    name,
    hosts: byPriority.flat().map(host),
    endpoints: priorities(byPriority.map((hosts) => hosts.length)),
    cluster: { lb_policy: 'RANDOM', ...cluster },
    drive: async (scene) => {
      await scene.send({ count: REQUESTS, concurrent: 4 });
    },
    picks: { chiSquared: true, shares },
    // Connections are made as chance wants them; panic is counted per pick, and who panics is chance, too.
    ignoreStats: [/cx_|pending_total|lb_healthy_panic/],
  };
}

/** All traffic goes to hosts that are known, so that everything can be compared. */
function decided(
  name: string,
  byPriority: readonly (readonly Health[])[],
  cluster: Fragment = {},
): Scenario {
  return {
    name,
    hosts: byPriority.flat().map(host),
    endpoints: priorities(byPriority.map((hosts) => hosts.length)),
    cluster,
    drive: async (scene) => {
      await scene.send({ count: 20 });
    },
    picks: 'exact',
  };
}

const up: Health = 'HEALTHY';
const down: Health = 'UNHEALTHY';
const weak: Health = 'DEGRADED';
const noPanic = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

export const prioritiesTopic: Topic = {
  name: 'priorities, degraded hosts, panic',
  scenarios: [
    decided('a healthy priority 0 gets everything', [[up], [up]]),
    decided('priority 1 gets everything when nobody is left in priority 0', [[down, down], [up]]),
    decided('a draining host gets nothing', [['DRAINING', up]]),
    decided('an unhealthy host gets nothing', [[down, up]]),
    decided('a draining host does not count in its priority', [['DRAINING', up], [up]]),
    decided('a timed out host counts in its priority', [['TIMEOUT', up]]),
    decided('a degraded host gets nothing while healthy ones suffice', [[weak, up]], {
      load_assignment: { policy: { overprovisioning_factor: 200 } },
    }),
    decided(
      'degraded hosts get everything when there are no healthy ones',
      [[weak, down]],
      noPanic,
    ),
    decided('degraded hosts of priority 0 go before healthy ones of priority 1', [[weak], [up]]),
    decided('panic threshold 0 and nobody healthy is answered 503 UH', [[down, down]], noPanic),
    shared('half of priority 0 healthy: 70 to 30', [[up, down], [up]], [0.7, 0, 0.3]),
    shared(
      'a third of priority 0 healthy: 46 to 54',
      [[up, down, down], [up]],
      [0.46, 0, 0, 0.54],
      {
        ...noPanic,
      },
    ),
    shared('overprovisioning factor 100: 50 to 50', [[up, down], [up]], [0.5, 0, 0.5], {
      load_assignment: { policy: { overprovisioning_factor: 100 } },
    }),
    shared(
      'three priorities share 35, 35 and 30',
      [
        [up, down, down, down],
        [up, down, down, down],
        [up, up],
      ],
      [0.35, 0, 0, 0, 0.35, 0, 0, 0, 0.15, 0.15],
      noPanic,
    ),
    shared('a degraded host of priority 0 takes what healthy ones leave', [[up, weak]], [0.7, 0.3]),
    shared(
      'healthy hosts of priority 1 go before degraded ones of priority 0',
      [[up, weak], [up]],
      [0.7, 0, 0.3],
    ),
    shared(
      'below the panic threshold all hosts are used',
      [[up, down, down, down]],
      [0.25, 0.25, 0.25, 0.25],
    ),
    shared(
      'above a lower panic threshold only healthy hosts are used',
      [[up, up, down, down, down]],
      [0.5, 0.5, 0, 0, 0],
      { common_lb_config: { healthy_panic_threshold: { value: 30 } } },
    ),
    shared(
      'no panic in priority 0 while priority 1 can take the rest',
      [
        [up, down, down, down],
        [up, up],
      ],
      [0.35, 0, 0, 0, 0.325, 0.325],
    ),
    shared(
      'both priorities in panic: traffic by the number of hosts',
      [[down, down, down], [down]],
      [0.25, 0.25, 0.25, 0.25],
    ),
    shared(
      'too little in all priorities together: every priority panics, traffic by the number of hosts',
      [
        [up, down, down, down, down, down, down, down, down, down],
        [up, up, down, down, down, down, down, down, down, down],
      ],
      Array(20).fill(0.05),
    ),
    {
      ...shared('the same by weights of hosts', [[up, down], [up]], [0.7, 0, 0.3]),
      name: 'weights of hosts do not change the share of a priority',
      hosts: [
        always(ok, { endpoint: { health_status: up, load_balancing_weight: 1 } }),
        always(ok, { endpoint: { health_status: down, load_balancing_weight: 9 } }),
        always(ok, { endpoint: { health_status: up, load_balancing_weight: 1 } }),
      ],
    },
    {
      name: 'weighted_priority_health counts weights instead of hosts',
      hosts: [
        always(ok, { endpoint: { health_status: up, load_balancing_weight: 1 } }),
        always(ok, { endpoint: { health_status: down, load_balancing_weight: 3 } }),
        always(ok, { endpoint: { health_status: up, load_balancing_weight: 1 } }),
      ],
      endpoints: (all) => [
        { priority: 0, lb_endpoints: all.slice(0, 2) },
        { priority: 1, lb_endpoints: all.slice(2) },
      ],
      cluster: {
        lb_policy: 'RANDOM',
        load_assignment: { policy: { weighted_priority_health: true } },
        ...noPanic,
      },
      drive: async (scene) => {
        await scene.send({ count: REQUESTS, concurrent: 4 });
      },
      picks: { chiSquared: true, shares: [0.35, 0, 0.65] },
      ignoreStats: [/cx_|pending_total/],
    },
    {
      name: 'round robin over the hosts of the priority that is left',
      hosts: [...alike(2, host(down)), ...alike(3, host(up))],
      endpoints: priorities([2, 3]),
      drive: async (scene) => {
        await scene.send({ count: 30 });
      },
      picks: { within: 0 },
    },
  ],
};
