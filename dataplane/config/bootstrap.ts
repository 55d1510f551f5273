// config.bootstrap.v3.Bootstrap -> BootstrapConfig. Called by load-bootstrap, which has decoded and
// validated the message and turns the errors' paths into lines.

import type { FieldError } from '../../common/result.ts';
import { encodeMessage } from '../../proto/any.ts';
import type { AdminProto, BootstrapProto, ClusterProto } from '../../proto/gen/types.ts';
import type {
  AdminConfig,
  BootstrapConfig,
  ClusterDefaults,
  NodeConfig,
} from '../api/config/bootstrap.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { systemDnsResolver } from '../api/config/dns.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SecretData } from '../api/config/tls.ts';
import { formatAddress } from '../api/connection.ts';
import type { DecodedAny, ExtensionData } from '../api/factory.ts';
import { compileAccessLogs } from '../compile/access-log.ts';
import { compileIpAddress } from '../compile/address.ts';
import { Compilation, mapItems } from '../compile/compilation.ts';
import { compileDnsResolver } from '../compile/dns-resolver.ts';
import { adsProtocolOf, compileDynamicResources } from './ads.ts';
import { ConfigContext, type ConfigRun } from './any-config.ts';
import { compileBindConfig } from './bind-config.ts';
import { compileCluster } from './cluster.ts';
import { ClusterTargets, managementClusters } from './grpc-target.ts';
import { compileLastGood } from './last-good.ts';
import { compileListener } from './listener.ts';
import { compileMaxDownstreamConnections } from './overload.ts';
import { References } from './references.ts';
import { compileReportService } from './report-service.ts';
import { type ConfigInputs, contentHash } from './resource-compiler.ts';
import { compileRuntime } from './runtime.ts';
import { compileSecret } from './secret.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';
const FILE_ACCESS_LOG = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';

/** What the command line says over the file. */
export interface BootstrapOverrides {
  /** --service-node, --service-cluster, --service-zone; '' = not given. */
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
}

/** The config is only usable when `errors` is empty. */
export interface CompiledBootstrap {
  readonly config: BootstrapConfig;
  readonly errors: readonly FieldError[];
}

export function compileBootstrap(
  bootstrap: BootstrapProto,
  inputs: ConfigInputs,
  overrides: BootstrapOverrides,
): CompiledBootstrap {
  const warnings: FieldError[] = [];
  const first = new StaticRun(bootstrap, inputs, new Map(), warnings);
  const node = compileNode(bootstrap, overrides, first.compilation);
  const runtimeLayers = compileRuntime(bootstrap.layered_runtime, node.cluster, first.compilation);
  inputs.runtime.configure(runtimeLayers);
  const secrets = compileSecrets(bootstrap, first.compilation);
  // From here on runtime keys and static secrets can be resolved.
  const run = new StaticRun(bootstrap, inputs, secrets, warnings);
  const { compilation } = run;
  const clusterDefaults = compileClusterDefaults(bootstrap, compilation);
  const listeners = compileListeners(bootstrap, compilation);
  const clusters = compileClusters(bootstrap, clusterDefaults, run);
  const config: BootstrapConfig = {
    node,
    admin: bootstrap.admin === undefined ? null : compileAdmin(bootstrap.admin, compilation),
    clusters,
    listeners,
    secrets: [...secrets.values()],
    dynamicResources: compileDynamicResources(bootstrap.dynamic_resources, compilation),
    references: [...first.references.list, ...run.references.list],
    mayAskLater: run.references.mayGrow,
    runtimeLayers,
    maxDownstreamConnections: compileMaxDownstreamConnections(
      bootstrap.overload_manager,
      compilation,
    ),
    clusterDefaults,
    localClusterName: compileLocalCluster(bootstrap, compilation),
    outlierEventLogPath: bootstrap.cluster_manager?.outlier_detection?.event_log_path ?? '',
    loadStats: compileReportService(
      bootstrap.cluster_manager?.load_stats_config,
      'cluster_manager.load_stats_config',
      compilation,
    ),
    hds: compileReportService(bootstrap.hds_config, 'hds_config', compilation),
    lastGood: compileLastGood(bootstrap.bootstrap_extensions, compilation),
    message: bootstrap,
    warnings,
  };
  const { errors: clusterErrors } = run.clusterTargets;
  return { config, errors: [...first.compilation.errors, ...compilation.errors, ...clusterErrors] };
}

