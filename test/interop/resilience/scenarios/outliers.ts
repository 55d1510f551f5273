// Scenarios: outlier detection. Hosts that are ejected stay so unless a scenario is about their return; what depends on
// where an interval happens to end is not compared.

import {
  type Action,
  alike,
  always,
  type Fragment,
  hang,
  inTurn,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

const fails: Action = { status: 500 };
const unavailable: Action = { status: 503 };

/** Ejections are for ever, and as many as wanted; what is not asked for is off. */
const off: Fragment = {
  interval: '0.2s',
  base_ejection_time: '300s',
  max_ejection_percent: 100,
  consecutive_5xx: 0,
  consecutive_gateway_failure: 0,
  consecutive_local_origin_failure: 0,
  success_rate_minimum_hosts: 100,
  failure_percentage_minimum_hosts: 100,
};

/** No panic: an ejected host gets nothing. */
function cluster(detection: Fragment, more: Fragment = {}): Fragment {
  return {
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    outlier_detection: { ...off, ...detection },
    ...more,
  };
}

/** One host, one request after the other. */
function oneHost(
  name: string,
  actions: readonly Action[],
  detection: Fragment,
  then: (scene: Scene) => Promise<void> = async () => {},
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [inTurn(actions)],
    cluster: cluster(detection),
    drive: async (scene) => {
      await scene.send({ count: actions.length });
      await then(scene);
    },
    picks: 'exact',
    ...more,
  };
}

const ejected = (scene: Scene) => scene.untilEjected('h0');
const detected = (kind: string, count: number) => (scene: Scene) =>
  scene.untilStat(`outlier_detection.ejections_detected_${kind}`, (value) => value >= count);

function errorMatcher(matcher: Fragment): Fragment {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http_protocol_options: {} },
        outlier_detection: { error_matcher: matcher },
      },
    },
  };
}

const notFound = {
  http_response_headers_match: { headers: [{ name: ':status', string_match: { exact: '404' } }] },
};

const consecutive: readonly Scenario[] = [
  oneHost(
    'a success ends a run of 5xx, three in a row eject',
    [fails, fails, ok, { status: 404 }, fails, fails, fails],
    { consecutive_5xx: 3 },
    ejected,
  ),
  oneHost('a threshold of 0 is off', [fails, unavailable, fails, fails, fails, fails], {}),
  oneHost(
    'gateway failures are found but not enforced by default',
    [unavailable, { status: 502 }, { status: 504 }, ok],
    { consecutive_gateway_failure: 3 },
    detected('consecutive_gateway_failure', 1),
  ),
  oneHost(
    'gateway failures eject where they are enforced',
    [unavailable, { status: 502 }, { status: 504 }],
    { consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100 },
    ejected,
  ),
  oneHost(
    'a plain 500 ends a run of gateway failures but not of 5xx',
    [unavailable, unavailable, fails, unavailable, unavailable],
    {
      consecutive_5xx: 5,
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
    },
    ejected,
  ),
  oneHost(
    'a dry run finds each run anew',
    Array.from({ length: 7 }, () => fails),
    { consecutive_5xx: 3, enforcing_consecutive_5xx: 0 },
    detected('consecutive_5xx', 2),
    {
      drive: async (scene) => {
        // The counter begins anew once the main thread has decided.
        await scene.send({ count: 3 });
        await detected('consecutive_5xx', 1)(scene);
        await scene.send({ count: 4 });
        await detected('consecutive_5xx', 2)(scene);
      },
    },
  ),
  oneHost(
    'connections that are reset count as 5xx and as gateway failures',
    Array.from({ length: 3 }, (): Action => ({ reset: 'before headers' })),
    { consecutive_5xx: 3, consecutive_gateway_failure: 2 },
    ejected,
  ),
  oneHost(
    'timeouts count as gateway failures',
    [hang, hang],
    { consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100 },
    ejected,
    { route: { timeout: '0.1s' } },
  ),
  {
    name: 'a host that refuses connections is ejected, whoever is asked',
    hosts: [always(ok, { refuses: true })],
    cluster: cluster({ consecutive_gateway_failure: 3, consecutive_5xx: 5 }),
    drive: async (scene) => {
      await scene.send({ count: 5 });
      await ejected(scene);
    },
    picks: 'exact',
  },
];

