// One person's live view of a node's xDS: turns what goes over its streams into lines of JSON, keeps a bounded number
// of them for a slow reader and says how many it had to drop. Exists only while somebody traces; secrets are summaries.

import type { Clock } from '../../common/clock.ts';
import { diffJson, type FieldChange } from '../../common/json-diff.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../proto/discovery.ts';
import type { StreamEvent } from '../ads/stream-taps.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import { resourceToJson } from './resource-json.ts';
import { typeNameOfUrl } from './type-names.ts';

export interface TraceLimits {
  /** Lines that wait for the reader. */
  readonly lines: number;
  /** Names per list of a line. */
  readonly names: number;
  /** Resources of a line whose fields are compared. */
  readonly diffs: number;
}

export const traceLimits: TraceLimits = { lines: 500, names: 50, diffs: 10 };

const MAX_REASON_CHARACTERS = 4096;
/** Of a name or type that a node made up: hundreds of lines may wait for a reader. */
const MAX_NAME_CHARACTERS = 512;

/** A list of names that may have been cut. */
export interface TracedNames {
  readonly names: readonly string[];
  /** How many there are beyond `names`. */
  readonly more: number;
}

export interface TracedChange {
  readonly name: string;
  readonly fields: readonly FieldChange[];
  readonly more: number;
}

/** One line of GET /v1/xds-trace. Fields that say nothing are left out. */
export interface TraceLine {
  /** ISO time. */
  readonly at: string;
  readonly event: 'tracing' | StreamEvent['kind'] | 'stale' | 'ACK' | 'NACK' | 'dropped';
  readonly type?: string;
  readonly bytes?: number;
  readonly nonce?: string;
  readonly version?: string;
  /** ACK and NACK: since the response was sent. */
  readonly afterMs?: number;
  readonly subscribe?: TracedNames;
  readonly unsubscribe?: TracedNames;
  /** Resources in a response, and those of them that the node was sent before. */
  readonly resources?: number;
  readonly added?: TracedNames;
  readonly changed?: readonly TracedChange[];
  readonly changedMore?: number;
  readonly unchanged?: number;
  readonly removed?: TracedNames;
  /** The node's reason for a NACK, ours for closing, who opened, or how things stand when the trace begins. */
  readonly text?: string;
  /** Of `dropped`: lines that the reader was too slow for. */
  readonly count?: number;
}

interface Sent {
  readonly nonce: string;
  readonly version: string;
  readonly atMs: number;
}

export class Trace {
  readonly #clock: Clock;
  readonly #limits: TraceLimits;
  readonly #onLine: () => void;
  readonly #lines: string[] = [];
  #dropped = 0;
  /** What the node was sent last, by type URL and name. */
  readonly #known = new Map<string, Map<string, SnapshotResource>>();
  readonly #sent = new Map<string, Sent>();

  /** `known`: what the node has at the start. `onLine`: there is something to `take`. */
  constructor(
    options: { readonly clock: Clock; readonly onLine: () => void; readonly limits?: TraceLimits },
    known: Iterable<SnapshotResource>,
  ) {
    this.#clock = options.clock;
    this.#onLine = options.onLine;
    this.#limits = options.limits ?? traceLimits;
    for (const resource of known) this.#knownOf(resource.typeUrl).set(resource.name, resource);
  }

