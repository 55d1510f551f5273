// Incremental xDS on one stream, client side (xds_protocol "Incremental xDS"). On a new stream every
// type asks again, telling which versions it holds, so an unchanged server has nothing to send.

import {
  type DeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  type ResourceBytes,
} from '../../proto/discovery.ts';
import { WILDCARD } from '../api/config/config-source.ts';
import { adsTypeOrder, type ResourceKind, typeUrlOf, xdsTypes } from '../api/resource-compiler.ts';
import { kindOfTypeUrl, type Mux, type MuxOptions, type MuxOwner, NACK_CODE } from './mux.ts';
import { Subscription } from './subscription.ts';

const noVersions: ReadonlyMap<string, string> = new Map();

export class DeltaMux implements Mux {
  readonly #owner: MuxOwner;
  readonly #options: MuxOptions;
  readonly #subscriptions: ReadonlyMap<ResourceKind, Subscription>;
  #isNodeSent = false;
  /** The versions that are held are those of another server. */
  #isOther = false;

  constructor(owner: MuxOwner, options: MuxOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#subscriptions = new Map(adsTypeOrder.map((kind) => [kind, new Subscription()]));
  }

  subscribeToAll(kind: ResourceKind): void {
    const subscription = this.#of(kind);
    if (!subscription.subscribeToAll() || !this.#owner.isOpen()) return;
    if (subscription.isStarted) this.#send(kind, { subscribe: [WILDCARD] });
    else this.#begin(kind, subscription);
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    const subscription = this.#of(kind);
    if (!subscription.unsubscribeFromAll()) return;
    if (this.#owner.isOpen() && subscription.isStarted)
      this.#send(kind, { unsubscribe: [WILDCARD] });
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const subscription = this.#of(kind);
    const news = subscription.change(added, removed);
    if (!this.#owner.isOpen() || (news.added.length === 0 && news.removed.length === 0)) return;
    if (subscription.isStarted) {
      this.#send(kind, { subscribe: news.added, unsubscribe: news.removed });
    } else if (subscription.isActive) {
      this.#begin(kind, subscription);
    }
  }

  onOpen(isOther: boolean): void {
    this.#isNodeSent = false;
    this.#isOther = isOther;
    for (const [kind, subscription] of this.#subscriptions) {
      subscription.isStarted = false;
      if (subscription.isActive) this.#begin(kind, subscription);
    }
  }

  onClosed(): void {
    for (const [kind, subscription] of this.#subscriptions) {
      subscription.isStarted = false;
      if (subscription.isActive) this.#owner.onFailure(kind);
    }
  }

  onMessage(bytes: Uint8Array): void {
    const response = decodeDeltaDiscoveryResponse(bytes);
    const { typeUrl, nonce: responseNonce, resources, removedResources } = response;
    this.#owner.onControlPlane(response.controlPlane);
    const kind = kindOfTypeUrl(typeUrl, this.#options.kind);
    if (kind === null) {
      this.#owner.onUnknownType(typeUrl);
      const message = `unknown type URL ${JSON.stringify(typeUrl.slice(0, 200))}`;
      this.#sendRaw({
        ...empty,
        typeUrl,
        responseNonce,
        errorDetail: { code: NACK_CODE, message },
      });
      return;
    }
    const unknown = xdsTypes[kind].isSparse === true ? resources.filter(isUnknown) : [];
    const message = this.#owner.receive({
      kind,
      resources: unknown.length === 0 ? resources : resources.filter((one) => !isUnknown(one)),
      errors: response.resourceErrors ?? [],
      removed: [...removedResources, ...unknown.map(({ name }) => name)],
      isFullState: false,
      versionText: response.systemVersionInfo,
    });
    // What the update needs is asked for before it is answered: a server that sends routes when clusters
    // were answered then sees that their endpoints are still to come.
    this.#owner.settle();
    const errorDetail = message === null ? null : { code: NACK_CODE, message };
    this.#send(kind, { responseNonce, errorDetail });
  }

  #of(kind: ResourceKind): Subscription {
    const subscription = this.#subscriptions.get(kind);
    if (subscription === undefined) throw new Error(`no subscription of ${kind}`);
    return subscription;
  }

  #begin(kind: ResourceKind, subscription: Subscription): void {
    subscription.isStarted = true;
    const known = this.#isOther ? noVersions : this.#owner.knownVersions(kind);
    // With nothing subscribed the first request is a wildcard; beside names it has to be said.
    const { isWildcard, names } = subscription;
    const saysAll = isWildcard && names.size > 0 && xdsTypes[kind].isSparse !== true;
    const subscribe = saysAll ? [WILDCARD, ...names] : [...names];
    this.#send(kind, { subscribe, initialResourceVersions: known });
  }

  #send(kind: ResourceKind, request: Partial<DeltaDiscoveryRequest>): void {
    this.#sendRaw({ ...empty, typeUrl: typeUrlOf[kind], ...request });
  }

  #sendRaw(request: DeltaDiscoveryRequest): void {
    const { bytes, isSentOnce } = this.#options.node;
    const node = this.#isNodeSent && isSentOnce ? null : bytes;
    this.#isNodeSent = true;
    this.#owner.send(encodeDeltaDiscoveryRequest({ ...request, node }));
  }
}

/** VHDS's word for a host that nobody serves: a name and no content. A heartbeat has a version. */
function isUnknown({ version, resource }: ResourceBytes): boolean {
  return resource === null && version === '';
}

const empty: DeltaDiscoveryRequest = {
  node: null,
  typeUrl: '',
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: noVersions,
  responseNonce: '',
  errorDetail: null,
};
