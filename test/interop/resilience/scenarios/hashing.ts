// Scenarios: which host a key belongs to. Both proxies see the same addresses, which the hashes are made of.

import {
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

const KEYS = 60;

/** Each key once. */
async function sendKeys(scene: Scene): Promise<void> {
  for (let i = 0; i < KEYS; i++) await scene.send({ headers: { 'x-key': `key ${i}` } });
}

const byHeader: Fragment = { hash_policy: [{ header: { header_name: 'x-key' } }] };

function hashed(name: string, cluster: Fragment, more: Partial<Scenario> = {}): Scenario {
  return {
    name,
    hosts: alike(4, always(ok)),
    cluster,
    route: byHeader,
    sameAddresses: true,
    drive: sendKeys,
    picks: 'exact',
    ...more,
  };
}

const weighted = [1, 2, 3, 4].map((load_balancing_weight) =>
  always(ok, { endpoint: { load_balancing_weight } }),
);
const small = { minimum_ring_size: 64 };
const types = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

/** The host of one key fails once and is ejected for `baseS`; then each key is sent. */
function ejects(name: string, lbPolicy: string, baseS: number, comesBack: boolean): Scenario {
  const failsWhenAsked: HostScript = {
    script: (_count, { path }) => (path === '/fail' ? { status: 500 } : ok),
  };
  const outlier_detection = {
    interval: '0.1s',
    base_ejection_time: `${baseS}s`,
    max_ejection_percent: 100,
    consecutive_5xx: 1,
  };
  return hashed(
    name,
    { lb_policy: lbPolicy, outlier_detection },
    {
      hosts: alike(4, failsWhenAsked),
      drive: async (scene) => {
        await scene.send({ path: '/fail', headers: { 'x-key': 'key 0' } });
        const failed = scene.tries.at(-1)!.host;
        await scene.untilEjected(failed);
        if (comesBack) await scene.untilEjected(failed, false);
        await sendKeys(scene);
      },
    },
  );
}

export const hashing: Topic = {
  name: 'consistent hashing',
  scenarios: [
    hashed('ring hash: the same host for each key', {
      lb_policy: 'RING_HASH',
      ring_hash_lb_config: small,
    }),
    hashed(
      'ring hash by weights',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      { hosts: weighted },
    ),
    hashed('ring hash with MURMUR_HASH_2', {
      lb_policy: 'RING_HASH',
      ring_hash_lb_config: { ...small, hash_function: 'MURMUR_HASH_2' },
    }),
    hashed(
      'ring hash by hash_key of the metadata',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        hosts: ['red', 'green', 'blue'].map((hash_key) =>
          always(ok, { endpoint: { metadata: { filter_metadata: { 'envoy.lb': { hash_key } } } } }),
        ),
      },
    ),
    hashed(
      'ring hash leaves unhealthy hosts out',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        hosts: [
          always(ok),
          always(ok, { endpoint: { health_status: 'UNHEALTHY' } }),
          always(ok),
          always(ok),
        ],
      },
    ),
    hashed('ring hash as an extension', {
      lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
      load_balancing_policy: {
        policies: [
          {
            typed_extension_config: {
              name: 'envoy.load_balancing_policies.ring_hash',
              typed_config: { '@type': `${types}.ring_hash.v3.RingHash`, minimum_ring_size: 64 },
            },
          },
        ],
      },
    }),
    hashed('maglev: the same host for each key', {
      lb_policy: 'MAGLEV',
      maglev_lb_config: { table_size: 251 },
    }),
    hashed(
      'maglev by weights',
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 251 } },
      { hosts: weighted },
    ),
    hashed(
      'priorities are chosen by the hash, too',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        hosts: [always(ok), always(ok, { endpoint: { health_status: 'UNHEALTHY' } }), always(ok)],
        endpoints: (all) => [
          { priority: 0, lb_endpoints: all.slice(0, 2) },
          { priority: 1, lb_endpoints: all.slice(2) },
        ],
      },
    ),
    hashed(
      'a retry goes on to the next host of the ring',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        hosts: [always({ status: 503 }), always(ok), always(ok)],
        route: {
          ...byHeader,
          retry_policy: {
            ...{ retry_on: '5xx', num_retries: 2 },
            retry_back_off: { base_interval: '0.001s' },
            retry_host_predicate: [
              {
                name: 'envoy.retry_host_predicates.previous_hosts',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
                },
              },
            ],
            host_selection_retry_max_attempts: 5,
          },
        },
      },
    ),
    hashed(
      'bounded load: who has too much is passed over',
      {
        lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
        load_balancing_policy: {
          policies: [
            {
              typed_extension_config: {
                name: 'envoy.load_balancing_policies.maglev',
                typed_config: {
                  '@type': `${types}.maglev.v3.Maglev`,
                  table_size: 251,
                  consistent_hashing_lb_config: { hash_balance_factor: 120 },
                },
              },
            },
          ],
        },
      },
      {
        hosts: alike(3, always(hang)),
        drive: async (scene) => {
          const held: Promise<unknown>[] = [];
          for (let i = 1; i <= 12; i++) {
            held.push(scene.send({ headers: { 'x-key': 'one for all' } }));
            await scene.untilTries(i);
          }
          scene.release(ok);
          await Promise.all(held);
        },
      },
    ),
    hashed(
      'by query parameter',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        route: { hash_policy: [{ query_parameter: { name: 'user' } }] },
        drive: async (scene) => {
          for (let i = 0; i < KEYS; i++) await scene.send({ path: `/?user=u${i}&x=1` });
        },
      },
    ),
    hashed(
      'by cookie that the client has',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        route: { hash_policy: [{ cookie: { name: 'session' } }] },
        drive: async (scene) => {
          for (let i = 0; i < KEYS; i++)
            await scene.send({ headers: { cookie: `a=b; session=s${i}` } });
        },
      },
    ),
    hashed(
      'terminal ends the list at the first hash; without it all are mixed',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: small },
      {
        virtualHost: {
          routes: [true, false].map((terminal) => ({
            match: { prefix: terminal ? '/terminal' : '/' },
            route: {
              cluster: '@main@',
              hash_policy: [
                { header: { header_name: 'x-key' }, terminal },
                { header: { header_name: 'x-other' } },
              ],
            },
          })),
        },
        drive: async (scene) => {
          for (const path of ['/terminal', '/']) {
            for (let i = 0; i < 20; i++)
              await scene.send({ path, headers: { 'x-key': `key ${i % 5}`, 'x-other': `${i}` } });
          }
        },
      },
    ),
    ejects('ring hash: keys of an ejected host go to others', 'RING_HASH', 100, false),
    ejects('Maglev: keys of an ejected host go to others', 'MAGLEV', 100, false),
    ejects('ring hash: keys go back to a host that was ejected', 'RING_HASH', 0.3, true),
  ],
};