  /** The first line, so that the reader knows that it is listening. */
  begin(text: string): void {
    this.#lines.push(
      JSON.stringify({ at: this.#now(), event: 'tracing', text } satisfies TraceLine),
    );
  }

  /** A stream listener (ads/stream-taps.ts). */
  onEvent(event: StreamEvent): void {
    // What the diff would compare with has to be right even when the line is dropped.
    const line = this.#lineOf(event, this.#lines.length < this.#limits.lines);
    if (line === null) this.#dropped++;
    else this.#lines.push(JSON.stringify(line));
    this.#onLine();
  }

  /** The next line of JSON; null = none waits. */
  take(): string | null {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    if (this.#dropped === 0) return null;
    const dropped: TraceLine = { at: this.#now(), event: 'dropped', count: this.#dropped };
    this.#dropped = 0;
    return JSON.stringify(dropped);
  }

  #lineOf(event: StreamEvent, isWanted: boolean): TraceLine | null {
    const at = this.#now();
    switch (event.kind) {
      case 'opened': {
        this.#sent.clear();
        const text = [event.protocol, event.userAgent, `from ${event.address}`];
        return isWanted ? { at, event: 'opened', text: text.filter(Boolean).join(', ') } : null;
      }
      case 'closed':
        if (!isWanted) return null;
        return { at, event: 'closed', text: event.reason || 'by the node' };
      case 'request':
        return isWanted ? this.#requestLine(at, event) : null;
      case 'response':
        return this.#responseLine(at, event, isWanted);
    }
  }

  #requestLine(at: string, event: StreamEvent & { readonly kind: 'request' }): TraceLine {
    const { request, bytes, meaning } = event;
    const { typeUrl, responseNonce, errorDetail } = request;
    const sent = this.#sent.get(typeUrl);
    const type = typeNameOfUrl(typeUrl.slice(0, MAX_NAME_CHARACTERS));
    const nonce =
      responseNonce === '' ? {} : { nonce: responseNonce.slice(0, MAX_NAME_CHARACTERS) };
    const names = this.#requestedNames(request as DiscoveryRequest | DeltaDiscoveryRequest); // the only two
    if (meaning === 'subscription') return { at, event: 'request', type, bytes, ...names };
    if (meaning === 'stale') return { at, event: 'stale', type, bytes, ...nonce, ...names };
    const answer = {
      ...nonce,
      ...(sent === undefined || sent.nonce !== responseNonce
        ? {}
        : { version: sent.version, afterMs: Math.round(this.#clock.wallMs() - sent.atMs) }),
    };
    if (meaning === 'ack') return { at, event: 'ACK', type, bytes, ...answer, ...names };
    const text = (errorDetail?.message ?? '').slice(0, MAX_REASON_CHARACTERS);
    return { at, event: 'NACK', type, bytes, ...answer, text };
  }

  /** SotW requests say the whole list each time: of ACKs it is left out. */
  #requestedNames(request: DiscoveryRequest | DeltaDiscoveryRequest) {
    if ('resourceNames' in request) {
      if (request.responseNonce !== '') return {};
      const names = request.resourceNames;
      return names.length === 0 ? {} : { subscribe: this.#cut(names) };
    }
    const { subscribe, unsubscribe } = request;
    return {
      ...(subscribe.length === 0 ? {} : { subscribe: this.#cut(subscribe) }),
      ...(unsubscribe.length === 0 ? {} : { unsubscribe: this.#cut(unsubscribe) }),
    };
  }

  #responseLine(
    at: string,
    event: StreamEvent & { readonly kind: 'response' },
    isWanted: boolean,
  ): TraceLine | null {
    const { typeUrl, nonce, version, resources, removed, bytes } = event;
    this.#sent.set(typeUrl, { nonce, version, atMs: this.#clock.wallMs() });
    const known = this.#knownOf(typeUrl);
    const added: string[] = [];
    const changed: [SnapshotResource, SnapshotResource][] = [];
    for (const resource of resources) {
      const before = known.get(resource.name);
      if (before === undefined) added.push(resource.name);
      else if (before.version !== resource.version) changed.push([before, resource]);
      known.set(resource.name, resource);
    }
    for (const name of removed) known.delete(name);
    if (!isWanted) return null;
    const { diffs } = this.#limits;
    const unchanged = resources.length - added.length - changed.length;
    return {
      ...{ at, event: 'response', type: typeNameOfUrl(typeUrl), bytes, nonce, version },
      resources: resources.length,
      ...(added.length === 0 ? {} : { added: this.#cut(added) }),
      ...(changed.length === 0
        ? {}
        : {
            changed: changed.slice(0, diffs).map(([before, after]) => ({
              name: after.name,
              ...diffJson(resourceToJson(before), resourceToJson(after)),
            })),
          }),
      ...(changed.length > diffs ? { changedMore: changed.length - diffs } : {}),
      ...(unchanged === 0 ? {} : { unchanged }),
      ...(removed.length === 0 ? {} : { removed: this.#cut(removed) }),
    };
  }

  #knownOf(typeUrl: string): Map<string, SnapshotResource> {
    let known = this.#known.get(typeUrl);
    if (known === undefined) {
      known = new Map();
      this.#known.set(typeUrl, known);
    }
    return known;
  }

  #cut(names: readonly string[]): TracedNames {
    const { names: limit } = this.#limits;
    const shown = names.slice(0, limit).map((name) => name.slice(0, MAX_NAME_CHARACTERS));
    return { names: shown, more: Math.max(0, names.length - limit) };
  }

  #now(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }
}
