// A running mesh, as `remora up` and its checks see it. process-mesh.ts starts one as processes,
// compose-mesh.ts attaches to one in containers.

import type { RestClient } from '../rest-client.ts';
import type { InstanceSpec, UpSpec } from './spec.ts';

export interface Mesh {
  readonly spec: UpSpec;
  /** Started by us: a part that ends by itself is a failure. Else its owner may restart parts at will. */
  readonly isOurs: boolean;
  /** Valid once `start` has resolved. */
  readonly api: RestClient;
  /** Where to read what the parts logged: a directory or a command. */
  readonly logs: string;
  /** Resolves when every sidecar is ready; rejects with CodedError 'mesh-failed'. */
  start(): Promise<void>;
  /** Applies one object through the control plane. */
  apply(object: object): Promise<void>;
  /** Text of a page of an instance's admin interface. */
  admin(instance: InstanceSpec, page: string): Promise<string>;
  /** Kills the application of an instance as a crash would; its sidecar stays. */
  killApplication(instance: InstanceSpec): Promise<void>;
  /** Why the mesh can no longer be trusted, or null. Cheap: asked every second. */
  failure(): Promise<string | null>;
  /** Ends what `start` started; undoes what a check did to a mesh that goes on. */
  stop(): Promise<void>;
}
