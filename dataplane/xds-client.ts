// `remora/xds-client`: an xDS client for programs of others. It keeps a stream, asks for types or names, decodes what
// comes, ACKs what the program accepts and NACKs what it does not, by name. The stream is the sidecar's own
// (dataplane/xds); what is done with resources is the program's. docs/xds-libraries.md shows it.

import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import { systemClock, systemRandom } from '../common/clock.ts';
import { CodedError, errorText } from '../common/coded-error.ts';
import { createLogger, type Logger } from '../common/logger.ts';
import { formatFieldError } from '../common/result.ts';
import { TimerWheel } from '../common/timer.ts';
import { decodeMessage, encodeMessage } from '../proto/any.ts';
import { adsPath, type ResourceBytes } from '../proto/discovery.ts';
import type { NodeProto } from '../proto/gen/types.ts';
import { nameInMessage, type XdsMessageKind, type XdsMessages } from '../proto/xds-messages.ts';
import { type ResourceKind, typeUrlOf, xdsTypes } from './api/resource-compiler.ts';
import { grpcChannelFactory } from './xds/ads-channel.ts';
import type { SourceOwner, Update } from './xds/resource-source.ts';
import { nackText } from './xds/resource-update.ts';
import { StreamSource } from './xds/stream-source.ts';
import { ControlPlaneStats } from './xds/xds-stats.ts';

export type { NodeProto } from '../proto/gen/types.ts';
export type { XdsMessageKind, XdsMessages } from '../proto/xds-messages.ts';

export interface XdsClientOptions {
  /** grpc-js target: `127.0.0.1:18000`, `dns:xds.example:443`, `unix:/run/xds`. */
  readonly target: string;
  /** What the first request says of us. */
  readonly node: NodeProto & { readonly id: string };
  /** Default: incremental. */
  readonly protocol?: 'delta' | 'sotw';
  /** Default: plaintext. */
  readonly credentials?: ChannelCredentials;
  /** Made anew for each stream, e.g. with a token. */
  readonly metadata?: () => Metadata;
  /** The first pause after a lost stream, and the longest; defaults 500 and 30 000. */
  readonly baseBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** Default: warnings and errors, as JSON lines on stderr. */
  readonly logger?: Logger;
}

export interface ReceivedResource<Kind extends XdsMessageKind> {
  readonly name: string;
  /** Of the resource (delta) or of the response (state of the world). */
  readonly version: string;
  /** In plain form. */
  readonly message: XdsMessages[Kind];
}

export interface Watcher<Kind extends XdsMessageKind> {
  /** What is wanted; default: all of the type. An empty list asks for nothing yet. */
  readonly names?: readonly string[];
  /** Why a resource is refused; null = it is taken. Default: whatever decodes is taken. Must not throw. */
  readonly check?: (resource: ReceivedResource<Kind>) => string | null;
  /** New and changed resources that were taken, each once. */
  readonly onUpdate: (resource: ReceivedResource<Kind>) => void;
  /** It is gone, or (delta) there is none of a name that was asked for. */
  readonly onRemoved?: (name: string) => void;
}

/** A watch of one type; one per type and client. */
export interface Watch {
  /** Changes what is wanted by name. */
  setNames(names: readonly string[]): void;
}

interface WatchState {
  readonly watcher: Watcher<XdsMessageKind>;
  names: readonly string[] | null;
  /** Name -> version and bytes of what was taken. */
  readonly held: Map<string, { readonly version: string; readonly bytes: Uint8Array }>;
}

export class XdsClient implements SourceOwner {
  readonly #source: StreamSource;
  readonly #stats = new ControlPlaneStats();
  readonly #watches = new Map<ResourceKind, WatchState>();
  readonly #logger: Logger;

