// /config_dump: admin.v3.ConfigDump in JSON, out of the bootstrap message and the xDS client's store.
// Whatever the API marks as sensitive is redacted.

import { decodeMessage } from '../../proto/any.ts';
import { messageToJson } from '../../proto/json.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import { type ResourceKind, typeUrlOf } from '../api/resource-compiler.ts';

/** One resource of the xDS client's store. */
export interface DumpedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** The accepted version's bytes; null = none was ever accepted. */
  readonly bytes: Uint8Array | null;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly lastUpdatedMs: number;
  /** Why the newest version was rejected; null = it was not. */
  readonly error: string | null;
}

type Json = Readonly<Record<string, unknown>>;

const ADMIN = 'type.googleapis.com/envoy.admin.v3';

function typed(url: string, message: Json): Json {
  const json = messageToJson(url.slice(url.indexOf('/') + 1), message, { redact: true });
  return { '@type': url, ...json };
}

/** Sections in Envoy's order. */
export function configDump(
  bootstrap: BootstrapConfig,
  resources: readonly DumpedResource[],
  includeEds: boolean,
): readonly Json[] {
  // The bootstrap in plain form is what proto/json read, by its descriptor.
  const message = bootstrap.message as {
    readonly static_resources?: {
      readonly clusters?: readonly Json[];
      readonly listeners?: readonly Json[];
      readonly secrets?: readonly (Json & { readonly name?: string })[];
    };
  };
  const statics = message.static_resources ?? {};
  const of = (kind: ResourceKind) => resources.filter((resource) => resource.kind === kind);
  const clusters = of('cluster');
  const listeners = of('listener');
  const section = (name: string, fields: Json): Json => ({
    '@type': `${ADMIN}.${name}`,
    ...fields,
  });
  return [
    section('BootstrapConfigDump', {
      bootstrap: messageToJson('envoy.config.bootstrap.v3.Bootstrap', bootstrap.message, {
        redact: true,
      }),
    }),
    section('ClustersConfigDump', {
      ...list(
        'static_clusters',
        statics.clusters?.map((cluster) => ({ cluster: typed(typeUrlOf.cluster, cluster) })),
      ),
      ...list(
        'dynamic_active_clusters',
        clusters.map((resource) => dynamic(resource, 'cluster')),
      ),
    }),
    ...(includeEds
      ? [
          section('EndpointsConfigDump', {
            ...list(
              'dynamic_endpoint_configs',
              of('endpoint').map((resource) => dynamic(resource, 'endpoint_config')),
            ),
          }),
        ]
      : []),
    ...(of('extension-config').length === 0
      ? []
      : [
          section('EcdsConfigDump', {
            ecds_filters: of('extension-config').map((resource) =>
              dynamic(resource, 'ecds_filter'),
            ),
          }),
        ]),
    section('ListenersConfigDump', {
      ...list(
        'static_listeners',
        statics.listeners?.map((listener) => ({ listener: typed(typeUrlOf.listener, listener) })),
      ),
      ...list(
        'dynamic_listeners',
        listeners.map((resource) => ({
          name: resource.name,
          ...(resource.bytes === null
            ? {}
            : { active_state: dynamic({ ...resource, error: null }, 'listener') }),
          ...errorState(resource),
        })),
      ),
    }),
    ...(of('scoped-route').length === 0
      ? []
      : [section('ScopedRoutesConfigDump', scopes(of('scoped-route')))]),
    section('RoutesConfigDump', {
      ...list(
        'dynamic_route_configs',
        of('route').map((resource) => withVirtualHosts(resource, of('virtual-host'))),
      ),
    }),
    section('SecretsConfigDump', {
      ...list(
        'static_secrets',
        statics.secrets?.map((secret) => ({
          name: secret.name ?? '',
          secret: typed(typeUrlOf.secret, secret),
        })),
      ),
      ...list(
        'dynamic_active_secrets',
        of('secret').map((resource) => ({ name: resource.name, ...dynamic(resource, 'secret') })),
      ),
    }),
  ];
}

/** All scopes of the process as one set; Envoy has one for each connection manager. */
function scopes(resources: readonly DumpedResource[]): Json {
  const good = resources.filter(({ bytes }) => bytes !== null);
  const errors = resources.flatMap(({ error }) => (error === null ? [] : [error]));
  const lastUpdatedMs = Math.max(0, ...good.map((resource) => resource.lastUpdatedMs));
  return {
    dynamic_scoped_route_configs: [
      {
        scoped_route_configs: good.flatMap((resource) => dynamic(resource, 'scope')['scope'] ?? []),
        last_updated: new Date(lastUpdatedMs).toISOString(),
        ...(errors.length === 0 ? {} : { error_state: { details: errors.join('; ') } }),
      },
    ],
  };
}

/** As in Envoy those that came by VHDS stand in their route configuration. */
function withVirtualHosts(routes: DumpedResource, hosts: readonly DumpedResource[]): Json {
  const dumped = dynamic(routes, 'route_config');
  const { route_config: config } = dumped as { readonly route_config?: Json };
  const own = hosts.filter(({ name }) => name.slice(0, name.lastIndexOf('/')) === routes.name);
  if (config === undefined || own.length === 0) return dumped;
  // Written by messageToJson: a list, if it is there.
  const before = (config['virtual_hosts'] as readonly Json[] | undefined) ?? [];
  const more = own.flatMap((host) => {
    const shown = dynamic(host, 'host')['host'] as Json | undefined;
    if (shown === undefined) return [];
    const { '@type': _type, ...bare } = shown;
    return [bare];
  });
  return { ...dumped, route_config: { ...config, virtual_hosts: [...before, ...more] } };
}

function list(name: string, items: readonly object[] | undefined): Json {
  return items === undefined || items.length === 0 ? {} : { [name]: items };
}

function dynamic(resource: DumpedResource, field: string): Json {
  const { kind, bytes, version, lastUpdatedMs } = resource;
  const url = typeUrlOf[kind];
  const decoded =
    bytes === null ? null : decodeMessage<string>(url.slice(url.indexOf('/') + 1), bytes);
  return {
    version_info: version,
    ...(decoded?.ok === true ? { [field]: typed(url, decoded.value.message) } : {}),
    last_updated: new Date(lastUpdatedMs).toISOString(),
    ...errorState(resource),
  };
}

function errorState({ error }: DumpedResource): Json {
  return error === null ? {} : { error_state: { details: error } };
}
