// A source over one gRPC stream: the aggregated one with all types, or an own one with a single type.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { GrpcApiConfig, RequestRateLimit } from '../api/config/config-source.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';
import { AdsTransport, type TransportServer } from './ads-transport.ts';
import { DeltaMux } from './delta-mux.ts';
import type { Mux, MuxOwner, NodeBytes } from './mux.ts';
import type { ResourceSource, SourceOwner, Update } from './resource-source.ts';
import { SotwMux } from './sotw-mux.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

export interface StreamSourceOptions {
  readonly protocol: GrpcApiConfig['protocol'];
  /** gRPC method. */
  readonly path: string;
  /** The only type of an own stream, which responses need not name; null = they are of all types. */
  readonly kind: ResourceKind | null;
  readonly servers: readonly TransportServer[];
  readonly rateLimit: RequestRateLimit | null;
  readonly node: NodeBytes;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: ControlPlaneStats;
}

export class StreamSource implements ResourceSource, MuxOwner {
  readonly #options: StreamSourceOptions;
  readonly #owner: SourceOwner;
  readonly #mux: Mux;
  readonly #transport: AdsTransport;

  constructor(options: StreamSourceOptions, owner: SourceOwner) {
    this.#options = options;
    this.#owner = owner;
    const { protocol } = options;
    this.#mux = protocol === 'GRPC' ? new SotwMux(this, options) : new DeltaMux(this, options);
    const { rateLimit: limit, stats } = options;
    const rateLimit = limit === null ? null : { limit, stats };
    this.#transport = new AdsTransport({ ...options, rateLimit }, this.#mux);
  }

  start(): void {
    this.#transport.start();
  }

  stop(): void {
    this.#transport.stop();
  }

  subscribeToAll(kind: ResourceKind): void {
    this.#mux.subscribeToAll(kind);
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    this.#mux.unsubscribeFromAll(kind);
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    this.#mux.changeNames(kind, added, removed);
  }

  // --- MuxOwner ---

  send(message: Buffer): void {
    this.#transport.send(message);
  }

  isOpen(): boolean {
    return this.#transport.isOpen;
  }

  receive(update: Update): string | null {
    return this.#owner.receive(update);
  }

  settle(): void {
    this.#owner.settle();
  }

  knownVersions(kind: ResourceKind): ReadonlyMap<string, string> {
    return this.#owner.knownVersions(kind);
  }

  onRequest(kind: ResourceKind): void {
    this.#owner.onRequest(kind);
  }

  onFailure(kind: ResourceKind): void {
    this.#owner.onFailure(kind);
  }

  onUnknownType(typeUrl: string): void {
    const { stats, logger } = this.#options;
    stats.unknownTypes++;
    const shown = typeUrl.slice(0, 200);
    logger.warn({ typeUrl: shown }, 'xDS response of a type that nobody asked for');
  }

  onControlPlane(identifier: string): void {
    if (identifier !== '') this.#options.stats.identifier = identifier;
  }
}
