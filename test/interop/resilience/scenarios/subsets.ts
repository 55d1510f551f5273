// Scenarios: subsets, sessions and named hosts while hosts fail.

import {
  type Action,
  always,
  type Fragment,
  type HostScript,
  inTurn,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const types = 'type.googleapis.com/envoy.extensions';
const fails: Action = { status: 503 };

function version(name: string, actions: readonly Action[] = [ok]): HostScript {
  const metadata = { filter_metadata: { 'envoy.lb': { version: name } } };
  return inTurn(actions, { endpoint: { metadata } });
}

/** Metadata that the route asks for. */
function asks(lb: Fragment, more: Fragment = {}): Fragment {
  return { metadata_match: { filter_metadata: { 'envoy.lb': lb } }, ...more };
}

const byVersion = [{ keys: ['version'] }];
const noPanic = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };
/** Three failures in a row eject a host for longer than a scenario lasts. */
const detection = {
  outlier_detection: {
    interval: '600s',
    base_ejection_time: '600s',
    max_ejection_percent: 100,
    consecutive_5xx: 3,
    enforcing_consecutive_gateway_failure: 0,
  },
};
const differences = [
  { at: /lb_subsets_(active|created)/, reason: 'Subsets** are counted by worker' },
];

/** h0 fails until it is ejected, then a few more requests come. */
function ejecting(
  name: string,
  more: Pick<Scenario, 'hosts'> & Partial<Scenario>,
  headers: Readonly<Record<string, string>> = {},
): Scenario {
  return {
    name,
    drive: async (scene) => {
      await scene.send({ count: 3, headers });
      await scene.untilEjected('h0');
      await scene.send({ count: 3, headers });
    },
    picks: 'exact',
    differences,
    ...more,
  };
}

const onOtherHosts = {
  retry_on: '5xx',
  num_retries: 3,
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: { '@type': `${types}.retry.host.previous_hosts.v3.PreviousHostsPredicate` },
    },
  ],
  host_selection_retry_max_attempts: '10',
};

const failing = [fails, fails, fails, ok];

const subsets: readonly Scenario[] = [
  {
    name: 'a subset is balanced by itself',
    hosts: [version('v1'), version('v1'), version('v2'), version('v1')],
    cluster: { lb_subset_config: { subset_selectors: byVersion } },
    route: asks({ version: 'v1' }),
    drive: async (scene) => {
      await scene.send({ count: 12 });
    },
    picks: 'rotated',
    differences,
  },
  ejecting('a subset without healthy hosts is no reason to fall back', {
    hosts: [version('v1', failing), version('v2')],
    cluster: {
      ...noPanic,
      ...detection,
      lb_subset_config: { fallback_policy: 'ANY_ENDPOINT', subset_selectors: byVersion },
    },
    route: asks({ version: 'v1' }),
  }),
  ejecting('a subset panics by itself', {
    hosts: [version('v1', failing), version('v2'), version('v2')],
    cluster: { ...detection, lb_subset_config: { subset_selectors: byVersion } },
    route: asks({ version: 'v1' }),
  }),
  ejecting('the priorities of a subset are those of its own hosts', {
    hosts: [version('v1', failing), version('v2'), version('v1')],
    endpoints: ([h0, h1, h2]) => [
      { priority: 0, lb_endpoints: [h0, h1] },
      { priority: 1, lb_endpoints: [h2] },
    ],
    cluster: { ...noPanic, ...detection, lb_subset_config: { subset_selectors: byVersion } },
    route: asks({ version: 'v1' }),
  }),
  ejecting('a subset of a single host uses it, ejected or not', {
    hosts: [version('v1', failing), version('v2')],
    cluster: {
      ...noPanic,
      ...detection,
      lb_subset_config: { subset_selectors: [{ keys: ['version'], single_host_per_subset: true }] },
    },
    route: asks({ version: 'v1' }),
  }),
  ejecting('the next metadata of a fallback list is tried when the first gives no host', {
    hosts: [version('v1', failing), version('v2')],
    cluster: {
      ...noPanic,
      ...detection,
      lb_subset_config: {
        metadata_fallback_policy: 'FALLBACK_LIST',
        subset_selectors: byVersion,
      },
    },
    route: asks({ version: 'v0', fallback_list: [{ version: 'v1' }, { version: 'v2' }] }),
  }),
  ejecting('the default subset without healthy hosts leads to any host with panic_mode_any', {
    hosts: [version('v1', failing), version('v2')],
    cluster: {
      ...noPanic,
      ...detection,
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { version: 'v1' },
        panic_mode_any: true,
        subset_selectors: byVersion,
      },
    },
    route: asks({ version: 'unknown' }),
  }),
  {
    name: 'retries stay in the subset',
    hosts: [version('v1', [fails]), version('v2')],
    cluster: { lb_subset_config: { subset_selectors: byVersion } },
    route: asks({ version: 'v1' }, { retry_policy: { retry_on: '5xx', num_retries: 2 } }),
    drive: async (scene) => {
      await scene.send({ count: 2 });
    },
    picks: 'exact',
    differences,
  },
  {
    name: 'retries on other hosts of the subset',
    hosts: [version('v1', [fails]), version('v2'), version('v1', [fails])],
    cluster: { lb_subset_config: { subset_selectors: byVersion } },
    route: asks({ version: 'v1' }, { retry_policy: { ...onOtherHosts, num_retries: 1 } }),
    drive: async (scene) => {
      await scene.send({ count: 6 });
    },
    // Round robin begins anywhere.
    picks: 'any',
    requests: 'sorted',
    differences,
  },
  {
    name: 'a selector falls back to some of its keys',
    hosts: [version('v1'), version('v2')],
    cluster: {
      lb_subset_config: {
        subset_selectors: [
          ...byVersion,
          {
            keys: ['version', 'stage'],
            fallback_policy: 'KEYS_SUBSET',
            fallback_keys_subset: ['version'],
          },
        ],
      },
    },
    route: asks({ version: 'v2', stage: 'qa' }),
    drive: async (scene) => {
      await scene.send({ count: 4 });
    },
    picks: 'exact',
    differences,
  },
];

