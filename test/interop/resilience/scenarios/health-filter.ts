// Scenarios: the health_check HTTP filter. /healthcheck/fail is the whole process's, so what needs it is a topic of its own.

import {
  type Action,
  always,
  type Fragment,
  inTurn,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const filters = 'type.googleapis.com/envoy.extensions.filters.http';

/** Requests for /check are checks. */
function withFilter(config: Fragment): Fragment {
  return {
    http_filters: [
      {
        name: 'envoy.filters.http.health_check',
        typed_config: {
          '@type': `${filters}.health_check.v3.HealthCheck`,
          headers: [{ name: ':path', string_match: { exact: '/check' } }],
          ...config,
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${filters}.router.v3.Router` },
      },
    ],
  };
}

/** Some checks and some other requests, one after the other. */
function asked(
  name: string,
  config: Fragment,
  actions: readonly Action[],
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [inTurn(actions)],
    manager: withFilter(config),
    drive: async (scene) => {
      for (const path of ['/check', '/other', '/check', '/check']) await scene.send({ path });
      await scene.send({ path: '/check', method: 'POST', body: 'a body' });
    },
    picks: 'exact',
    ...more,
  };
}

const unavailable: Action = { status: 503, body: 'no\n' };
const degraded: Action = { status: 200, headers: { 'x-envoy-degraded': 'yes' }, body: 'ok\n' };

/** A cluster of which one of three hosts is unhealthy, and one degraded. */
const third = {
  hosts: [
    always(ok, { endpoint: { health_status: 'UNHEALTHY' } }),
    always(ok, { endpoint: { health_status: 'DEGRADED' } }),
    always(ok),
  ],
};

/** As many of its hosts as that, in percent. */
function depends(name: string, value: number): Scenario {
  return asked(
    name,
    {
      pass_through_mode: false,
      cluster_min_healthy_percentages: { '@third@': { value } },
    },
    [ok],
    { clusters: { third } },
  );
}

export const healthFilter: Topic = {
  name: 'the health_check filter',
  scenarios: [
    asked('checks are answered in the name of the proxy', { pass_through_mode: false }, [ok]),
    asked('checks are passed on, whatever comes of them', { pass_through_mode: true }, [
      unavailable,
      ok,
      degraded,
      unavailable,
      ok,
    ]),
    asked('a cached answer is given for a minute', { pass_through_mode: true, cache_time: '60s' }, [
      degraded,
      ok,
    ]),
    asked('so is one that says no', { pass_through_mode: true, cache_time: '60s' }, [
      unavailable,
      ok,
    ]),
    asked('a cache time of 0 is none', { pass_through_mode: true, cache_time: '0s' }, [
      unavailable,
      ok,
    ]),
    asked('without headers every request is a check', { pass_through_mode: false, headers: [] }, [
      ok,
    ]),
    depends('two of three hosts are 66 %', 66),
    depends('what is behind the point does not count', 66.9),
    depends('two of three hosts are not 67 %', 67),
    asked(
      'a cluster that is not there is not healthy',
      { pass_through_mode: false, cluster_min_healthy_percentages: { gone: { value: 0 } } },
      [ok],
    ),
  ],
};

export const healthFilterFails: Topic = {
  name: 'the health_check filter of a server that is to fail',
  scenarios: [
    asked(
      'checks fail, and every response says so, until all is well',
      { pass_through_mode: true },
      [ok],
      {
        drive: async (scene) => {
          await scene.send({ path: '/check' });
          await scene.proxy.admin('/healthcheck/fail', 'POST');
          await scene.until(
            'fails',
            async () => (await scene.send({ path: '/check' }))[0]?.status === 503,
          );
          scene.note('failing', await scene.send({ path: '/check' }));
          scene.note('another', await scene.send({ path: '/other' }));
          await scene.proxy.admin('/healthcheck/ok', 'POST');
          await scene.until(
            'passes',
            async () => (await scene.send({ path: '/check' }))[0]?.status === 200,
          );
          scene.note('passing', await scene.send({ path: '/check' }));
        },
        picks: 'any',
        // How many were sent until it was known is chance.
        requests: 'any',
        ignoreStats: [/./],
        hostStatus: () => null,
      },
    ),
  ],
};
