// A source over one gRPC stream: the aggregated one with all types, or an own one with a single type.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';
import type { AdsChannelFactory } from './ads-channel.ts';
import { AdsTransport } from './ads-transport.ts';
import { DeltaMux } from './delta-mux.ts';
import type { Mux, MuxOwner } from './mux.ts';
import type { ResourceSource, SourceOwner, Update } from './resource-source.ts';
import { SotwMux } from './sotw-mux.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

export interface StreamSourceOptions {
  readonly protocol: 'DELTA_GRPC' | 'GRPC';
  /** gRPC method. */
  readonly path: string;
  readonly channelFactory: AdsChannelFactory;
  /** Encoded core.v3.Node. */
  readonly node: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: ControlPlaneStats;
  readonly baseBackoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly connectTimeoutMs?: number;
}

export class StreamSource implements ResourceSource, MuxOwner {
  readonly #owner: SourceOwner;
  readonly #mux: Mux;
  readonly #transport: AdsTransport;

  constructor(options: StreamSourceOptions, owner: SourceOwner) {
    this.#owner = owner;
    const { protocol, node } = options;
    this.#mux = protocol === 'GRPC' ? new SotwMux(this, node) : new DeltaMux(this, node);
    this.#transport = new AdsTransport(options, this.#mux);
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
    this.#owner.onUnknownType(typeUrl);
  }

  onControlPlane(identifier: string): void {
    this.#owner.onControlPlane(identifier);
  }
}
