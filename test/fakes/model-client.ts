// What the protocol's text says a client holds, written without a look at the server: the model that a server is compared with. One
// client on one stream after another; what is under way to the server waits until the test lets it through.
// Source: envoyproxy.io, "xDS REST and gRPC protocol"; gRFC A46 (good resources of a response count although others are bad).

import { isFullStateKind, typeUrlOfKind, type XdsKind } from '../../controlplane/cache/kinds.ts';
import type { AnyBytes, DeltaDiscoveryRequest, DiscoveryRequest } from '../../proto/discovery.ts';
import { type AdsWorld, type DeltaNode, kindWord, type SotwNode } from './ads-node.ts';

export const modelKinds = ['cluster', 'endpoint', 'listener', 'route'] as const;
export type ModelKind = (typeof modelKinds)[number];

/** Tells what a resource is by its bytes: the test made them all. */
export interface Identified {
  readonly name: string;
  readonly version: string;
  readonly isBad: boolean;
}
export type Identify = (bytes: Uint8Array) => Identified;

/** What one client wants and holds of one type. */
export class ModelType {
  readonly names = new Set<string>();
  isWildcard = false;
  /** Name -> version. */
  readonly held = new Map<string, string>();
  /** Name -> the version that was refused last. */
  readonly refused = new Map<string, string>();
  /** Of the stream: a first request went out. */
  isStarted = false;
  nonce = '';
  /** SotW: of the last response that was good as a whole. */
  version = '';

  wants(name: string): boolean {
    return this.isWildcard || this.names.has(name);
  }

  take({ name, version, isBad }: Identified): boolean {
    if (isBad) this.refused.set(name, version);
    else this.held.set(name, version);
    return !isBad;
  }

  /** Drops what is not wanted any more. */
  prune(): void {
    for (const name of this.held.keys()) if (!this.wants(name)) this.held.delete(name);
  }
}

export abstract class ModelClient {
  readonly types: Readonly<Record<ModelKind, ModelType>>;
  protected readonly identify: Identify;
  readonly #toServer: (() => void)[] = [];

  constructor(identify: Identify) {
    this.identify = identify;
    const made = modelKinds.map((kind) => [kind, new ModelType()] as const);
    this.types = Object.fromEntries(made) as Record<ModelKind, ModelType>; // every kind is there
  }

  protected enqueue(request: () => void): void {
    this.#toServer.push(request);
  }

  /** False = nothing was under way. */
  deliverToServer(): boolean {
    const request = this.#toServer.shift();
    request?.();
    return request !== undefined;
  }

  /** A new stream; what was under way is lost. `mangle` may say something wrong about what is held. */
  connect(mangle: (held: Map<string, string>) => void): void {
    this.#toServer.length = 0;
    for (const kind of modelKinds) {
      const type = this.types[kind];
      type.isStarted = false;
      type.nonce = '';
    }
    this.open();
    for (const kind of modelKinds) {
      const type = this.types[kind];
      if (type.isWildcard || type.names.size > 0) this.begin(kind, mangle);
    }
  }

  /** Changes what is wanted; `names` are the explicit ones. */
  want(kind: ModelKind, names: readonly string[], isWildcard: boolean): void {
    const type = this.types[kind];
    const added = names.filter((name) => !type.names.has(name));
    const removed = [...type.names].filter((name) => !names.includes(name));
    const wasWildcard = type.isWildcard;
    type.names.clear();
    for (const name of names) type.names.add(name);
    type.isWildcard = isWildcard && isFullStateKind(kind);
    type.prune();
    if (!type.isStarted) {
      if (type.isWildcard || names.length > 0) this.begin(kind, () => {});
      return;
    }
    this.change(kind, added, removed, wasWildcard);
  }

  protected abstract open(): void;
  protected abstract begin(kind: ModelKind, mangle: (held: Map<string, string>) => void): void;
  protected abstract change(
    kind: ModelKind,
    added: readonly string[],
    removed: readonly string[],
    wasWildcard: boolean,
  ): void;
  /** Takes and answers the next response; false = there is none. */
  abstract deliverToClient(): boolean;
}

const refusal = { code: 3, message: 'refused by the model' };

export class DeltaModel extends ModelClient {
  readonly #world: AdsWorld;
  #node: DeltaNode;
  #inbox: ReturnType<DeltaNode['take']> = [];

  constructor(world: AdsWorld, identify: Identify) {
    super(identify);
    this.#world = world;
    this.#node = world.delta();
  }

  protected open(): void {
    this.#node.stream.onEnd();
    this.#inbox = [];
    this.#node = this.#world.delta();
  }

