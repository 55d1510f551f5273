// A fake control plane behind the client's channel: the test is the server.

import { typeUrlOfKind, type XdsKind } from '../../controlplane/cache/kinds.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import type {
  AdsCall,
  AdsCallObserver,
  AdsChannel,
  AdsChannelFactory,
} from '../../dataplane/xds/ads-channel.ts';
import {
  type AnyBytes,
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
  type ResourceBytes,
  type ResourceErrorDetail,
} from '../../proto/discovery.ts';

export class FakeCall implements AdsCall {
  readonly path: string;
  readonly sent: Buffer[] = [];
  isCancelled = false;
  queued = 0;
  readonly #observer: AdsCallObserver;
  #nonce = 0;

  constructor(path: string, observer: AdsCallObserver) {
    this.path = path;
    this.#observer = observer;
  }

  send(bytes: Buffer): void {
    this.sent.push(bytes);
  }
  queuedCount(): number {
    return this.queued;
  }
  cancel(): void {
    this.isCancelled = true;
  }

  // --- what the test says as the server ---

  connect(): void {
    this.#observer.onConnected();
  }
  message(bytes: Uint8Array): void {
    this.#observer.onMessage(Buffer.from(bytes));
  }
  close(details = 'connection lost'): void {
    this.#observer.onClosed(14, details);
  }

  /** Requests since the last call. */
  takeDelta(): DeltaDiscoveryRequest[] {
    return this.sent.splice(0).map(decodeDeltaDiscoveryRequest);
  }
  takeSotw(): DiscoveryRequest[] {
    return this.sent.splice(0).map(decodeDiscoveryRequest);
  }

  delta(kind: XdsKind, resources: readonly SnapshotResource[], removed: string[] = []): string {
    const nonce = `d${++this.#nonce}`;
    this.message(
      encodeDeltaDiscoveryResponse({
        systemVersionInfo: `sys-${nonce}`,
        resources: resources.map(({ name, version, typeUrl, bytes }) => ({
          name,
          version,
          resource: { typeUrl, value: bytes },
        })),
        typeUrl: typeUrlOfKind(kind),
        removedResources: removed,
        nonce,
        controlPlane: 'fake',
      }),
    );
    return nonce;
  }

  /** Resources with a time to live, or (`resource` null) heartbeats; and errors in place of resources. */
  deltaOf(
    kind: XdsKind,
    resources: readonly ResourceBytes[],
    resourceErrors: readonly ResourceErrorDetail[] = [],
  ): void {
    const nonce = `d${++this.#nonce}`;
    this.message(
      encodeDeltaDiscoveryResponse({
        systemVersionInfo: `sys-${nonce}`,
        resources,
        typeUrl: typeUrlOfKind(kind),
        removedResources: [],
        resourceErrors,
        nonce,
        controlPlane: 'fake',
      }),
    );
  }

  /** Resources of any type. */
  wrappedDelta(typeUrl: string, resources: readonly ResourceBytes[]): void {
    const nonce = `d${++this.#nonce}`;
    const none = { systemVersionInfo: '', removedResources: [], controlPlane: '' };
    this.message(encodeDeltaDiscoveryResponse({ ...none, resources, typeUrl, nonce }));
  }

  /** State of the world without type_url. */
  untyped(versionInfo: string, resources: readonly AnyBytes[]): void {
    this.#sotwOf('', versionInfo, resources);
  }

  /** Resources as they are put, wrapped ones too. */
  wrapped(kind: XdsKind, versionInfo: string, resources: readonly AnyBytes[]): void {
    this.#sotwOf(typeUrlOfKind(kind), versionInfo, resources);
  }

  #sotwOf(typeUrl: string, versionInfo: string, resources: readonly AnyBytes[]): void {
    const nonce = `s${++this.#nonce}`;
    this.message(
      encodeDiscoveryResponse({ versionInfo, resources, typeUrl, nonce, controlPlane: '' }),
    );
  }

  sotw(kind: XdsKind, versionInfo: string, resources: readonly SnapshotResource[]): string {
    const nonce = `s${++this.#nonce}`;
    this.message(
      encodeDiscoveryResponse({
        versionInfo,
        resources: resources.map(({ typeUrl, bytes }) => ({ typeUrl, value: bytes })),
        typeUrl: typeUrlOfKind(kind),
        nonce,
        controlPlane: 'fake',
      }),
    );
    return nonce;
  }
}

/** Every attempt of the client, in order. */
export class FakeControlPlane {
  readonly calls: FakeCall[] = [];
  openChannels = 0;
  /** What the next attempts throw instead of opening. */
  failure: Error | null = null;

  readonly factory: AdsChannelFactory = (): AdsChannel => {
    if (this.failure !== null) throw this.failure;
    this.openChannels++;
    return {
      open: (path, observer) => {
        const call = new FakeCall(path, observer);
        this.calls.push(call);
        return call;
      },
      close: () => {
        this.openChannels--;
      },
    };
  };

  /** The newest call. */
  get call(): FakeCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('the client has not called');
    return call;
  }
}
