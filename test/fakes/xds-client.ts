// The xDS client's surroundings without a data plane: a compiler that knows just enough of the five types,
// and a sink that writes down what it is told, in order.

import { createHash } from 'node:crypto';
import { err, type FieldError, ok, type Result } from '../../common/result.ts';
import { referencesIn } from '../../controlplane/cache/references.ts';
import type { ClusterConfig, LoadAssignment } from '../../dataplane/api/config/cluster.ts';
import { adsSource } from '../../dataplane/api/config/config-source.ts';
import type { ExtensionConfigResource } from '../../dataplane/api/config/extension-config.ts';
import type { ListenerConfig } from '../../dataplane/api/config/listener.ts';
import type { RouteConfigData, VirtualHostResource } from '../../dataplane/api/config/route.ts';
import type { ScopeResource } from '../../dataplane/api/config/scoped-routes.ts';
import type { SecretData } from '../../dataplane/api/config/tls.ts';
import type {
  CompiledResource,
  CompileOutcome,
  ResourceCompiler,
  ResourceKind,
} from '../../dataplane/api/resource-compiler.ts';
import { adsTypeOrder, typeUrlOf } from '../../dataplane/api/resource-compiler.ts';
import type { ResourceSink } from '../../dataplane/api/resource-sink.ts';
import type { RuntimeResource } from '../../dataplane/api/runtime.ts';
import { decodeMessage } from '../../proto/any.ts';
import { typeNameOf } from '../../proto/type-urls.ts';

interface Named {
  readonly name?: string;
  readonly cluster_name?: string;
  readonly connect_timeout?: { readonly seconds: number };
  readonly stat_prefix?: string;
}

/** Refuses clusters with a negative connect_timeout and listeners with stat_prefix `bad`. */
export class FakeCompiler implements ResourceCompiler {
  compiled = 0;

  compile(kind: ResourceKind, bytes: Uint8Array): CompileOutcome {
    this.compiled++;
    const decoded = this.#decode(kind, bytes);
    if (!decoded.ok) return { ok: false, name: '', errors: decoded.errors };
    const message = decoded.value;
    const name = (kind === 'endpoint' ? message.cluster_name : message.name) ?? '';
    const errors: FieldError[] = [];
    if (name === '') errors.push({ path: 'name', message: 'must not be empty' });
    if ((message.connect_timeout?.seconds ?? 0) < 0) {
      errors.push({ path: 'connect_timeout', message: 'must be > 0' });
    }
    if (message.stat_prefix === 'bad') errors.push({ path: 'stat_prefix', message: 'is bad' });
    if (errors.length > 0) return { ok: false, name, errors };
    return { ok: true, resource: this.#resource(kind, name, message, bytes) };
  }

  #decode(kind: ResourceKind, bytes: Uint8Array): Result<Named, FieldError[]> {
    const decoded = decodeMessage(typeNameOf(typeUrlOf[kind]), bytes);
    // The fields that we look at are in some of the five types.
    return decoded.ok ? ok(decoded.value.message as Named) : err(decoded.errors);
  }

  #resource(
    kind: ResourceKind,
    name: string,
    message: object,
    bytes: Uint8Array,
  ): CompiledResource {
    const data = kind === 'endpoint' ? { clusterName: name, message } : { id: name, name, message };
    const found = referencesIn(kind, message);
    const references = found.flatMap(({ kind: to, name: of }) => {
      const known = adsTypeOrder.find((one) => one === to && one !== 'cluster');
      return known === undefined ? [] : [{ kind: known, name: of, source: adsSource }];
    });
    const clusters =
      kind === 'route'
        ? found.filter((to) => to.kind === 'cluster').map(({ name: cluster }) => cluster)
        : [];
    const hash = createHash('sha256').update(bytes).digest('hex');
    return { kind, name, data, references, clusters, hash, warnings: [] };
  }
}

/** Writes one line per call: `cluster a`, `-listener b`, `initialized`. */
export class RecordingSink implements ResourceSink {
  readonly calls: string[] = [];
  readonly clusters = new Map<string, ClusterConfig>();
  readonly endpoints = new Map<string, LoadAssignment>();
  readonly listeners = new Map<string, ListenerConfig>();
  readonly routes = new Map<string, RouteConfigData>();
  readonly secrets = new Map<string, SecretData>();
  isInitialized = false;

  /** The lines since the last call of this. */
  take(): string[] {
    return this.calls.splice(0);
  }

  applyCluster(cluster: ClusterConfig): void {
    this.calls.push(`cluster ${cluster.name}`);
    this.clusters.set(cluster.name, cluster);
  }
  /** Of clusters that were applied. */
  readonly warming = new Set<string>();
  isClusterWarming(name: string): boolean {
    return this.warming.has(name);
  }
  removeCluster(name: string): void {
    this.calls.push(`-cluster ${name}`);
    this.clusters.delete(name);
  }
  applyScope({ scope }: ScopeResource): void {
    this.calls.push(`scoped-route ${scope.name}`);
  }
  removeScope({ scope }: ScopeResource): void {
    this.calls.push(`-scoped-route ${scope.name}`);
  }
  applyRuntime({ id }: RuntimeResource): void {
    this.calls.push(`runtime ${id}`);
  }
  removeRuntime(id: string): void {
    this.calls.push(`-runtime ${id}`);
  }
  applyExtensionConfig({ id }: ExtensionConfigResource): void {
    this.calls.push(`extension-config ${id}`);
  }
  removeExtensionConfig(id: string): void {
    this.calls.push(`-extension-config ${id}`);
  }
  forgetExtensionConfig(id: string): void {
    this.calls.push(`~extension-config ${id}`);
  }
  applyVirtualHost({ name }: VirtualHostResource): void {
    this.calls.push(`virtual-host ${name}`);
  }
  removeVirtualHost({ name }: VirtualHostResource): void {
    this.calls.push(`-virtual-host ${name}`);
  }
  applyEndpoints(assignment: LoadAssignment): void {
    this.calls.push(`endpoint ${assignment.clusterName}`);
    this.endpoints.set(assignment.clusterName, assignment);
  }
  applySecret(secret: SecretData): void {
    this.calls.push(`secret ${secret.name}`);
    this.secrets.set(secret.name, secret);
  }
  removeSecret(name: string): void {
    this.calls.push(`-secret ${name}`);
    this.secrets.delete(name);
  }
  applyListener(listener: ListenerConfig): void {
    this.calls.push(`listener ${listener.name}`);
    this.listeners.set(listener.name, listener);
  }
  removeListener(name: string): void {
    this.calls.push(`-listener ${name}`);
    this.listeners.delete(name);
  }
  applyRoute(routes: RouteConfigData): void {
    this.calls.push(`route ${routes.name}`);
    this.routes.set(routes.name, routes);
  }
  removeRoute(name: string): void {
    this.calls.push(`-route ${name}`);
    this.routes.delete(name);
  }
  onInitialized(): void {
    this.calls.push('initialized');
    this.isInitialized = true;
  }
}
