// Scenarios: which host each policy picks.

import {
  type Action,
  alike,
  always,
  type Fragment,
  type HostScript,
  hang,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

/** Hangs for /hold. */
const holder: HostScript = { script: (_count, { path }): Action => (path === '/hold' ? hang : ok) };
const byWeight = [1, 2, 5].map((load_balancing_weight) =>
  always(ok, { endpoint: { load_balancing_weight } }),
);
const types = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

function extension(name: string, type: string, config: Fragment): Fragment {
  return {
    lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: `envoy.load_balancing_policies.${name}`,
            typed_config: { '@type': `${types}.${name}.v3.${type}`, ...config },
          },
        },
      ],
    },
  };
}

/** Keeps h0 busy with `count` requests, whatever they met before, then sends `then`. */
async function busy(scene: Scene, count: number, then: () => Promise<unknown>): Promise<void> {
  const held: Promise<unknown>[] = [];
  const isHeld = () => scene.tries.filter(({ host, path }) => host === 'h0' && path === '/hold');
  while (isHeld().length < count) {
    const tries = scene.tries.length;
    held.push(scene.send({ path: '/hold' }));
    await scene.untilTries(tries + 1);
    // h1 has let it go, or h0 holds it.
    await Promise.race([
      held.at(-1),
      scene.until('a held request', async () => isHeld().length > 0),
    ]);
  }
  scene.tries.length = 0;
  await then();
  scene.release(ok);
  await Promise.all(held);
}

/** h0 is busy with one request, h1 is idle. */
function oneBusy(name: string, cluster: Fragment, shares: readonly number[]): Scenario {
  return {
    name,
    hosts: [holder, always(ok)],
    cluster,
    drive: (scene) => busy(scene, 1, () => scene.send({ count: 300 })),
    picks: { chiSquared: true, shares },
    requests: 'any',
    ignoreStats: [/./],
  };
}

const leastRequest = { lb_policy: 'LEAST_REQUEST' };

/** Answers with an ORCA load report in that header. */
const reporting = (name: string, value: string): HostScript =>
  always({ ...ok, headers: { [`endpoint-load-metrics${name}`]: value } });

/** 100 requests per second at that use, as protobuf: rps_fractional = 6, application_utilization = 9. */
function binaryReport(utilization: number): string {
  const bytes = Buffer.alloc(18);
  bytes[0] = (6 << 3) | 1;
  bytes.writeDoubleLE(100, 1);
  bytes[9] = (9 << 3) | 1;
  bytes.writeDoubleLE(utilization, 10);
  return bytes.toString('base64');
}

/** Hosts weigh 200, 100, and the median of both. */
function clientSideWeights(form: string, hosts: readonly HostScript[]): Scenario {
  return {
    name: `client-side weighted round robin by reports in ${form}`,
    hosts: [...hosts, always(ok)],
    cluster: extension('client_side_weighted_round_robin', 'ClientSideWeightedRoundRobin', {
      blackout_period: '0.1s',
      weight_update_period: '0.1s',
    }),
    drive: async (scene) => {
      // Until reports have come for longer than the blackout, and weights were made of them.
      await scene.send({ count: 40, paceMs: 20 });
      scene.tries.length = 0;
      await scene.send({ count: 300 });
    },
    picks: { chiSquared: true, shares: [4 / 9, 2 / 9, 3 / 9] },
    requests: 'any',
    ignoreStats: [/cx_|pending_total|max_host_weight/],
    differences: [{ at: /^hosts\/h\d\/weight/, reason: '**Client-side weights**' }],
  };
}

