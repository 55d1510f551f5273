// /clusters and /listeners, as text and as JSON. JSON leaves out default values, as Envoy's does.

import { nameOfId } from '../../api/config/config-source.ts';
import { formatAddress, type SocketAddress } from '../../api/connection.ts';
import { readRuntime } from '../../matcher/runtime-value.ts';
import type { HostSummary } from '../../upstream/host-report.ts';
import type { OutlierStatus } from '../../upstream/outlier/status.ts';
import { compileRe2 } from './filter-regex.ts';
import { type AdminPage, json, text } from './router.ts';
import type { AdminSources, ClusterStatus } from './sources.ts';

export function clusterPages(sources: AdminSources): readonly AdminPage[] {
  return [
    {
      path: '/clusters',
      method: 'GET',
      help: 'upstream cluster status',
      params: [
        { name: 'filter', help: 'Regular expression (Google re2) for filtering clusters by name' },
        { name: 'format', help: 'Format to use; One of (text, json)' },
      ],
      handle: async (query) => {
        const pattern = query.get('filter');
        const regex = pattern === null ? null : compileRe2(pattern);
        if (regex === 'invalid') return text('Invalid re2 regex\n', 400);
        const clusters = (await sources.clusters()).filter(
          ({ config }) => regex === null || regex.find(config.name),
        );
        return query.get('format') === 'json'
          ? json({ cluster_statuses: clusters.map(clusterJson) })
          : text(clusters.map(clusterText).join(''));
      },
    },
    {
      path: '/listeners',
      method: 'GET',
      help: 'print listener info',
      params: [{ name: 'format', help: 'File format to use; One of (text, json)' }],
      handle: (query) => {
        const listeners = sources.listeners();
        if (query.get('format') !== 'json') {
          return text(
            listeners
              .flatMap(({ name, addresses }) =>
                addresses.map((address) => `${name}::${formatAddress(address)}\n`),
              )
              .join(''),
          );
        }
        return json({
          listener_statuses: listeners.map(({ name, addresses: [main, ...additional] }) => ({
            name,
            ...(main === undefined ? {} : { local_address: addressJson(main) }),
            ...(additional.length === 0
              ? {}
              : { additional_local_addresses: additional.map(addressJson) }),
          })),
        });
      },
    },
  ];
}

function addressJson({ ip, port }: SocketAddress): unknown {
  if (ip.startsWith('/') || ip.startsWith('@')) return { pipe: { path: ip } };
  return { socket_address: { address: ip, port_value: port } };
}

const priorityNames = ['default', 'high'] as const;

