// Who listens to what goes over a node's streams (controlplane/status shows it live). Streams ask for their
// node's tap before each event and build none when nobody listens: a lookup in an empty map is all it costs.

import type { RequestBase } from '../../proto/discovery.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { RequestMeaning } from './protocol.ts';

export type StreamEvent =
  | {
      readonly kind: 'opened';
      readonly protocol: 'sotw' | 'delta';
      readonly userAgent: string;
      readonly address: string;
    }
  | {
      readonly kind: 'request';
      readonly meaning: RequestMeaning;
      readonly request: RequestBase;
      readonly bytes: number;
    }
  | {
      readonly kind: 'response';
      readonly typeUrl: string;
      readonly nonce: string;
      readonly version: string;
      readonly resources: readonly SnapshotResource[];
      readonly removed: readonly string[];
      readonly bytes: number;
    }
  /** `reason` is '' when the node ended it. */
  | { readonly kind: 'closed'; readonly reason: string };

/** Called on the stream's path: must not throw and must not keep what it cannot bound. */
export type StreamListener = (event: StreamEvent) => void;

export class StreamTaps {
  readonly #listeners = new Map<string, Set<StreamListener>>();

  /** Null = nobody listens to that node. */
  of(nodeId: string): StreamListener | null {
    if (this.#listeners.size === 0) return null;
    const listeners = this.#listeners.get(nodeId);
    if (listeners === undefined) return null;
    return (event) => {
      for (const listener of listeners) listener(event);
    };
  }

  /** From the next event on; also of streams that the node opens later. Returns the way to stop. */
  listen(nodeId: string, listener: StreamListener): () => void {
    const listeners = this.#listeners.get(nodeId) ?? new Set();
    this.#listeners.set(nodeId, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(nodeId) === listeners) {
        this.#listeners.delete(nodeId);
      }
    };
  }
}
