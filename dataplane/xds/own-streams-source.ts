// A source of type GRPC or DELTA_GRPC: an own stream for each type that is wanted of it, open for as long as it is.

import type { ResourceKind } from '../api/resource-compiler.ts';
import type { ResourceSource } from './resource-source.ts';
import { Subscription } from './subscription.ts';

interface OwnStream {
  readonly source: ResourceSource;
  readonly wanted: Subscription;
}

export class OwnStreamsSource implements ResourceSource {
  readonly #open: (kind: ResourceKind) => ResourceSource;
  readonly #streams = new Map<ResourceKind, OwnStream>();
  #isRunning = false;

  /** `open` makes the stream of one type. */
  constructor(open: (kind: ResourceKind) => ResourceSource) {
    this.#open = open;
  }

  start(): void {
    this.#isRunning = true;
    for (const { source } of this.#streams.values()) source.start();
  }

  stop(): void {
    this.#isRunning = false;
    for (const { source } of this.#streams.values()) source.stop();
  }

  subscribeToAll(kind: ResourceKind): void {
    const { source, wanted } = this.#of(kind);
    wanted.subscribeToAll();
    source.subscribeToAll(kind);
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    const { source, wanted } = this.#of(kind);
    wanted.unsubscribeFromAll();
    if (wanted.isActive) source.unsubscribeFromAll(kind);
    else this.#close(kind, source);
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const { source, wanted } = this.#of(kind);
    wanted.change(added, removed);
    if (wanted.isActive) source.changeNames(kind, added, removed);
    else this.#close(kind, source);
  }

  #of(kind: ResourceKind): OwnStream {
    let stream = this.#streams.get(kind);
    if (stream === undefined) {
      stream = { source: this.#open(kind), wanted: new Subscription() };
      this.#streams.set(kind, stream);
      if (this.#isRunning) stream.source.start();
    }
    return stream;
  }

  #close(kind: ResourceKind, source: ResourceSource): void {
    source.stop();
    this.#streams.delete(kind);
  }
}
