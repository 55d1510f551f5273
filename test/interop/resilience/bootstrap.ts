// The bootstrap of one topic: per scenario a listener, a cluster and what further clusters it wants, all named by the
// scenario's number. Both proxies get the same, but for ports, addresses of hosts and files.

import { join } from 'node:path';
import type { ProxyPorts } from '../proxies.ts';
import type { Fragment } from './fragment.ts';
import { logFormat, outlierLog } from './log-line.ts';
import { withNames } from './names.ts';
import type { Scenario, ScenarioCluster, Topic } from './scenario.ts';
import type { ScriptedHost } from './scripted-host.ts';

const types = 'type.googleapis.com/envoy.extensions';

/** Names the listener, the main cluster and the stat_prefix of the n-th scenario. */
export function scenarioName(index: number): string {
  return `c${index}`;
}

/** `hosts`: of each scenario in turn, all of its clusters. */
export function topicBootstrap(
  topic: Topic,
  hosts: readonly (readonly ScriptedHost[])[],
  ports: ProxyPorts,
  directory: string,
): string {
  const parts = topic.scenarios.map((scenario, index) =>
    scenarioParts(scenario, scenarioName(index), hosts[index] ?? [], directory),
  );
  const bootstrap = merge(
    {
      node: { id: 'resilience', cluster: 'test' },
      admin: { address: address('127.0.0.1', ports.admin) },
      cluster_manager: { outlier_detection: { event_log_path: join(directory, outlierLog) } },
    },
    topic.bootstrap ?? {},
  );
  const { listeners = [], clusters = [] } = (bootstrap['static_resources'] ?? {}) as {
    listeners?: readonly unknown[];
    clusters?: readonly unknown[];
  };
  return JSON.stringify({
    ...bootstrap,
    static_resources: {
      listeners: [...parts.map(({ listener }) => listener), ...listeners],
      clusters: [...parts.flatMap((part) => part.clusters), ...clusters],
    },
  });
}

function scenarioParts(
  scenario: Scenario,
  name: string,
  hosts: readonly ScriptedHost[],
  directory: string,
): { readonly listener: Fragment; readonly clusters: readonly Fragment[] } {
  const manager = merge(
    {
      '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: name,
      use_remote_address: true,
      internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
      access_log: [
        {
          name: 'envoy.access_loggers.file',
          typed_config: {
            '@type': `${types}.access_loggers.file.v3.FileAccessLog`,
            path: join(directory, `${name}.log`),
            log_format: {
              text_format_source: { inline_string: `${logFormat.join('\t')}\n` },
            },
          },
        },
      ],
      route_config: {
        name: 'local',
        virtual_hosts: [
          merge(
            {
              name: 'all',
              domains: ['*'],
              include_request_attempt_count: true,
              routes: [
                {
                  match: { prefix: '/' },
                  route: merge({ cluster: name }, scenario.route ?? {}),
                },
              ],
            },
            scenario.virtualHost ?? {},
          ),
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${types}.filters.http.router.v3.Router` },
        },
      ],
    },
    scenario.manager ?? {},
  );
  const listener = {
    name,
    address: address('127.0.0.1', 0),
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  };
  const clusters = [
    clusterPart(
      name,
      scenario,
      hosts.filter(({ label }) => /^h\d+$/.test(label)),
    ),
    ...Object.entries(scenario.clusters ?? {}).map(([suffix, one]) =>
      clusterPart(
        `${name}_${suffix}`,
        one,
        hosts.filter(({ label }) => new RegExp(`^${suffix}\\d+$`).test(label)),
      ),
    ),
  ];
  const suffixes = Object.keys(scenario.clusters ?? {});
  const named = (fragment: Fragment): Fragment =>
    JSON.parse(withNames(JSON.stringify(fragment), suffixes, name, hosts));
  return { listener: named(listener), clusters: clusters.map(named) };
}

function clusterPart(name: string, one: ScenarioCluster, hosts: readonly ScriptedHost[]): Fragment {
  const endpoints = hosts.map((host, index) =>
    merge(
      { endpoint: { address: address(host.address, host.port) } },
      one.hosts[index]?.endpoint ?? {},
    ),
  );
  const localities =
    one.endpoints === null ? null : (one.endpoints?.(endpoints) ?? [{ lb_endpoints: endpoints }]);
  const assignment =
    localities === null ? {} : { load_assignment: { cluster_name: name, endpoints: localities } };
  const defaults = {
    ...{ name, type: 'STATIC', connect_timeout: '1s', ...assignment },
    // By default Envoy's workers learn of a second change of health within a second only when that is over.
    common_lb_config: { update_merge_window: '0s' },
  };
  return merge(defaults, one.cluster ?? {});
}

function address(host: string, port: number): Fragment {
  return { socket_address: { address: host, port_value: port } };
}

/** `over` laid over `base`: objects are merged, everything else is replaced. */
function merge(base: Fragment, over: Fragment): Fragment {
  const merged: Record<string, unknown> = { ...base };
  for (const [field, value] of Object.entries(over)) {
    const before = merged[field];
    merged[field] = isFragment(before) && isFragment(value) ? merge(before, value) : value;
  }
  return merged;
}

function isFragment(value: unknown): value is Fragment {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
