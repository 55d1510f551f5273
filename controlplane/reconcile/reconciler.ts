// One round: store + registrations -> graph -> resources per node -> snapshot sink. Nodes whose
// certificate is still being issued wait for the next round. A failure keeps every last good snapshot.

import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { NodeCertificates } from '../ca/node-certificates.ts';
import { buildGraph } from '../graph/builder.ts';
import type { MeshGraph } from '../graph/graph.ts';
import type { Workload } from '../model/kinds/workload.ts';
import type { MeshObject } from '../model/object.ts';
import type { Store } from '../store/store.ts';
import { GrpcTranslator } from '../translate/grpc/grpc-translator.ts';
import { GrpcNames } from '../translate/grpc/names.ts';
import type { GrpcProfile } from '../translate/grpc/profile.ts';
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
  #grpc: GrpcTranslator | null = null;
  readonly #grpcNames = new GrpcNames();
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
    if (this.#grpc === null) return;
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
    const { store, joined, grpcProfiles, certificates, rootsPem, sink, logger } = this.#options;
    const documents = store.list().map(({ object }) => object);
    const graph = buildGraph(documents, joined());
    const translator = new Translator(graph);
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
      const { certificatePem, privateKeyPem } = certificate;
      const resources = translator.resourcesOf(proxy, {
        certificateChainPem: certificatePem,
        privateKeyPem,
        rootsPem,
      });
      ready.push({ nodeId, resources, publish: sink.prepare(nodeId, resources) });
    }
    this.#grpcNames.see(graph);
    const grpc = new GrpcTranslator(graph, this.#grpcNames);
    const clients = new Map(grpcProfiles());
    for (const [key, profile] of clients) {
      const resources = grpc.resourcesOf(profile);
      ready.push({ nodeId: key, resources, publish: sink.prepare(key, resources) });
    }
    this.#grpc = grpc;
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
      { services: graph.services.length, nodes: graph.proxies.size, ready: ready.length },
      'reconciled',
    );
  }
}
