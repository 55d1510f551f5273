// State of the world on one stream, client side: every request names all that is wanted, version_info is
// the last accepted version (a NACK repeats it), the nonce is that of the last response of the type.

import {
  type AnyBytes,
  decodeDiscoveryResponse,
  type ErrorDetail,
  encodeDiscoveryRequest,
  type ResourceBytes,
  unwrapResource,
} from '../../proto/discovery.ts';
import { WILDCARD } from '../api/config/config-source.ts';
import { adsTypeOrder, type ResourceKind, typeUrlOf, xdsTypes } from '../api/resource-compiler.ts';
import { kindOfTypeUrl, type Mux, type MuxOptions, type MuxOwner, NACK_CODE } from './mux.ts';
import { Subscription } from './subscription.ts';

class TypeStream {
  readonly subscription = new Subscription();
  /** Of the last response that was accepted as a whole; survives the stream. */
  acceptedVersion = '';
  /** A later response was refused, but what was good of it is in use: no version says that. */
  isBetweenVersions = false;
  /** Of the last response on this stream. */
  nonce = '';
}

export class SotwMux implements Mux {
  readonly #owner: MuxOwner;
  readonly #options: MuxOptions;
  readonly #types: ReadonlyMap<ResourceKind, TypeStream>;
  #isNodeSent = false;
  /** The type whose response was taken and not answered yet. */
  #answering: ResourceKind | null = null;

  constructor(owner: MuxOwner, options: MuxOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#types = new Map(adsTypeOrder.map((kind) => [kind, new TypeStream()]));
  }

  subscribeToAll(kind: ResourceKind): void {
    const type = this.#of(kind);
    if (type.subscription.subscribeToAll() && this.#owner.isOpen()) this.#send(kind, type, null);
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    const type = this.#of(kind);
    if (!type.subscription.unsubscribeFromAll() || this.#answering === kind) return;
    // Without names this changes nothing for the server: what it still sends is ignored.
    if (this.#owner.isOpen() && type.subscription.isActive) this.#send(kind, type, null);
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const type = this.#of(kind);
    const { subscription } = type;
    const news = subscription.change(added, removed);
    if (news.added.length === 0 && news.removed.length === 0) return;
    // The answer that is about to go out names them: any request with its nonce would be an answer.
    if (this.#answering === kind) return;
    // Not started and nothing wanted: an empty first request would mean everything.
    if (this.#owner.isOpen() && (subscription.isStarted || subscription.isActive)) {
      this.#send(kind, type, null);
    }
  }

  onOpen(isOther: boolean): void {
    this.#isNodeSent = false;
    for (const [kind, type] of this.#types) {
      type.nonce = '';
      if (isOther) type.acceptedVersion = '';
      type.subscription.isStarted = false;
      if (type.subscription.isActive) this.#send(kind, type, null);
    }
  }

  onClosed(): void {
    for (const [kind, { subscription }] of this.#types) {
      subscription.isStarted = false;
      if (subscription.isActive) this.#owner.onFailure(kind);
    }
  }

  onMessage(bytes: Uint8Array): void {
    const response = decodeDiscoveryResponse(bytes);
    const { typeUrl, nonce, versionInfo } = response;
    this.#owner.onControlPlane(response.controlPlane);
    const kind = kindOfTypeUrl(typeUrl, this.#options.kind);
    if (kind === null) {
      this.#owner.onUnknownType(typeUrl);
      const message = `unknown type URL ${JSON.stringify(typeUrl.slice(0, 200))}`;
      this.#sendRaw(typeUrl, '', nonce, [], { code: NACK_CODE, message });
      return;
    }
    const type = this.#of(kind);
    type.nonce = nonce;
    const message = this.#owner.receive({
      kind,
      resources: response.resources.map((any) => named(any, versionInfo)),
      removed: [],
      isFullState: xdsTypes[kind].isFullState,
      versionText: versionInfo,
    });
    type.isBetweenVersions = message !== null;
    if (message === null) type.acceptedVersion = versionInfo;
    // What the update needs is asked for before it is answered: a server that sends routes when clusters
    // were answered then sees that their endpoints are still to come.
    this.#answering = kind;
    try {
      this.#owner.settle();
    } finally {
      this.#answering = null;
    }
    this.#send(kind, type, message === null ? null : { code: NACK_CODE, message });
  }

  #of(kind: ResourceKind): TypeStream {
    const type = this.#types.get(kind);
    if (type === undefined) throw new Error(`no subscription of ${kind}`);
    return type;
  }

  #send(kind: ResourceKind, type: TypeStream, errorDetail: ErrorDetail | null): void {
    const { subscription } = type;
    // A server may believe a first request's version, and then sends nothing.
    const isBelievable = !type.isBetweenVersions && this.#holdsAll(kind, subscription);
    if (!subscription.isStarted && !isBelievable) type.acceptedVersion = '';
    subscription.isStarted = true;
    // A wildcard subscription names nothing; beside names it has to be said.
    const { isWildcard, names } = subscription;
    const wanted = isWildcard && names.size > 0 ? [WILDCARD, ...names] : [...names];
    this.#sendRaw(typeUrlOf[kind], type.acceptedVersion, type.nonce, wanted, errorDetail);
  }

  #holdsAll(kind: ResourceKind, { isWildcard, names }: Subscription): boolean {
    if (isWildcard) return true;
    const known = this.#owner.knownVersions(kind);
    return [...names].every((name) => known.has(name));
  }

  #sendRaw(
    typeUrl: string,
    versionInfo: string,
    responseNonce: string,
    resourceNames: readonly string[],
    errorDetail: ErrorDetail | null,
  ): void {
    const { bytes, isSentOnce } = this.#options.node;
    const node = this.#isNodeSent && isSentOnce ? null : bytes;
    this.#isNodeSent = true;
    this.#owner.send(
      encodeDiscoveryRequest({
        node,
        typeUrl,
        versionInfo,
        responseNonce,
        resourceNames,
        errorDetail,
      }),
    );
  }
}

function named(any: AnyBytes, version: string): ResourceBytes {
  const wrapped = unwrapResource(any);
  return wrapped === null ? { name: '', version, resource: any } : { ...wrapped, version };
}
