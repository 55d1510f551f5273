// The names of what proxyless gRPC clients get: those of sidecars, but a Service that was gone and comes back gets new
// ones. grpc-js-xds (1.14.1) keeps a deleted Listener or Cluster in its cache, so what comes back as it was is no news
// to it, and the channel would stay broken for ever.

import type { MeshGraph, ServiceNode } from '../../graph/graph.ts';
import { outboundCluster } from '../names.ts';
import { isGrpcCallable } from './callable.ts';

export class GrpcNames {
  /** How often a Service went away, by id. Grows with what documents name, not with what clients say. */
  readonly #removals = new Map<string, number>();
  #present: ReadonlySet<string> = new Set();

  /** `graph` is what is translated next. */
  see(graph: MeshGraph): void {
    const present = new Set(graph.services.filter(isGrpcCallable).map(({ id }) => id));
    for (const id of this.#present) {
      if (!present.has(id)) this.#removals.set(id, (this.#removals.get(id) ?? 0) + 1);
    }
    this.#present = present;
  }

  /** Also the name of its endpoints. */
  cluster(serviceId: string, port: number, version: string | null): string {
    return outboundCluster(serviceId, port, version) + this.#suffix(serviceId);
  }

  routes({ id, port }: ServiceNode): string {
    return `grpc|${port}||${id}${this.#suffix(id)}`;
  }

  #suffix(serviceId: string): string {
    const removals = this.#removals.get(serviceId) ?? 0;
    return removals === 0 ? '' : `|${removals}`;
  }
}