/** One pass over the static resources. */
class StaticRun {
  readonly compilation: Compilation;
  /** Clusters that traffic may be sent to, known after listeners were compiled. */
  readonly referencedClusters = new Set<string>();
  readonly references = new References();
  readonly clusterTargets: ClusterTargets;

  constructor(
    bootstrap: BootstrapProto,
    inputs: ConfigInputs,
    staticSecrets: ReadonlyMap<string, SecretData>,
    warnings: FieldError[],
  ) {
    const names = (bootstrap.static_resources?.clusters ?? []).map(({ name }) => name ?? '');
    this.clusterTargets = new ClusterTargets(bootstrap, { ...inputs, staticSecrets });
    const run: ConfigRun = {
      environment: { ...inputs, staticSecrets, clusterTargets: this.clusterTargets },
      source: 'static',
      adsProtocol: adsProtocolOf(bootstrap),
      parentSource: null,
      references: this.references,
      // CDS may still bring any cluster.
      knownClusters: bootstrap.dynamic_resources?.cds_config === undefined ? new Set(names) : null,
      referencedClusters: this.referencedClusters,
      warnings,
    };
    this.compilation = new Compilation(new ConfigContext(run));
  }
}

function compileSecrets(
  bootstrap: BootstrapProto,
  compilation: Compilation,
): Map<string, SecretData> {
  const secrets = new Map<string, SecretData>();
  mapItems(bootstrap.static_resources?.secrets, 'static_resources.secrets', (proto, path) => {
    const secret = compileSecret(proto, path, compilation);
    if (secrets.has(secret.name)) {
      compilation.fail(`${path}.name`, `duplicate static secret '${secret.name}'`);
    }
    secrets.set(secret.name, secret);
  });
  return secrets;
}

function compileClusterDefaults(
  bootstrap: BootstrapProto,
  compilation: Compilation,
): ClusterDefaults {
  const resolver = bootstrap.typed_dns_resolver_config;
  const bind = bootstrap.cluster_manager?.upstream_bind_config;
  return {
    dnsResolver:
      resolver === undefined
        ? systemDnsResolver
        : compileDnsResolver(resolver, 'typed_dns_resolver_config', compilation),
    bind:
      bind === undefined
        ? { addresses: [], keepaliveS: null }
        : compileBindConfig(bind, 'cluster_manager.upstream_bind_config', compilation),
  };
}

function compileListeners(bootstrap: BootstrapProto, compilation: Compilation): ListenerConfig[] {
  const names = new Set<string>();
  const addresses = new Map<string, string>();
  const listeners = bootstrap.static_resources?.listeners;
  return mapItems(listeners, 'static_resources.listeners', (proto, path) => {
    const hash = contentHash(encodeMessage(LISTENER, proto));
    const listener = compileListener(proto, path, hash, compilation);
    if (names.has(listener.name)) {
      compilation.fail(`${path}.name`, `duplicate listener '${listener.name}'`);
    }
    names.add(listener.name);
    for (const address of [listener.address, ...listener.additionalAddresses]) {
      const text = formatAddress(address);
      // Port 0 and failed addresses are different ones each time.
      if (address.port === 0 && !text.startsWith('/')) continue;
      const other = addresses.get(text);
      if (other !== undefined && other !== path) {
        compilation.fail(
          path,
          `'${listener.name}' has duplicate address '${text}' as existing listener`,
        );
      }
      addresses.set(text, path);
    }
    return listener;
  });
}