  constructor(options: XdsClientOptions) {
    this.#logger = options.logger ?? createLogger('warning', 'xds-client');
    const protocol = options.protocol ?? 'delta';
    const { target, baseBackoffMs, maxBackoffMs } = options;
    this.#source = new StreamSource(
      {
        protocol: protocol === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        path: adsPath[protocol],
        kind: null,
        servers: [
          {
            channelFactory: grpcChannelFactory({
              target,
              credentials: options.credentials ?? credentials.createInsecure(),
              metadata: options.metadata ?? (() => new Metadata()),
            }),
            ...(baseBackoffMs === undefined ? {} : { baseBackoffMs }),
            ...(maxBackoffMs === undefined ? {} : { maxBackoffMs }),
          },
        ],
        rateLimit: null,
        node: {
          bytes: encodeMessage('envoy.config.core.v3.Node', options.node),
          isSentOnce: true,
        },
        clock: systemClock,
        random: systemRandom,
        timers: new TimerWheel(),
        logger: this.#logger,
        stats: this.#stats,
      },
      this,
    );
  }

  /** Opens the stream, and again whenever it is lost, until `stop`. What was received stays in force meanwhile. */
  start(): void {
    this.#source.start();
  }

  stop(): void {
    this.#source.stop();
  }

  /** A connection to the server stands. */
  get isConnected(): boolean {
    return this.#stats.connectedState === 1;
  }

  /** Before or after `start`. Throws `already-watched` when the type has a watcher. */
  watch<Kind extends XdsMessageKind>(kind: Kind, watcher: Watcher<Kind>): Watch {
    if (this.#watches.has(kind)) {
      throw new CodedError('already-watched', `there is a watcher of ${kind} already`);
    }
    const names = watcher.names ?? null;
    // Each type's resources go to its own watcher alone.
    const state: WatchState = {
      watcher: watcher as unknown as Watcher<XdsMessageKind>,
      names,
      held: new Map(),
    };
    this.#watches.set(kind, state);
    if (names === null) this.#source.subscribeToAll(kind);
    else this.#source.changeNames(kind, names, []);
    return { setNames: (next) => this.#setNames(kind, state, next) };
  }

  #setNames(kind: ResourceKind, state: WatchState, next: readonly string[]): void {
    const before = state.names ?? [];
    if (state.names === null) this.#source.unsubscribeFromAll(kind);
    state.names = [...next];
    const removed = before.filter((name) => !next.includes(name));
    for (const name of state.held.keys()) if (!next.includes(name)) state.held.delete(name);
    this.#source.changeNames(
      kind,
      next.filter((name) => !before.includes(name)),
      removed,
    );
  }

  // --- SourceOwner: called by the stream ---

  receive(update: Update): string | null {
    const state = this.#watches.get(update.kind);
    if (state === undefined) return null;
    const problems: string[] = [];
    const present = new Set<string>();
    for (const incoming of update.resources) {
      const problem = this.#take(update, incoming, state, present);
      if (problem !== null) problems.push(problem);
    }
    const gone = update.isFullState
      ? [...state.held.keys()].filter((name) => !present.has(name))
      : update.removed;
    for (const name of gone) {
      state.held.delete(name);
      this.#tell(() => state.watcher.onRemoved?.(name));
    }
    return problems.length === 0 ? null : nackText(problems);
  }

  settle(): void {}

  knownVersions(kind: ResourceKind): ReadonlyMap<string, string> {
    const held = this.#watches.get(kind)?.held ?? new Map<string, { readonly version: string }>();
    return new Map([...held].map(([name, { version }]) => [name, version]));
  }

  onRequest(): void {}
  onFailure(): void {}
  onControlPlane(identifier: string): void {
    this.#stats.identifier = identifier;
  }

  onUnknownType(typeUrl: string): void {
    this.#logger.warn({ typeUrl }, 'a response of a type that nobody asked for');
  }

  /** Null = taken, or nothing to look at. */
  #take(
    update: Update,
    incoming: ResourceBytes,
    state: WatchState,
    present: Set<string>,
  ): string | null {
    const { kind, versionText } = update;
    const { resource } = incoming;
    // A heartbeat: what is held is held on.
    if (resource === null) {
      present.add(incoming.name);
      return null;
    }
    if (resource.typeUrl !== typeUrlOf[kind]) {
      return `${kind}: type URL ${JSON.stringify(resource.typeUrl.slice(0, 200))}`;
    }
    const decoded = decodeMessage(xdsTypes[kind].message, resource.value);
    if (!decoded.ok)
      return `${kind} "${incoming.name}": ${decoded.errors.map(formatFieldError).join(', ')}`;
    // Decoded by the type's own descriptor.
    const message = decoded.value.message as XdsMessages[XdsMessageKind];
    const name = incoming.name === '' ? nameInMessage(kind, message) : incoming.name;
    present.add(name);
    if (state.names !== null && !state.names.includes(name) && kind !== 'virtual-host') return null;
    const version = incoming.version === '' ? versionText : incoming.version;
    const before = state.held.get(name);
    if (before !== undefined && Buffer.compare(before.bytes, resource.value) === 0) {
      state.held.set(name, { version, bytes: before.bytes });
      return null;
    }
    const received = { name, version, message };
    const refusal = state.watcher.check?.(received) ?? null;
    if (refusal !== null) return `${kind} "${name}": ${refusal}`;
    state.held.set(name, { version, bytes: resource.value });
    this.#tell(() => state.watcher.onUpdate(received));
    return null;
  }

  /** A watcher's mistake must not end the stream. */
  #tell(callback: () => void): void {
    try {
      callback();
    } catch (thrown) {
      this.#logger.error({ error: errorText(thrown) }, 'a watcher has thrown');
    }
  }
}