const split: Fragment = { split_external_local_origin_errors: true };

const localOrigin: readonly Scenario[] = [
  {
    name: 'split: refused connections have a counter of their own',
    hosts: [always(ok, { refuses: true })],
    cluster: cluster({ ...split, consecutive_5xx: 2, consecutive_local_origin_failure: 3 }),
    drive: async (scene) => {
      await scene.send({ count: 3 });
      await ejected(scene);
    },
    picks: 'exact',
  },
  oneHost(
    'split: responses do not count as local, and a reset behind a connect is no run',
    [
      { reset: 'before headers' },
      { reset: 'before headers' },
      { reset: 'before headers' },
      fails,
      fails,
    ],
    { ...split, consecutive_5xx: 3, consecutive_local_origin_failure: 2 },
  ),
];

const limits: readonly Scenario[] = [
  {
    name: 'max_ejection_percent keeps one of two hosts in, and counts what it did',
    hosts: [always(fails), always(ok)],
    cluster: cluster({ consecutive_5xx: 3, max_ejection_percent: 49 }),
    drive: async (scene) => {
      // The counter begins anew once the main thread has decided.
      await scene.send({ count: 6 });
      await detected('consecutive_5xx', 1)(scene);
      await scene.send({ count: 8 });
      await detected('consecutive_5xx', 2)(scene);
    },
    picks: { within: 1 },
    requests: 'sorted',
  },
  {
    name: 'always_eject_one_host ejects one, whatever the percentage',
    hosts: [always(fails), always(ok)],
    cluster: cluster({
      consecutive_5xx: 3,
      max_ejection_percent: 0,
      always_eject_one_host: true,
    }),
    drive: async (scene) => {
      await scene.send({ count: 6 });
      await ejected(scene);
      await scene.send({ count: 4 });
    },
    picks: { within: 1 },
    requests: 'sorted',
  },
];

/** Hosts that all get the same number of requests, h0 another one than the rest. */
function among(
  name: string,
  odd: (typeof hosts)[number],
  detection: Fragment,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [odd, ...hosts],
    cluster: cluster({ interval: '1s', ...detection }),
    drive: async (scene) => {
      await scene.send({ count: 120, concurrent: 6 });
      await ejected(scene);
    },
    picks: 'any',
    requests: 'any',
    // Whether the interval ends while requests are under way is chance.
    ignoreStats: [/^cluster\.(?!outlier_detection|membership_(healthy|total))/],
    ...more,
  };
}
const hosts = alike(5, always(ok));
const byRate: Fragment = { success_rate_minimum_hosts: 5, success_rate_request_volume: 5 };
const byPercentage: Fragment = {
  failure_percentage_minimum_hosts: 5,
  failure_percentage_request_volume: 5,
};

const intervals: readonly Scenario[] = [
  among('a success rate far below the others ejects, with its numbers', always(fails), byRate),
  among(
    'a success rate that is not far enough below ejects nobody',
    always(fails),
    { ...byRate, success_rate_stdev_factor: 3000 },
    {
      drive: async (scene) => {
        await scene.send({ count: 60, concurrent: 6 });
      },
    },
  ),
  among('a failure percentage ejects where it is enforced', always(fails), {
    ...byPercentage,
    enforcing_failure_percentage: 100,
  }),
  among(
    'split: the success rate of connecting ejects a host that refuses',
    always(ok, { refuses: true }),
    { ...byRate, ...split },
  ),
  among(
    'split: the failure percentage of connecting ejects where it is enforced',
    always(ok, { refuses: true }),
    { ...byPercentage, ...split, enforcing_failure_percentage_local_origin: 100 },
  ),
  among(
    'found by rate and by percentage, a host is ejected once',
    always(fails),
    { ...byRate, ...byPercentage, enforcing_failure_percentage: 100 },
    {
      differences: [
        {
          at: /ejections_active|ejections_enforced_(total|failure_percentage)|^events\/h0/,
          reason: 'one interval finds both by',
        },
      ],
    },
  ),
];