/** After the listeners: only then it is known which clusters carry traffic. */
function compileClusters(
  bootstrap: BootstrapProto,
  defaults: ClusterDefaults,
  run: StaticRun,
): readonly ClusterConfig[] {
  const { compilation } = run;
  const management = managementClusters(bootstrap);
  const clusters: ClusterConfig[] = [];
  const names = new Set<string>();
  const list = bootstrap.static_resources?.clusters;
  mapItems(list, 'static_resources.clusters', (proto: ClusterProto, path) => {
    const name = proto.name ?? '';
    if (names.has(name)) compilation.fail(`${path}.name`, `duplicate cluster '${name}'`);
    names.add(name);
    if (!management.has(name) || run.referencedClusters.has(name)) {
      clusters.push(compileCluster(proto, path, defaults, compilation));
    }
  });
  return clusters;
}

function compileNode(
  bootstrap: BootstrapProto,
  overrides: BootstrapOverrides,
  compilation: Compilation,
): NodeConfig {
  const node = bootstrap.node;
  const id = overrides.serviceNode === '' ? (node?.id ?? '') : overrides.serviceNode;
  const cluster =
    overrides.serviceCluster === '' ? (node?.cluster ?? '') : overrides.serviceCluster;
  if (bootstrap.dynamic_resources !== undefined) {
    const hint = 'is required with dynamic_resources';
    if (id === '') compilation.fail('node.id', `${hint} (or --service-node)`);
    if (cluster === '') compilation.fail('node.cluster', `${hint} (or --service-cluster)`);
  }
  const locality = node?.locality;
  return {
    id,
    cluster,
    locality: {
      region: locality?.region ?? '',
      zone: overrides.serviceZone === '' ? (locality?.zone ?? '') : overrides.serviceZone,
      subZone: locality?.sub_zone ?? '',
    },
    metadata: node?.metadata ?? {},
  };
}

function compileAdmin(admin: AdminProto, compilation: Compilation): AdminConfig | null {
  const accessLogs = compileAccessLogs(admin.access_log, 'admin.access_log', compilation);
  if (admin.access_log_path !== undefined) {
    const log = compileAccessLogPath(admin.access_log_path, compilation);
    if (log !== null) accessLogs.push(log);
  }
  // Envoy: an admin section without an address starts no admin server.
  if (admin.address === undefined) return null;
  return { address: compileIpAddress(admin.address, 'admin.address', compilation), accessLogs };
}

/** The deprecated access_log_path means a file logger with the default format. */
function compileAccessLogPath(path: string, compilation: Compilation): ExtensionData | null {
  const typedConfig: DecodedAny = {
    type_url: `type.googleapis.com/${FILE_ACCESS_LOG}`,
    type_name: FILE_ACCESS_LOG,
    message: { path },
    value: Buffer.alloc(0),
  };
  const log = { name: 'envoy.access_loggers.file', typed_config: typedConfig };
  return compilation.extension('access-logger', log, 'admin.access_log_path');
}

function compileLocalCluster(bootstrap: BootstrapProto, compilation: Compilation): string {
  const name = bootstrap.cluster_manager?.local_cluster_name ?? '';
  if (name === '') return name;
  const path = 'cluster_manager.local_cluster_name';
  const clusters = bootstrap.static_resources?.clusters ?? [];
  const local = clusters.find((cluster) => cluster.name === name);
  if (local === undefined) compilation.fail(path, `unknown cluster '${name}'`);
  if (local?.load_assignment?.endpoints?.some(({ priority }) => (priority ?? 0) > 0) === true) {
    compilation.fail(path, `unexpected non-zero priority in local cluster '${name}'`);
  }
  return name;
}

export const noOverrides: BootstrapOverrides = {
  serviceNode: '',
  serviceCluster: '',
  serviceZone: '',
};
