// Scenarios: who is ejected for what, by how many, for how long.

import {
  type Action,
  alike,
  always,
  type Fragment,
  flapping,
  hang,
  http2Upstream,
  inTurn,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

const fails: Action = { status: 500 };

function detection(fields: Fragment): Fragment {
  return {
    outlier_detection: {
      interval: '0.1s',
      base_ejection_time: '0.3s',
      max_ejection_percent: 100,
      ...fields,
    },
  };
}

/** By the counter: who looks at the host may miss an ejection that is over soon. */
async function ejectedAndBack(scene: Scene, times = 1): Promise<void> {
  const isReached = (value: number) => value === times;
  await scene.untilStat('outlier_detection.ejections_enforced_total', isReached);
  await scene.untilEjected('h0', false);
}

/** One host and its failures: the third in a row ejects it, then it comes back. */
function ejects(
  name: string,
  failure: Action,
  fields: Fragment,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [inTurn([failure, failure, failure, ok])],
    cluster: detection(fields),
    drive: async (scene) => {
      await scene.send({ count: 3 });
      await ejectedAndBack(scene);
      await scene.send({ count: 2 });
    },
    picks: 'exact',
    ...more,
  };
}

/** One host whose failures eject nobody. */
function stays(
  name: string,
  actions: readonly Action[],
  fields: Fragment,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: [inTurn(actions)],
    cluster: detection(fields),
    drive: async (scene) => {
      // Paced: a detection that is on its way to the main thread must not meet the next failures.
      await scene.send({ count: actions.length, paceMs: 30 });
    },
    picks: 'exact',
    ...more,
  };
}

const never = { base_ejection_time: '300s' };
const grpc = (status: string): Action => ({
  status: 200,
  headers: { 'content-type': 'application/grpc', 'grpc-status': status },
});