/** Two localities with a reporting host each; the others weigh the median of the whole priority. */
const weightedLocalities: Scenario = {
  ...clientSideWeights('headers, localities by their weights', [
    reporting('', 'TEXT rps_fractional:100,application_utilization:0.5'),
    always(ok),
    reporting('', 'TEXT rps_fractional:100,application_utilization:1'),
  ]),
  cluster: extension('wrr_locality', 'WrrLocality', {
    endpoint_picking_policy: extension(
      'client_side_weighted_round_robin',
      'ClientSideWeightedRoundRobin',
      { blackout_period: '0.1s', weight_update_period: '0.1s' },
    )['load_balancing_policy'],
  }),
  endpoints: (all) =>
    [1, 3].map((load_balancing_weight, i) => ({
      locality: { region: 'here', zone: `z${i}` },
      load_balancing_weight,
      lb_endpoints: all.slice(2 * i, 2 * i + 2),
    })),
  picks: { chiSquared: true, shares: [4 / 28, 3 / 28, 6 / 20, 9 / 20] },
};

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
      name: 'round robin as an extension',
      hosts: alike(3, always(ok)),
      cluster: extension('round_robin', 'RoundRobin', {}),
      drive: async (scene) => {
        await scene.send({ count: 30 });
      },
      picks: 'rotated',
    },
    {
      name: 'the first policy that is known counts',
      hosts: alike(3, always(ok)),
      cluster: {
        lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
        load_balancing_policy: {
          policies: [
            {
              typed_extension_config: {
                name: 'unheard.of',
                typed_config: {
                  '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
                  type_url: 'type.googleapis.com/un.heard.Of',
                },
              },
            },
            {
              typed_extension_config: {
                name: 'envoy.load_balancing_policies.round_robin',
                typed_config: { '@type': `${types}.round_robin.v3.RoundRobin` },
              },
            },
          ],
        },
      },
      drive: async (scene) => {
        await scene.send({ count: 12 });
      },
      picks: 'rotated',
    },
    {
      name: 'least request of equal idle hosts is chance',
      hosts: alike(3, always(ok)),
      cluster: leastRequest,
      drive: async (scene) => {
        await scene.send({ count: 300 });
      },
      picks: { chiSquared: true, shares: [1 / 3, 1 / 3, 1 / 3] },
      ignoreStats: [/cx_|pending_total/],
    },
    {
      name: 'least request of idle hosts by weight gives 1:2:5',
      hosts: byWeight,
      cluster: leastRequest,
      drive: async (scene) => {
        await scene.send({ count: 80 });
      },
      picks: { within: 1 },
    },
    // Both of two draws must be h0.
    oneBusy('least request: two draws find the busy host once in four', leastRequest, [0.25, 0.75]),
    oneBusy(
      'least request: five draws find the busy host once in 32',
      { ...leastRequest, least_request_lb_config: { choice_count: 5 } },
      [1 / 32, 31 / 32],
    ),
    oneBusy(
      'least request: a full scan never finds the busy host',
      extension('least_request', 'LeastRequest', { selection_method: 'FULL_SCAN' }),
      [0, 1],
    ),
    {
      name: 'least request by weight: a busy host counts less',
      hosts: [
        { ...holder, endpoint: { load_balancing_weight: 3 } },
        always(ok, { endpoint: { load_balancing_weight: 2 } }),
      ],
      cluster: leastRequest,
      drive: (scene) => busy(scene, 2, () => scene.send({ count: 120 })),
      // 1 to 2 with two active of three.
      picks: { within: 2 },
      requests: 'any',
      ignoreStats: [/./],
    },
    {
      name: 'active_request_bias 0: only weights count',
      hosts: [
        { ...holder, endpoint: { load_balancing_weight: 3 } },
        always(ok, { endpoint: { load_balancing_weight: 1 } }),
      ],
      cluster: {
        ...leastRequest,
        least_request_lb_config: {
          active_request_bias: { default_value: 0, runtime_key: 'least.bias' },
        },
      },
      drive: (scene) => busy(scene, 2, () => scene.send({ count: 120 })),
      picks: { within: 2 },
      requests: 'any',
      ignoreStats: [/./],
    },
    {
      name: 'slow start: hosts that are equally new share equally',
      hosts: [always(ok), always(ok)],
      cluster: {
        round_robin_lb_config: { slow_start_config: { slow_start_window: '300s' } },
      },
      drive: async (scene) => {
        // Both are as new, so their shares are equal all the time.
        await scene.send({ count: 60 });
      },
      picks: { within: 2 },
    },
    {
      name: 'round robin by weight gives 1:2:5',
      hosts: byWeight,
      drive: async (scene) => {
        await scene.send({ count: 80 });
      },
      picks: { within: 1 },
    },
    {
      name: 'random gives each host its share, whatever it weighs',
      hosts: byWeight,
      cluster: { lb_policy: 'RANDOM' },
      drive: async (scene) => {
        await scene.send({ count: 600, concurrent: 4 });
      },
      picks: { chiSquared: true, shares: [1 / 3, 1 / 3, 1 / 3] },
      ignoreStats: [/cx_|pending_total/],
    },
    clientSideWeights('protobuf', [
      reporting('-bin', binaryReport(0.5)),
      reporting('-bin', binaryReport(1)),
    ]),
    clientSideWeights('BIN', [
      reporting('', `BIN ${binaryReport(0.5)}`),
      reporting('', `BIN ${binaryReport(1)}`),
    ]),
    clientSideWeights('JSON', [
      reporting('', 'JSON {"rps_fractional": 100, "application_utilization": 0.5}'),
      reporting('', 'JSON {"rpsFractional": 100, "applicationUtilization": 1}'),
    ]),
    clientSideWeights('text =', [
      reporting('', 'TEXT rps_fractional=100,application_utilization=0.5'),
      reporting('', 'TEXT rps_fractional=100, cpu_utilization=1'),
    ]),
    clientSideWeights('text :', [
      reporting('', 'TEXT rps_fractional:100,application_utilization:0.5'),
      reporting('', 'TEXT rps_fractional:100, cpu_utilization:1'),
    ]),
    weightedLocalities,
  ],
};
