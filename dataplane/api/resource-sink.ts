// Where xds/ delivers what the data plane shall use. server/ implements it (places hosts, posts to workers).
// Calls come in safe order, in the main thread, one after the other; each replaces what had that name:
//   a secret before the cluster or listener that needs it; a cluster, then its endpoints; routes before the
//   listener that uses them; removals last: listeners, then routes, clusters, secrets.
// Data are frozen; the implementation must not throw.

import type { ClusterConfig, LoadAssignment } from './config/cluster.ts';
import type { ExtensionConfigResource } from './config/extension-config.ts';
import type { ListenerConfig } from './config/listener.ts';
import type { RouteConfigData, VirtualHostResource } from './config/route.ts';
import type { ScopeResource } from './config/scoped-routes.ts';
import type { SecretData } from './config/tls.ts';
import type { RuntimeResource } from './runtime.ts';

export interface ResourceSink {
  applyCluster(cluster: ClusterConfig): void;
  removeCluster(name: string): void;
  /** It was applied, but its hosts are not resolved or not checked yet: no new route is to lead to it. */
  isClusterWarming(name: string): boolean;
  /**
   * `clusterName` of the assignment is the EDS resource name: it belongs to every cluster whose
   * edsServiceName that is. Called again, unchanged, after applyCluster of each such cluster.
   */
  applyEndpoints(assignment: LoadAssignment): void;
  applySecret(secret: SecretData): void;
  removeSecret(name: string): void;
  applyListener(listener: ListenerConfig): void;
  removeListener(name: string): void;
  applyRoute(routes: RouteConfigData): void;
  removeRoute(name: string): void;
  applyScope(scope: ScopeResource): void;
  removeScope(scope: ScopeResource): void;
  applyVirtualHost(host: VirtualHostResource): void;
  removeVirtualHost(host: VirtualHostResource): void;
  applyRuntime(layer: RuntimeResource): void;
  removeRuntime(id: string): void;
  applyExtensionConfig(config: ExtensionConfigResource): void;
  /** The server has it no more: defaults are in force. */
  removeExtensionConfig(id: string): void;
  /** Nobody refers to it any more; listeners that drain keep it. */
  forgetExtensionConfig(id: string): void;
  /** Once: the first clusters and listeners are complete, or the time to wait for them is over. */
  onInitialized(): void;
}
