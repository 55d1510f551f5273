// The tables of `remora ctl proxy-config`: of each kind of resource the few fields by which people know it. Reads
// Envoy's JSON as the control plane sends it; a field that has another shape is shown as nothing.

import { formatTable, type PaintCell } from '../print/table.ts';
import type { ServedResource } from '../rest-client.ts';
import { at, listAt, textAt } from './json-path.ts';

type Row = readonly string[];

interface Shape {
  readonly header: readonly string[];
  /** One resource may have several rows, and has one at least. */
  readonly rows: (resource: unknown, name: string) => readonly Row[];
}

const shapes: Readonly<Record<string, Shape>> = {
  cluster: { header: ['NAME', 'TYPE', 'LB', 'TLS'], rows: clusterRows },
  listener: { header: ['NAME', 'ADDRESS', 'ROUTES', 'CHAINS'], rows: listenerRows },
  route: { header: ['NAME', 'HOST', 'DOMAINS', 'MATCH', 'TO'], rows: routeRows },
  endpoint: {
    header: ['NAME', 'ENDPOINT', 'LOCALITY', 'PRIORITY', 'WEIGHT', 'HEALTH'],
    rows: endpointRows,
  },
  secret: {
    header: ['NAME', 'HOLDS', 'NAMES', 'VALID UNTIL', 'SHA-256 FINGERPRINT'],
    rows: secretRows,
  },
};

/** `items` are of one kind. The last column says whether the node has it. */
export function servedTable(
  kind: string,
  items: readonly ServedResource[],
  paint?: PaintCell,
): string {
  const shape = shapes[kind];
  const header = shape?.header ?? ['NAME'];
  const rows = items.flatMap(({ name, resource, state }) => {
    const found = resource === null ? [] : (shape?.rows(resource, name) ?? []);
    const shown = found.length === 0 ? [[name]] : found;
    return shown.map((row) => [...header.map((_, column) => row[column] || '-'), state]);
  });
  return formatTable([...header, 'STATE'], rows, paint);
}

function clusterRows(cluster: unknown, name: string): Row[] {
  const tls = textAt(cluster, 'transport_socket', 'name') === '' ? '' : 'mTLS';
  const [policy] = listAt(cluster, 'load_balancing_policy', 'policies');
  const lb = textAt(policy, 'typed_extension_config', 'name') || textAt(cluster, 'lb_policy');
  const short = lb.slice(lb.lastIndexOf('.') + 1) || 'ROUND_ROBIN';
  return [[name, textAt(cluster, 'type') || textAt(cluster, 'cluster_type', 'name'), short, tls]];
}

function listenerRows(listener: unknown, name: string): Row[] {
  const chains = listAt(listener, 'filter_chains');
  const routes = chains
    .flatMap((chain) => listAt(chain, 'filters'))
    .map(
      (filter) =>
        textAt(filter, 'typed_config', 'rds', 'route_config_name') || inlineRoutes(filter),
    )
    .filter(Boolean);
  const address = socketText(at(listener, 'address'));
  return [[name, address, [...new Set(routes)].join(', '), String(chains.length)]];
}

function inlineRoutes(filter: unknown): string {
  return at(filter, 'typed_config', 'route_config') === undefined ? '' : 'inline';
}

function routeRows(config: unknown, name: string): Row[] {
  return listAt(config, 'virtual_hosts').flatMap((host) => {
    const [first, ...others] = listAt(host, 'domains').map(String);
    const domains = others.length === 0 ? (first ?? '') : `${first} and ${others.length} more`;
    return listAt(host, 'routes').map((route) => {
      return [
        name,
        textAt(host, 'name'),
        domains,
        matchText(at(route, 'match')),
        actionText(route),
      ];
    });
  });
}

const pathMatches = ['prefix', 'path', 'path_separated_prefix'] as const;

function matchText(match: unknown): string {
  const kind = pathMatches.find((each) => at(match, each) !== undefined);
  const regex = textAt(match, 'safe_regex', 'regex');
  const path =
    kind === undefined
      ? regex && `~${regex}`
      : `${textAt(match, kind)}${kind === 'path' ? '' : '*'}`;
  const headers = listAt(match, 'headers').map((header) => {
    const exact = textAt(header, 'string_match', 'exact');
    return `${textAt(header, 'name')}${exact === '' ? '' : `=${exact}`}`;
  });
  return [path, ...headers].filter(Boolean).join(' ');
}

function actionText(route: unknown): string {
  const cluster = textAt(route, 'route', 'cluster') || textAt(route, 'route', 'cluster_header');
  if (cluster !== '') return cluster;
  const weighted = listAt(route, 'route', 'weighted_clusters', 'clusters').map(
    (entry) => `${textAt(entry, 'name')}=${textAt(entry, 'weight') || '0'}`,
  );
  if (weighted.length > 0) return weighted.join(' ');
  if (at(route, 'redirect') !== undefined) return 'redirect';
  const status = textAt(route, 'direct_response', 'status');
  return status === '' ? '' : `answers ${status}`;
}

function endpointRows(assignment: unknown, name: string): Row[] {
  return listAt(assignment, 'endpoints').flatMap((group) => {
    const place = ['region', 'zone', 'sub_zone'].map((part) => textAt(group, 'locality', part));
    const locality = place.join('/').replace(/\/+$/, '');
    return listAt(group, 'lb_endpoints').map((host) => [
      name,
      socketText(at(host, 'endpoint', 'address')),
      locality,
      textAt(group, 'priority') || '0',
      textAt(host, 'load_balancing_weight') || '1',
      textAt(host, 'health_status') || 'UNKNOWN',
    ]);
  });
}

function secretRows(secret: unknown, name: string): Row[] {
  return listAt(secret, 'certificates').map((certificate) => [
    name,
    textAt(secret, 'holds'),
    listAt(certificate, 'subject_alt_names').map(String).join(' '),
    textAt(certificate, 'valid_until'),
    textAt(certificate, 'fingerprint_sha256') || textAt(certificate, 'problem'),
  ]);
}

/** `10.0.0.1:80`, `[::1]:80`. */
export function socketText(address: unknown): string {
  const host = textAt(address, 'socket_address', 'address');
  if (host === '') return textAt(address, 'pipe', 'path');
  const port = textAt(address, 'socket_address', 'port_value');
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
