// THE table of what becomes of each kind of resource: when it is released to the data plane, in which order, and how
// it gets there. dependency-tracker.ts obeys it; api/resource-compiler.ts says how a kind is added.
//
//   cluster    released when its endpoints and secrets are there
//   listener   released when its routes and secrets are there; its routes go first
//   route      released when a released listener uses it, and no cluster that it names is still warming: not released,
//              or its hosts not checked yet (the sink says so)
//   scoped-    released when a released listener uses its source's scopes and its routes are there, which go first
//   route
//   virtual-   released when a released route uses its source's virtual hosts
//   host
//   endpoint   released when something released (or static) uses it, after its cluster, and again with it
//   runtime    released when it came (the bootstrap uses it); gone when the server says so
//   extension- released when a released listener (or static) uses it; gone when the server says so: its default is in
//   config     force then, if it has one
//   secret     released at once: harmless before its user is there, and needed with it
//
// Any kind may be subscribed to as a whole or by name, and what it refers to is wanted for as long as it is held.

import type { ClusterConfig, LoadAssignment } from '../api/config/cluster.ts';
import type { ExtensionConfigResource } from '../api/config/extension-config.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { RouteConfigData, VirtualHostResource } from '../api/config/route.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';
import type { SecretData } from '../api/config/tls.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { RuntimeResource } from '../api/runtime.ts';

export interface KindRule {
  /**
   * 'now': when it was accepted. 'used': when something released, or the bootstrap, needs it, and all that it needs
   * itself is there.
   */
  readonly release: 'now' | 'used';
  /** Relative to what refers to it. 'again': after it, and once more whenever that is released. */
  readonly order: 'before' | 'again';
  /**
   * When the server says that it is gone. 'keep': as in Envoy it stays in use and dies with what refers to it. Else it
   * leaves: 'first' at once, 'last' when nothing waits any more, because what waits may be what leads away from it.
   */
  readonly removal: 'keep' | 'first' | 'last';
  /** The data plane knows it by name alone, wherever it came from. */
  readonly isGlobal: boolean;
  apply(sink: ResourceSink, data: unknown): void;
  /** `id`: resourceId; `data`: what was applied last. */
  remove(sink: ResourceSink, id: string, data: unknown): void;
  /** In its place where nobody refers to it any more: whoever still drains goes on with it. */
  forget?(sink: ResourceSink, id: string): void;
}

/** The compiler's contract: data are what `apply` casts them to. Released in this order. */
export const kindRules: Readonly<Record<ResourceKind, KindRule>> = {
  secret: {
    release: 'now',
    order: 'before',
    removal: 'keep',
    isGlobal: false,
    apply: (sink, data) => sink.applySecret(data as SecretData),
    remove: (sink, id) => sink.removeSecret(id),
  },
  runtime: {
    release: 'used',
    order: 'before',
    removal: 'first',
    isGlobal: false,
    apply: (sink, data) => sink.applyRuntime(data as RuntimeResource),
    remove: (sink, id) => sink.removeRuntime(id),
  },
  cluster: {
    release: 'used',
    order: 'before',
    removal: 'last',
    isGlobal: true,
    apply: (sink, data) => sink.applyCluster(data as ClusterConfig),
    remove: (sink, id) => sink.removeCluster(id),
  },
  endpoint: {
    release: 'used',
    order: 'again',
    removal: 'keep',
    isGlobal: false,
    apply: (sink, data) => sink.applyEndpoints(data as LoadAssignment),
    // Endpoints go with their cluster.
    remove: () => {},
  },
  'extension-config': {
    release: 'used',
    order: 'before',
    removal: 'first',
    isGlobal: false,
    apply: (sink, data) => sink.applyExtensionConfig(data as ExtensionConfigResource),
    remove: (sink, id) => sink.removeExtensionConfig(id),
    forget: (sink, id) => sink.forgetExtensionConfig(id),
  },
  listener: {
    release: 'used',
    order: 'before',
    removal: 'first',
    isGlobal: true,
    apply: (sink, data) => sink.applyListener(data as ListenerConfig),
    remove: (sink, id) => sink.removeListener(id),
  },
  'virtual-host': {
    release: 'used',
    order: 'before',
    removal: 'first',
    isGlobal: false,
    apply: (sink, data) => sink.applyVirtualHost(data as VirtualHostResource),
    remove: (sink, _id, data) => sink.removeVirtualHost(data as VirtualHostResource),
  },
  'scoped-route': {
    release: 'used',
    order: 'before',
    removal: 'first',
    isGlobal: false,
    apply: (sink, data) => sink.applyScope(data as ScopeResource),
    remove: (sink, _id, data) => sink.removeScope(data as ScopeResource),
  },
  route: {
    release: 'used',
    order: 'before',
    removal: 'keep',
    isGlobal: false,
    apply: (sink, data) => sink.applyRoute(data as RouteConfigData),
    remove: (sink, id) => sink.removeRoute(id),
  },
};

/** The keys above, in their order. */
export const releaseOrder = Object.keys(kindRules) as readonly ResourceKind[];