const matchers: readonly Scenario[] = [
  oneHost(
    'an error matcher makes an error of a 404',
    [{ status: 404 }, { status: 404 }, { status: 404 }],
    { consecutive_5xx: 3, consecutive_gateway_failure: 3 },
    ejected,
    { cluster: cluster({ consecutive_5xx: 3 }, errorMatcher(notFound)) },
  ),
  oneHost(
    'an error matcher makes a success of a 503 that it does not name',
    [{ status: 404 }, { status: 404 }, unavailable, { status: 404 }, { status: 404 }],
    {},
    async () => {},
    { cluster: cluster({ consecutive_5xx: 3 }, errorMatcher(notFound)) },
  ),
  oneHost(
    'an error that is a 503 stays one, and combinations match',
    [unavailable, unavailable],
    {},
    detected('consecutive_gateway_failure', 1),
    {
      cluster: cluster(
        { consecutive_5xx: 3, consecutive_gateway_failure: 2 },
        errorMatcher({
          and_match: {
            rules: [
              { not_match: notFound },
              { or_match: { rules: [notFound, { any_match: true }] } },
            ],
          },
        }),
      ),
    },
  ),
];

const degraded: Action = { status: 404, headers: { 'x-envoy-degraded': '' } };

const returns: readonly Scenario[] = [
  oneHost(
    'a response with x-envoy-degraded degrades its host where that is asked for',
    [{ status: 500, headers: { 'x-envoy-degraded': '' } }, degraded, ok],
    { detect_degraded_hosts: true, max_ejection_percent: 0 },
    (scene) =>
      scene.untilStatus(
        'h0 degraded',
        (all) => all['h0']?.health['failed_degraded_outlier_detection'] === true,
      ),
  ),
  oneHost(
    'a degraded host is none any more after its time',
    [degraded],
    { detect_degraded_hosts: true, base_ejection_time: '0.3s' },
    async (scene) => {
      await detected('degradation', 1)(scene);
      await scene.untilStatus(
        'h0 not degraded',
        (all) => all['h0']?.health['failed_degraded_outlier_detection'] !== true,
      );
    },
  ),
  {
    name: 'an ejected host returns, and is ejected again',
    hosts: [always(fails)],
    cluster: cluster({ consecutive_5xx: 2, base_ejection_time: '0.4s' }),
    drive: async (scene) => {
      for (let i = 0; i < 2; i++) {
        await scene.send({ count: 2 });
        await scene.untilStat('outlier_detection.ejections_enforced_total', (n) => n === i + 1);
        await scene.untilEjected('h0', false);
      }
    },
    picks: 'exact',
  },
  {
    name: 'an active check that passes brings a host back',
    hosts: [always(fails)],
    cluster: cluster({ consecutive_5xx: 2 }, activeCheck()),
    drive: async (scene) => {
      await scene.send({ count: 2 });
      await scene.untilStat('outlier_detection.ejections_enforced_total', (n) => n === 1);
      await scene.untilEjected('h0', false);
    },
    picks: 'any',
    ignoreStats: [/^cluster\.(?!outlier_detection|membership_(healthy|total))/],
    hostStatus: ({ health }) => health,
  },
  {
    name: 'an active check that passes leaves a host out where the config says so',
    hosts: [always(fails)],
    cluster: cluster(
      { consecutive_5xx: 2, successful_active_health_check_uneject_host: false },
      activeCheck(),
    ),
    drive: async (scene) => {
      await scene.send({ count: 2 });
      await ejected(scene);
      let checks = 0;
      await scene.untilStat('health_check.success', (value) => {
        if (checks === 0) checks = value;
        return value >= checks + 2;
      });
    },
    picks: 'any',
    ignoreStats: [/^cluster\.(?!outlier_detection|membership_(healthy|total))/],
    hostStatus: ({ health }) => health,
  },
];

function activeCheck(): Fragment {
  return {
    health_checks: [
      {
        timeout: '1s',
        interval: '0.1s',
        no_traffic_interval: '0.1s',
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        http_health_check: { path: '/check' },
      },
    ],
  };
}

export const outliers: Topic = {
  name: 'outlier detection',
  scenarios: [...consecutive, ...localOrigin, ...limits, ...intervals, ...matchers, ...returns],
};