/** A session by header, before the router. */
function sessions(strict: boolean): Fragment {
  const state = `${types}.http.stateful_session.header.v3.HeaderBasedSessionState`;
  return {
    http_filters: [
      {
        name: 'envoy.filters.http.stateful_session',
        typed_config: {
          '@type': `${types}.filters.http.stateful_session.v3.StatefulSession`,
          strict,
          session_state: {
            name: 'envoy.http.stateful_session.header',
            typed_config: { '@type': state, name: 'x-session' },
          },
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${types}.filters.http.router.v3.Router` },
      },
    ],
  };
}

/** A client of h0, which is ejected; h1 is the only other host. */
function session(name: string, strict: boolean, route: Fragment = {}): Scenario {
  return {
    name,
    hosts: [inTurn(failing), always(ok)],
    cluster: { ...noPanic, ...detection },
    manager: sessions(strict),
    route,
    sameAddresses: true,
    drive: async (scene) => {
      const headers = { 'x-session': Buffer.from(scene.text('@h0@')).toString('base64') };
      await scene.send({ count: 3, headers });
      await scene.untilEjected('h0');
      await scene.send({ count: 3, headers });
    },
    picks: 'exact',
  };
}

function overrideHost(): Fragment {
  const policy = (name: string, fields: Fragment) => ({
    policies: [
      {
        typed_extension_config: {
          name: 'policy',
          typed_config: { '@type': `${types}.load_balancing_policies.${name}`, ...fields },
        },
      },
    ],
  });
  return {
    load_balancing_policy: policy('override_host.v3.OverrideHost', {
      override_host_sources: [{ header: 'x-hosts' }],
      fallback_policy: policy('round_robin.v3.RoundRobin', {}),
    }),
  };
}

const named: readonly Scenario[] = [
  session('a session goes to its host, and elsewhere once that is ejected', false),
  session('a strict session is refused while its host is ejected', true),
  session('a retry leaves the host of a session', false, {
    retry_policy: onOtherHosts,
  }),
  {
    name: 'each try takes the next named host',
    hosts: [always(fails), always(ok), always(fails), always(ok)],
    cluster: overrideHost(),
    route: { retry_policy: { retry_on: '5xx', num_retries: 5 } },
    drive: async (scene) => {
      await scene.send({ count: 3, headers: { 'x-hosts': '@h2@, 127.0.0.1:1 ,@h0@,@h3@,@h1@' } });
    },
    picks: 'exact',
  },
  {
    name: 'a named host is used again, whatever the retry predicates say',
    hosts: [always(fails), always(ok)],
    cluster: overrideHost(),
    route: { retry_policy: onOtherHosts },
    drive: async (scene) => {
      await scene.send({ count: 3, headers: { 'x-hosts': '@h0@,@h0@,@h1@' } });
    },
    picks: 'exact',
  },
  ejecting(
    'a named host is used, ejected or not',
    {
      hosts: [inTurn(failing), always(ok)],
      cluster: { ...noPanic, ...detection, ...overrideHost() },
      differences: [],
    },
    { 'x-hosts': '@h0@' },
  ),
];

export const subsetsTopic: Topic = {
  name: 'subsets, sessions, named hosts',
  scenarios: [...subsets, ...named],
};