  #request(kind: XdsKind, request: Partial<DeltaDiscoveryRequest>): void {
    const node = this.#node;
    this.enqueue(() => node.request(kind, request));
  }

  protected begin(kind: ModelKind, mangle: (held: Map<string, string>) => void): void {
    const type = this.types[kind];
    type.isStarted = true;
    const initialResourceVersions = new Map(type.held);
    mangle(initialResourceVersions);
    // Without a name it means everything; beside names the wildcard has to be said.
    const subscribe = [...type.names, ...(type.isWildcard && type.names.size > 0 ? ['*'] : [])];
    this.#request(kind, { subscribe, initialResourceVersions });
  }

  protected change(
    kind: ModelKind,
    added: readonly string[],
    removed: readonly string[],
    wasWildcard: boolean,
  ): void {
    const { isWildcard } = this.types[kind];
    const subscribe = [...added, ...(isWildcard && !wasWildcard ? ['*'] : [])];
    const unsubscribe = [...removed, ...(wasWildcard && !isWildcard ? ['*'] : [])];
    if (subscribe.length + unsubscribe.length > 0) this.#request(kind, { subscribe, unsubscribe });
  }

  deliverToClient(): boolean {
    this.#inbox.push(...this.#node.take());
    const response = this.#inbox.shift();
    if (response === undefined) return false;
    const kind = kindWord(response.typeUrl) as ModelKind; // only these were asked for
    const type = this.types[kind];
    let isGood = true;
    for (const { name, resource } of response.resources) {
      const identified = this.identify(resource?.value ?? new Uint8Array());
      if (identified.name !== name) throw new Error(`${name} holds ${identified.name}`);
      if (type.wants(name)) isGood = type.take(identified) && isGood;
    }
    for (const name of response.removedResources) type.held.delete(name);
    const errorDetail = isGood ? null : refusal;
    this.#request(kind, { responseNonce: response.nonce, errorDetail });
    return true;
  }
}

export class SotwModel extends ModelClient {
  readonly #world: AdsWorld;
  #node: SotwNode;
  #inbox: ReturnType<SotwNode['take']> = [];

  constructor(world: AdsWorld, identify: Identify) {
    super(identify);
    this.#world = world;
    this.#node = world.sotw();
  }

  protected open(): void {
    this.#node.stream.onEnd();
    this.#inbox = [];
    this.#node = this.#world.sotw();
  }

  #request(kind: ModelKind, more: Partial<DiscoveryRequest> = {}): void {
    const { names, isWildcard, version: versionInfo, nonce: responseNonce } = this.types[kind];
    const resourceNames = [...names, ...(isWildcard && names.size > 0 ? ['*'] : [])];
    const node = this.#node;
    this.enqueue(() => node.request(kind, { versionInfo, responseNonce, resourceNames, ...more }));
  }

  protected begin(kind: ModelKind, mangle: (held: Map<string, string>) => void): void {
    const type = this.types[kind];
    type.isStarted = true;
    // A version says what was held of other names, too: a client that wants others must not say it.
    type.version = '';
    const said = new Map<string, string>();
    mangle(said);
    this.#request(kind, said.size > 0 ? { versionInfo: 'not-a-version' } : {});
  }

  protected change(kind: ModelKind): void {
    const type = this.types[kind];
    // Once something was named an empty list means nothing: the wildcard has to be said from then on.
    this.#request(kind, type.isWildcard ? { resourceNames: [...type.names, '*'] } : {});
  }

  deliverToClient(): boolean {
    this.#inbox.push(...this.#node.take());
    const response = this.#inbox.shift();
    if (response === undefined) return false;
    const kind = kindWord(response.typeUrl) as ModelKind; // only these were asked for
    const type = this.types[kind];
    type.nonce = response.nonce;
    let isGood = true;
    const present = new Set<string>();
    for (const { typeUrl, value } of response.resources satisfies readonly AnyBytes[]) {
      if (typeUrl !== typeUrlOfKind(kind)) throw new Error(`${typeUrl} among ${kind}`);
      const identified = this.identify(value);
      if (present.has(identified.name)) throw new Error(`${identified.name} twice`);
      present.add(identified.name);
      if (type.wants(identified.name)) isGood = type.take(identified) && isGood;
    }
    if (isFullStateKind(kind)) {
      for (const name of type.held.keys()) if (!present.has(name)) type.held.delete(name);
    }
    if (isGood) type.version = response.versionInfo;
    this.#request(kind, {
      ...(isGood ? {} : { errorDetail: refusal }),
      ...(type.isWildcard ? { resourceNames: [...type.names, '*'] } : {}),
    });
    return true;
  }
}