function clusterText({ config, addedViaApi, outlier, hosts }: ClusterStatus): string {
  const lines = [
    `${config.name}::observability_name::${config.statName}`,
    ...outlierLines(config.name, outlier),
  ];
  priorityNames.forEach((name, priority) => {
    const thresholds = config.circuitBreakers[priority === 0 ? 0 : 1];
    const prefix = `${config.name}::${name}_priority`;
    lines.push(
      `${prefix}::max_connections::${readRuntime(thresholds.maxConnections)}`,
      `${prefix}::max_pending_requests::${readRuntime(thresholds.maxPendingRequests)}`,
      `${prefix}::max_requests::${readRuntime(thresholds.maxRequests)}`,
      `${prefix}::max_retries::${readRuntime(thresholds.maxRetries)}`,
    );
  });
  lines.push(`${config.name}::added_via_api::${addedViaApi}`);
  for (const status of hosts) {
    const { host } = status;
    const prefix = `${config.name}::${formatAddress({ ip: host.address, port: host.port })}`;
    lines.push(
      `${prefix}::cx_active::${status.cxActive}`,
      `${prefix}::cx_connect_fail::${status.cxConnectFail}`,
      `${prefix}::cx_total::${status.cxTotal}`,
      `${prefix}::rq_active::${status.rqActive}`,
      `${prefix}::rq_error::${status.rqError}`,
      `${prefix}::rq_pending_active::${status.rqPendingActive}`,
      `${prefix}::rq_success::${status.rqSuccess}`,
      `${prefix}::rq_timeout::${status.rqTimeout}`,
      `${prefix}::rq_total::${status.rqTotal}`,
      `${prefix}::hostname::${host.hostname}`,
      `${prefix}::health_flags::${healthText(status)}`,
      `${prefix}::weight::${host.weight}`,
      `${prefix}::region::${host.locality.region}`,
      `${prefix}::zone::${host.locality.zone}`,
      `${prefix}::sub_zone::${host.locality.subZone}`,
      `${prefix}::canary::false`,
      `${prefix}::priority::${host.priority}`,
      `${prefix}::success_rate::${status.rates.successRate}`,
      `${prefix}::local_origin_success_rate::${status.rates.localOriginSuccessRate}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function outlierLines(name: string, outlier: OutlierStatus | null): string[] {
  if (outlier === null) return [];
  const { external, localOrigin } = outlier;
  return [
    `${name}::outlier::success_rate_average::${external.average}`,
    `${name}::outlier::success_rate_ejection_threshold::${external.ejectionThreshold}`,
    `${name}::outlier::local_origin_success_rate_average::${localOrigin.average}`,
    `${name}::outlier::local_origin_success_rate_ejection_threshold::${localOrigin.ejectionThreshold}`,
  ];
}

function healthText({ healthFlags }: HostSummary): string {
  return healthFlags.length === 0 ? 'healthy' : healthFlags.map((flag) => `/${flag}`).join('');
}

/** type.v3.Percent, which is left out when it is unknown. */
function percentJson(name: string, value: number | undefined): object {
  if (value === undefined || value < 0) return {};
  return { [name]: value === 0 ? {} : { value } };
}

function clusterJson({ config, addedViaApi, outlier, hosts }: ClusterStatus): unknown {
  const { external, localOrigin } = outlier ?? {};
  return {
    name: config.name,
    ...(addedViaApi ? { added_via_api: true } : {}),
    ...percentJson('success_rate_ejection_threshold', external?.ejectionThreshold),
    ...percentJson('local_origin_success_rate_ejection_threshold', localOrigin?.ejectionThreshold),
    ...(hosts.length > 0 ? { host_statuses: hosts.map(hostJson) } : {}),
    circuit_breakers: {
      thresholds: priorityNames.map((_, priority) => {
        const thresholds = config.circuitBreakers[priority === 0 ? 0 : 1];
        return {
          ...(priority === 1 ? { priority: 'HIGH' } : {}),
          max_connections: readRuntime(thresholds.maxConnections),
          max_pending_requests: readRuntime(thresholds.maxPendingRequests),
          max_requests: readRuntime(thresholds.maxRequests),
          max_retries: readRuntime(thresholds.maxRetries),
        };
      }),
    },
    observability_name: config.statName,
    ...(config.type === 'EDS' ? { eds_service_name: nameOfId(config.edsServiceName) } : {}),
  };
}

/** admin.v3.HostHealthStatus: mostly the flags' own names. */
function healthJson(flags: readonly string[]): unknown {
  const verdict = flags.find((flag) => verdicts.has(flag));
  return {
    ...Object.fromEntries(
      flags
        .filter((flag) => !verdicts.has(flag))
        .map((flag) => [adminNames.get(flag) ?? flag, true]),
    ),
    eds_health_status: verdicts.get(verdict ?? '') ?? 'HEALTHY',
  };
}

/** What discovery says, by the flag that says it. */
const verdicts: ReadonlyMap<string, string> = new Map([
  ['failed_eds_health', 'UNHEALTHY'],
  ['degraded_eds_health', 'DEGRADED'],
  ['eds_status_draining', 'DRAINING'],
]);

const adminNames: ReadonlyMap<string, string> = new Map([
  ['failed_active_hc', 'failed_active_health_check'],
  ['degraded_active_hc', 'failed_active_degraded_check'],
  ['degraded_outlier_detection', 'failed_degraded_outlier_detection'],
]);

function hostJson(status: HostSummary): unknown {
  const { host } = status;
  const counter = (name: string, value: number) => ({
    ...(value === 0 ? {} : { value: String(value) }),
    name,
  });
  const gauge = (name: string, value: number) => ({ type: 'GAUGE', ...counter(name, value) });
  const { region, zone, subZone } = host.locality;
  return {
    address: addressJson({ ip: host.address, port: host.port }),
    stats: [
      counter('cx_connect_fail', status.cxConnectFail),
      counter('cx_total', status.cxTotal),
      counter('rq_error', status.rqError),
      counter('rq_success', status.rqSuccess),
      counter('rq_timeout', status.rqTimeout),
      counter('rq_total', status.rqTotal),
      gauge('cx_active', status.cxActive),
      gauge('rq_active', status.rqActive),
      gauge('rq_pending_active', status.rqPendingActive),
    ],
    health_status: healthJson(status.healthFlags),
    ...percentJson('success_rate', status.rates.successRate),
    ...(host.hostname === '' ? {} : { hostname: host.hostname }),
    weight: host.weight,
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    locality: {
      ...(region === '' ? {} : { region }),
      ...(zone === '' ? {} : { zone }),
      ...(subZone === '' ? {} : { sub_zone: subZone }),
    },
    ...percentJson('local_origin_success_rate', status.rates.localOriginSuccessRate),
  };
}