const consecutive: readonly Scenario[] = [
  ejects('consecutive_5xx counts answers of 5xx', fails, { consecutive_5xx: 3 }),
  ejects('consecutive_5xx counts resets', { reset: 'before headers' }, { consecutive_5xx: 3 }),
  ejects(
    'consecutive_5xx counts timeouts',
    hang,
    { consecutive_5xx: 3 },
    { route: { timeout: '0.6s' } },
  ),
  ejects(
    'consecutive_gateway_failure counts 502, 503 and 504',
    { status: 503 },
    {
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
      consecutive_5xx: 5,
    },
  ),
  stays('a success begins the count anew', [fails, fails, ok, fails, fails, ok], {
    consecutive_5xx: 3,
  }),
  stays(
    'a reset behind good headers does not add up: the headers were a success',
    Array(4).fill({ reset: 'after headers' }),
    { consecutive_5xx: 3 },
  ),
  stays('4xx count as successes', [fails, fails, { status: 404 }, fails], { consecutive_5xx: 3 }),
  stays(
    'consecutive_gateway_failure: another 5xx begins the count anew',
    [{ status: 502 }, { status: 503 }, fails, { status: 504 }],
    {
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
      consecutive_5xx: 5,
    },
  ),
  {
    name: 'enforcing 0 only detects',
    hosts: [always(fails)],
    cluster: detection({ consecutive_5xx: 3, enforcing_consecutive_5xx: 0 }),
    drive: async (scene) => {
      for (let i = 1; i <= 2; i++) {
        await scene.send({ count: 3 });
        await scene.untilStat(
          'outlier_detection.ejections_detected_consecutive_5xx',
          (value) => value === i,
        );
      }
    },
    picks: 'exact',
  },
  stays(
    'enforcing_consecutive_gateway_failure is 0 by default',
    [{ status: 503 }, { status: 503 }],
    {
      consecutive_gateway_failure: 2,
    },
  ),
  {
    ...ejects('a grpc-status in the headers counts as the HTTP status it stands for', grpc('14'), {
      consecutive_5xx: 3,
    }),
    hosts: [inTurn([grpc('14'), grpc('14'), grpc('14'), grpc('0')], { kind: 'http2' })],
    // Under load Envoy finds something in the frames of Node's server now and then.
    ignoreStats: [/upstream_cx_protocol_error/],
    cluster: { ...detection({ consecutive_5xx: 3 }), ...http2Upstream },
    drive: async (scene) => {
      const call = {
        ...({ over: 'http2', method: 'POST' } as const),
        headers: { 'content-type': 'application/grpc', te: 'trailers' },
      };
      await scene.send({ ...call, count: 3 });
      await ejectedAndBack(scene);
      await scene.send({ ...call, count: 2 });
    },
  },
  {
    name: 'refused connections count as 5xx',
    hosts: [always(ok, { refuses: true })],
    cluster: detection({ consecutive_5xx: 3 }),
    drive: async (scene) => {
      await scene.send({ count: 3 });
      await scene.host('h0').accept();
      await ejectedAndBack(scene);
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
  {
    name: 'split_external_local_origin_errors: refused connections count by themselves',
    hosts: [always(ok, { refuses: true })],
    cluster: detection({
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 3,
      consecutive_5xx: 2,
      ...never,
    }),
    drive: async (scene) => {
      await scene.send({ count: 3 });
      await scene.untilEjected('h0');
    },
    picks: 'exact',
  },
  stays(
    'split_external_local_origin_errors: timeouts do not add up: each connection was a success',
    [hang, hang, hang],
    {
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 2,
      consecutive_5xx: 2,
    },
    { route: { timeout: '0.1s' } },
  ),
  {
    name: 'tries that are repeated count one by one',
    hosts: [always(fails)],
    cluster: detection({ consecutive_5xx: 4, ...never }),
    route: {
      retry_policy: {
        retry_on: '5xx',
        num_retries: 3,
        retry_back_off: { base_interval: '0.001s' },
      },
    },
    drive: async (scene) => {
      await scene.send();
      await scene.untilEjected('h0');
    },
    picks: 'exact',
  },
];

/** Hosts that all fail twice, the second time at once: no ejection comes between two picks. Who is ejected is chance. */
function several(
  name: string,
  count: number,
  ejected: number,
  fields: Fragment,
  cluster: Fragment = {},
): Scenario {
  return {
    name,
    hosts: alike(count, inTurn([fails, hang])),
    cluster: { ...detection({ consecutive_5xx: 2, ...never, ...fields }), ...cluster },
    drive: async (scene) => {
      await scene.send({ count });
      const second = scene.send({ count, concurrent: count });
      await scene.untilTries(2 * count);
      scene.release({ status: 500 });
      await second;
      await scene.until(`${ejected} ejected`, async () => {
        const hosts = Object.values(await scene.status());
        return hosts.filter(({ health }) => health['failed_outlier_check']).length === ejected;
      });
    },
    picks: 'any',
    requests: 'any',
    hostStatus: () => '*',
    ignoreStats: [/_cx_|pending/],
    countEvents: true,
  };
}

const limits: readonly Scenario[] = [
  several('max_ejection_percent 50 of four hosts ejects two', 4, 2, { max_ejection_percent: 50 }),
  several('max_ejection_percent 10 of four hosts ejects nobody', 4, 0, {
    max_ejection_percent: 10,
  }),
  several('always_eject_one_host ejects one above max_ejection_percent', 4, 1, {
    max_ejection_percent: 10,
    always_eject_one_host: true,
  }),
  {
    name: 'each ejection in a row lasts longer, up to max_ejection_time',
    hosts: [inTurn([fails, fails, fails, ok])],
    cluster: detection({
      consecutive_5xx: 1,
      base_ejection_time: '0.2s',
      max_ejection_time: '0.4s',
    }),
    drive: async (scene) => {
      for (let i = 0; i < 3; i++) {
        await scene.send();
        await ejectedAndBack(scene, i + 1);
      }
      await scene.send();
    },
    picks: 'exact',
  },
  {
    name: 'a host that is ejected gets nothing while another is there',
    hosts: [inTurn([fails, fails, ok]), always(ok)],
    endpoints: (all) => [
      { priority: 0, lb_endpoints: all.slice(0, 1) },
      { priority: 1, lb_endpoints: all.slice(1) },
    ],
    cluster: detection({ consecutive_5xx: 2, base_ejection_time: '1s' }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
      await scene.untilEjected('h0');
      await scene.send({ count: 4 });
      await scene.untilEjected('h0', false);
      await scene.send({ count: 4 });
    },
    picks: 'exact',
  },
  {
    name: 'ejected in panic: the host is used all the same',
    hosts: [inTurn([fails, fails, ok])],
    cluster: detection({ consecutive_5xx: 2, ...never }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
      await scene.untilEjected('h0');
      await scene.send({ count: 4 });
    },
    picks: 'exact',
  },
  {
    name: 'everybody ejected and no panic: 503 UH',
    hosts: [always(fails)],
    cluster: {
      ...detection({ consecutive_5xx: 2, ...never }),
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    },
    drive: async (scene) => {
      await scene.send({ count: 2 });
      await scene.untilEjected('h0');
      await scene.send({ count: 2 });
    },
    picks: 'exact',
  },
  {
    name: 'a host that flaps by a schedule is detected at the same requests',
    hosts: [flapping(20261121, fails, { good: 4, bad: 4 })],
    cluster: detection({ consecutive_5xx: 3, ...never, enforcing_consecutive_5xx: 0 }),
    drive: async (scene) => {
      await scene.send({ count: 60, paceMs: 20 });
    },
    picks: 'exact',
  },
];

const rates: readonly Scenario[] = [
  {
    name: 'failure percentage ejects who fails too often',
    hosts: [{ script: (count) => (count % 2 === 0 ? fails : ok) }, ...alike(4, always(ok))],
    cluster: detection({
      interval: '0.4s',
      consecutive_5xx: 100,
      failure_percentage_threshold: 40,
      failure_percentage_request_volume: 5,
      failure_percentage_minimum_hosts: 5,
      enforcing_failure_percentage: 100,
      enforcing_success_rate: 0,
      ...never,
    }),
    drive: async (scene) => {
      for (let i = 0; i < 100 && !(await isEjected(scene)); i++) await scene.send({ count: 50 });
      await scene.untilEjected('h0');
    },
    picks: 'any',
    requests: 'any',
    ignoreStats: [/./],
    countEvents: true,
  },
  {
    name: 'success rate ejects who is far below the mean',
    hosts: [{ script: (count) => (count % 2 === 0 ? fails : ok) }, ...alike(5, always(ok))],
    cluster: detection({
      interval: '0.4s',
      consecutive_5xx: 100,
      success_rate_request_volume: 5,
      success_rate_minimum_hosts: 5,
      ...never,
    }),
    drive: async (scene) => {
      for (let i = 0; i < 100 && !(await isEjected(scene)); i++) await scene.send({ count: 60 });
      await scene.untilEjected('h0');
    },
    picks: 'any',
    requests: 'any',
    ignoreStats: [/./],
    countEvents: true,
  },
];

async function isEjected(scene: Scene): Promise<boolean> {
  return (await scene.status())['h0']?.health['failed_outlier_check'] === true;
}

export const ejections: Topic = {
  name: 'outlier detection',
  scenarios: [...consecutive, ...limits, ...rates],
};
