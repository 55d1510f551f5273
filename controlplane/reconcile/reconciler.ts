// One round: store + registrations -> graph -> resources per node -> snapshot sink. Nodes whose
// certificate is still being issued wait for the next round. A failure keeps every last good snapshot.

import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { IssuedCertificate } from '../ca/authority.ts';
import type { NodeCertificates } from '../ca/node-certificates.ts';
import { buildGraph } from '../graph/builder.ts';
import type { MeshGraph } from '../graph/graph.ts';
import { GraphHistory } from '../graph/history.ts';
import type { Workload } from '../model/kinds/workload.ts';
import type { MeshObject } from '../model/object.ts';
import type { Store } from '../store/store.ts';
import { GrpcTranslator } from '../translate/grpc/grpc-translator.ts';
import type { GrpcProfile } from '../translate/grpc/profile.ts';
import type { NodeCertificate } from '../translate/secret.ts';
import { type NodeResources, Translator } from '../translate/translate.ts';

/** Where snapshots go: the cache, seen from here. */
export interface SnapshotSink {
  /** Checks and packs; what it returns publishes. Throws when the resources do not fit together. */
  prepare(nodeId: string, resources: NodeResources): () => void;
  remove(nodeId: string): void;
}

export interface ReconcilerOptions {
  readonly store: Store;
  readonly joined: () => readonly Workload[];
  /** Of the proxyless gRPC clients that are connected, by snapshot key. */
  readonly grpcProfiles: () => Iterable<readonly [string, GrpcProfile]>;
  readonly certificates: Pick<NodeCertificates, 'get' | 'retain'>;
  readonly rootsPem: string;
  readonly sink: SnapshotSink;
  readonly logger: Logger;
}

interface Ready {
  readonly nodeId: string;
  readonly resources: NodeResources;
  readonly publish: () => void;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  #graph: MeshGraph | null = null;
  #documents: readonly MeshObject[] = [];
  #lastError: string | null = null;
  #revision = 0;
  readonly #history = new GraphHistory();
  readonly #translator = new Translator(this.#history);
  readonly #identities = new WeakMap<IssuedCertificate, NodeCertificate>();
  readonly #grpc = new GrpcTranslator(this.#history);
  readonly #resources = new Map<string, NodeResources>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Of the last successful round. */
  get graph(): MeshGraph | null {
    return this.#graph;
  }

  /** What `graph` was made of, but for joined workloads. */
  get documents(): readonly MeshObject[] {
    return this.#documents;
  }

  /** Store revision of the last successful round. */
  get revision(): number {
    return this.#revision;
  }

  /** What a node was last given; null = nothing (yet). */
  resourcesOf(nodeId: string): NodeResources | null {
    return this.#resources.get(nodeId) ?? null;
  }

  /** Why the last round failed; null = it did not. */
  get lastError(): string | null {
    return this.#lastError;
  }

  run(): void {
    const { logger } = this.#options;
    try {
      this.#publish();
      this.#lastError = null;
    } catch (thrown) {
      // A bug of ours, not of a document: those were refused at the door.
      this.#lastError = errorText(thrown);
      logger.error({ error: this.#lastError }, 'reconcile failed; the last good state stays');
    }
  }

  /** The first client of a profile came: it gets what the last successful round says. */
  addGrpcProfile(key: string, profile: GrpcProfile): void {
    const { sink, logger } = this.#options;
    if (this.#graph === null) return;
    try {
      const resources = this.#grpc.resourcesOf(profile);
      sink.prepare(key, resources)();
      this.#resources.set(key, resources);
    } catch (thrown) {
      logger.error({ error: errorText(thrown), key }, 'no snapshot for a proxyless gRPC client');
    }
  }

  removeGrpcProfile(key: string): void {
    if (this.#resources.delete(key)) this.#options.sink.remove(key);
  }

  #publish(): void {
    const { store, joined, grpcProfiles, certificates, sink, logger } = this.#options;
    const documents = store.list().map(({ object }) => object);
    const graph = this.#history.succeed(buildGraph(documents, joined()));
    this.#translator.begin(graph);
    // Everything is translated and checked before anything is published: no half rounds.
    const ready: Ready[] = [];
    for (const proxy of graph.proxies.values()) {
      const { nodeId, service } = proxy;
      const certificate = certificates.get(
        nodeId,
        service.spiffeId,
        graph.settings.certificateTtlMs,
      );
      if (certificate === null) continue;
      const resources = this.#translator.resourcesOf(proxy, this.#identityOf(certificate));
      const before = this.#resources.get(nodeId);
      if (before !== undefined && isSame(before, resources)) continue;
      ready.push({ nodeId, resources, publish: sink.prepare(nodeId, resources) });
    }
    this.#grpc.begin(graph);
    const clients = new Map(grpcProfiles());
    for (const [key, profile] of clients) {
      const resources = this.#grpc.resourcesOf(profile);
      const before = this.#resources.get(key);
      if (before !== undefined && isSame(before, resources)) continue;
      ready.push({ nodeId: key, resources, publish: sink.prepare(key, resources) });
    }
    this.#graph = graph;
    this.#documents = documents;
    certificates.retain(new Set(graph.proxies.keys()));
    for (const { nodeId, resources, publish } of ready) {
      this.#resources.set(nodeId, resources);
      publish();
    }
    for (const nodeId of this.#resources.keys()) {
      if (graph.proxies.has(nodeId) || clients.has(nodeId)) continue;
      this.#resources.delete(nodeId);
      sink.remove(nodeId);
    }
    this.#revision = store.revision;
    logger.debug(
      { services: graph.services.length, nodes: graph.proxies.size, changed: ready.length },
      'reconciled',
    );
  }

  /** The same object for the same certificate. */
  #identityOf(issued: IssuedCertificate): NodeCertificate {
    let identity = this.#identities.get(issued);
    if (identity === undefined) {
      const { certificatePem: certificateChainPem, privateKeyPem } = issued;
      identity = { certificateChainPem, privateKeyPem, rootsPem: this.#options.rootsPem };
      this.#identities.set(issued, identity);
    }
    return identity;
  }
}

/** What the translator did not make anew. */
function isSame(before: NodeResources, now: NodeResources): boolean {
  // All of its keys are kinds.
  return (Object.keys(now) as (keyof NodeResources)[]).every((kind) => before[kind] === now[kind]);
}
