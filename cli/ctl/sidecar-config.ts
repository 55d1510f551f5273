// What a sidecar says that it runs (its admin's /config_dump, ours or Envoy's), compared with what the control plane
// serves it: `proxy-config NODE diff --admin`.

import { X509Certificate } from 'node:crypto';
import { CodedError, errorText } from '../../common/coded-error.ts';
import { diffJson } from '../../common/json-diff.ts';
import type { ResourceChange, ServedResource } from '../rest-client.ts';
import { at, listAt, textAt } from './json-path.ts';
import { socketText } from './proxy-config-tables.ts';

const TIMEOUT_MS = 10_000;

/** By kind, then name: the resource, or null for one that the sidecar cannot use yet. */
export type SidecarConfig = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

/** `address`: `host:port` or a URL. */
export async function readSidecarConfig(address: string): Promise<SidecarConfig> {
  const base = (address.includes('://') ? address : `http://${address}`).replace(/\/+$/, '');
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${base}/config_dump?include_eds`, { signal });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return parseConfigDump(await response.json());
  } catch (thrown) {
    const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
    throw new CodedError(
      'unreachable',
      `no sidecar admin answers at ${base} (${errorText(cause)}); name it with --admin HOST:PORT`,
      { cause: thrown },
    );
  }
}

/** The dynamic resources of a config dump; static ones come from the bootstrap and are nobody's concern here. */
export function parseConfigDump(dump: unknown): SidecarConfig {
  const config = new Map<string, Map<string, unknown>>();
  const add = (kind: string, name: string, resource: unknown): void => {
    const ofKind = config.get(kind) ?? new Map<string, unknown>();
    config.set(kind, ofKind);
    if (name !== '') ofKind.set(name, resource);
  };
  for (const part of listAt(dump, 'configs')) {
    const type = textAt(part, '@type');
    switch (type.slice(type.lastIndexOf('.') + 1)) {
      case 'ClustersConfigDump':
        for (const entry of listAt(part, 'dynamic_active_clusters')) {
          add('cluster', textAt(entry, 'cluster', 'name'), at(entry, 'cluster'));
        }
        break;
      case 'ListenersConfigDump':
        for (const entry of listAt(part, 'dynamic_listeners')) {
          add('listener', textAt(entry, 'name'), at(entry, 'active_state', 'listener') ?? null);
        }
        break;
      case 'RoutesConfigDump':
        for (const entry of listAt(part, 'dynamic_route_configs')) {
          add('route', textAt(entry, 'route_config', 'name'), at(entry, 'route_config'));
        }
        break;
      case 'EndpointsConfigDump':
        for (const entry of listAt(part, 'dynamic_endpoint_configs')) {
          const assignment = at(entry, 'endpoint_config');
          add('endpoint', textAt(assignment, 'cluster_name'), assignment);
        }
        break;
      case 'SecretsConfigDump':
        for (const entry of listAt(part, 'dynamic_active_secrets')) {
          add('secret', textAt(entry, 'name'), at(entry, 'secret'));
        }
        break;
    }
  }
  return config;
}

/**
 * What would have to happen to the sidecar's resources to make them the control plane's. Kinds that its dump does not
 * have (endpoints of an Envoy before include_eds, say) are left out.
 */
export function compareWithSidecar(
  served: readonly ServedResource[],
  sidecar: SidecarConfig,
): ResourceChange[] {
  const changes: ResourceChange[] = [];
  const isCluster = (name: string) =>
    served.some((one) => one.kind === 'cluster' && one.name === name && one.resource !== null);
  for (const [kind, held] of sidecar) {
    const wanted = new Map(
      served
        .filter((one) => one.kind === kind && one.resource !== null)
        .map((one) => [one.name, one]),
    );
    for (const { name, type, resource, state } of wanted.values()) {
      const mine = held.get(name);
      if (mine === undefined) {
        // A sidecar asks only for the endpoints, routes and secrets that something of it refers to.
        if (state !== 'NOT_SENT')
          changes.push({ type, name, change: 'added', fields: [], more: 0 });
        continue;
      }
      const diff = diffJson(comparable(kind, mine), comparable(kind, resource));
      if (diff.fields.length > 0) changes.push({ type, name, change: 'changed', ...diff });
    }
    for (const name of held.keys()) {
      // Envoy lists the hosts of STATIC clusters too.
      if (wanted.has(name) || (kind === 'endpoint' && isCluster(name))) continue;
      changes.push({
        type: shortNames[kind] ?? kind,
        name,
        change: 'removed',
        fields: [],
        more: 0,
      });
    }
  }
  return changes;
}

const shortNames: Readonly<Record<string, string>> = {
  cluster: 'CDS',
  listener: 'LDS',
  route: 'RDS',
  endpoint: 'EDS',
  secret: 'SDS',
};

/** The part of a resource that both sides can show: dumps add what the proxy found out, and redact. */
function comparable(kind: string, resource: unknown): unknown {
  if (kind === 'endpoint') return endpointsOf(resource);
  if (kind === 'secret') return fingerprintsOf(resource);
  if (typeof resource !== 'object' || resource === null) return resource;
  return Object.fromEntries(Object.entries(resource).filter(([key]) => key !== '@type'));
}

/** Hosts by address. Envoy's dump is of the hosts that it made from the assignment. */
function endpointsOf(assignment: unknown): unknown {
  const hosts: Record<string, unknown> = {};
  for (const group of listAt(assignment, 'endpoints')) {
    for (const host of listAt(group, 'lb_endpoints')) {
      hosts[socketText(at(host, 'endpoint', 'address'))] = {
        zone: textAt(group, 'locality', 'zone'),
        priority: textAt(group, 'priority') || '0',
        weight: textAt(host, 'load_balancing_weight') || '1',
      };
    }
  }
  return hosts;
}

/** From the control plane's summary or from the certificates in a dump. */
function fingerprintsOf(secret: unknown): unknown {
  const summarised = listAt(secret, 'certificates');
  if (summarised.length > 0) return summarised.map((one) => textAt(one, 'fingerprint_sha256'));
  const source =
    at(secret, 'tls_certificate', 'certificate_chain') ??
    at(secret, 'validation_context', 'trusted_ca');
  const text =
    textAt(source, 'inline_string') ||
    Buffer.from(textAt(source, 'inline_bytes'), 'base64').toString('latin1');
  const pems = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return pems.map((pem) => {
    try {
      return new X509Certificate(pem).fingerprint256;
    } catch {
      return 'unreadable'; // shows as a difference, which it is
    }
  });
}
