// Of which service each node was when its stream was admitted. The gate looks once per stream, and documents may make
// the node another service's afterwards: the stream must not get that one's key. Asked by main after each round.

interface Entry {
  readonly nodeId: string;
  readonly service: string;
  streams: number;
}

export class StreamIdentities {
  readonly #serviceOf: (nodeId: string) => string | null;
  readonly #entries = new Map<string, Entry>();

  /** `serviceOf` says whose instance a node is now; null = nobody's (any more). */
  constructor(serviceOf: (nodeId: string) => string | null) {
    this.#serviceOf = serviceOf;
  }

  /** A stream of that node gets the snapshot of that key. */
  opened(key: string, nodeId: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.streams++;
      return;
    }
    const service = this.#serviceOf(nodeId);
    if (service !== null) this.#entries.set(key, { nodeId, service, streams: 1 });
  }

  closed(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && --entry.streams === 0) this.#entries.delete(key);
  }

  /** Keys whose node is another service's by now; one that is gone keeps what it has. */
  strangers(): string[] {
    return [...this.#entries].flatMap(([key, { nodeId, service }]) => {
      const now = this.#serviceOf(nodeId);
      return now === null || now === service ? [] : [key];
    });
  }
}
