// How often a Service was gone. grpc-js-xds (1.14.1) keeps a deleted Listener or Cluster in its cache, so one that comes
// back as it was is no news to it, and the channel would stay broken for ever. So they come back a little different; the
// names stay, because after a restart the counts are forgotten, and names that are gone fail calls.

import type { MeshGraph } from '../../graph/graph.ts';
import { isGrpcCallable } from './callable.ts';

export class Removals {
  /** By service id. Grows with what documents name, not with what clients say. */
  readonly #counts = new Map<string, number>();
  #present: ReadonlySet<string> = new Set();

  /** `graph` is what is translated next. */
  see(graph: MeshGraph): void {
    const present = new Set(graph.services.filter(isGrpcCallable).map(({ id }) => id));
    for (const id of this.#present) {
      if (!present.has(id)) this.#counts.set(id, this.of(id) + 1);
    }
    this.#present = present;
  }

  of(serviceId: string): number {
    return this.#counts.get(serviceId) ?? 0;
  }
}
