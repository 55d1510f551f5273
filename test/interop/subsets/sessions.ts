// Stateful sessions and override_host: clusters, routes and the filter's configs that both proxies are started with.

import type { Scenario } from './scenario.ts';

const types = 'type.googleapis.com/envoy.extensions';
const filterTypes = `${types}.filters.http.stateful_session.v3`;
export const SESSION_FILTER = 'envoy.filters.http.stateful_session';

type Fields = Readonly<Record<string, unknown>>;

function cookie(fields: Fields = {}): Fields {
  const type = `${types}.http.stateful_session.cookie.v3.CookieBasedSessionState`;
  return {
    name: 'envoy.http.stateful_session.cookie',
    typed_config: { '@type': type, cookie: { name: 'sess', ...fields } },
  };
}

function header(name: string): Fields {
  const type = `${types}.http.stateful_session.header.v3.HeaderBasedSessionState`;
  return {
    name: 'envoy.http.stateful_session.header',
    typed_config: { '@type': type, name },
  };
}

/** By route: StatefulSession; null = disabled. Others have the filter's own. */
const perRoute: Readonly<Record<string, Fields | null>> = {
  ttl: { session_state: cookie({ ttl: '120s', path: '/' }), stat_prefix: 'ttl' },
  'half-second': { session_state: cookie({ ttl: '1.5s' }) },
  attributes: {
    session_state: cookie({
      path: '/sessions',
      attributes: [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }],
    }),
  },
  'other-path': { session_state: cookie({ path: '/sessions/oth' }), stat_prefix: 'path' },
  'own-path': { session_state: cookie({ path: '/sessions/own-path' }), stat_prefix: 'path' },
  'below-path': { session_state: cookie({ path: '/sessions/' }), stat_prefix: 'path' },
  strict: { session_state: cookie(), strict: true, stat_prefix: 'strict' },
  'strict-404': {
    session_state: header('X-Sess'),
    strict: true,
    status_on_strict_destination_not_found: 404,
  },
  'lax-404': { session_state: header('x-sess'), status_on_strict_destination_not_found: 404 },
  header: { session_state: header('x-sess'), stat_prefix: 'header' },
  nothing: { stat_prefix: 'nothing' },
  disabled: null,
};

/** The filter with sessions by cookie. */
export const sessionFilter = {
  name: SESSION_FILTER,
  typed_config: {
    '@type': `${filterTypes}.StatefulSession`,
    session_state: cookie(),
    stat_prefix: 'own',
  },
};

export const sessions: Scenario = {
  name: 'sessions',
  endpoints: [
    { host: 0 },
    { host: 1, priority: 1 },
    { host: 2, health: 'DRAINING' },
    { host: 3, health: 'UNHEALTHY' },
    { host: 4, health: 'DEGRADED' },
    { host: 5, health: 'HEALTHY', priority: 1 },
  ],
  cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
  routes: Object.fromEntries([...Object.keys(perRoute), 'own'].map((route) => [route, null])),
  typedPerFilterConfig: Object.fromEntries(
    Object.entries(perRoute).map(([route, session]) => [
      route,
      {
        [SESSION_FILTER]: {
          '@type': `${filterTypes}.StatefulSessionPerRoute`,
          ...(session === null ? { disabled: true } : { stateful_session: session }),
        },
      },
    ]),
  ),
  runs: [],
};

/** Only draining hosts may be asked for. */
export const drainingSessions: Scenario = {
  name: 'draining',
  endpoints: sessions.endpoints,
  cluster: { common_lb_config: { override_host_status: { statuses: ['DRAINING', 'UNHEALTHY'] } } },
  routes: { own: null },
  runs: [],
};

const policies = `${types}.load_balancing_policies`;

function policyOf(name: string, message: string, fields: Fields): Fields {
  return {
    policies: [
      {
        typed_extension_config: {
          name: `envoy.load_balancing_policies.${name}`,
          typed_config: { '@type': `${policies}.${name}.v3.${message}`, ...fields },
        },
      },
    ],
  };
}

export const overrideHost: Scenario = {
  name: 'override',
  endpoints: sessions.endpoints,
  cluster: {
    load_balancing_policy: policyOf('override_host', 'OverrideHost', {
      override_host_sources: [{ header: 'X-Host' }, { header: 'x-other' }],
      fallback_policy: policyOf('round_robin', 'RoundRobin', {}),
    }),
  },
  routes: { any: null, retry: null },
  actions: { retry: { retry_policy: { retry_on: '5xx', num_retries: 3 } } },
  runs: [],
};
