// A node on a fake stream of the ADS server: sends requests as bytes, keeps responses until they are taken.

import { silentLogger } from '../../common/logger.ts';
import { AckTracker } from '../../controlplane/ads/ack-tracker.ts';
import { AdsStats } from '../../controlplane/ads/ads-stats.ts';
import type { Authenticator } from '../../controlplane/ads/authn.ts';
import { delta } from '../../controlplane/ads/delta.ts';
import { sotw } from '../../controlplane/ads/sotw.ts';
import { Stream } from '../../controlplane/ads/stream.ts';
import type { StreamContext, StreamPort } from '../../controlplane/ads/stream-context.ts';
import { StreamTaps } from '../../controlplane/ads/stream-taps.ts';
import { isNamedKind, typeUrlOfKind, type XdsKind } from '../../controlplane/cache/kinds.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { Snapshot } from '../../controlplane/cache/snapshot.ts';
import { SnapshotCache } from '../../controlplane/cache/snapshot-cache.ts';
import { encodeMessage } from '../../proto/any.ts';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDiscoveryRequest,
} from '../../proto/discovery.ts';
import { FakeTimers } from './timers.ts';

export const NODE_ID = 'n1';

/** What streams share, with a cache that streams of one test listen to. */
export class AdsWorld {
  readonly cache = new SnapshotCache();
  readonly stats = new AdsStats();
  readonly timers = new FakeTimers();
  readonly taps = new StreamTaps();
  readonly tracker = new AckTracker(this.cache, this.timers.clock);
  readonly context: StreamContext;
  readonly #nodes: { pump(): void }[] = [];

  constructor(options: Partial<StreamContext> = {}) {
    const authenticate: Authenticator = (_peer, node) => {
      return { ok: true, snapshotKey: node.id, nodeId: node.id };
    };
    this.context = {
      cache: this.cache,
      tracker: this.tracker,
      taps: this.taps,
      stats: this.stats,
      clock: this.timers.clock,
      authenticate,
      timers: this.timers,
      logger: silentLogger(),
      identifier: 'cp-1',
      helloTimeoutMs: 15_000,
      answerTimeoutMs: 60_000,
      maxNames: 1000,
      requestsPerSecond: 0,
      mayAskFor: () => null,
      serves: isNamedKind,
      maxResponseBytes: 1 << 20,
      onKeyed: () => {},
      onClosed: () => {},
      ...options,
    };
  }

  publish(...resources: readonly SnapshotResource[]): void {
    this.cache.set(NODE_ID, Snapshot.of(resources));
    for (const node of this.#nodes) node.pump();
  }

  sotw(): SotwNode {
    const node = new SotwNode(this.context);
    this.#nodes.push(node);
    return node;
  }

  delta(): DeltaNode {
    const node = new DeltaNode(this.context);
    this.#nodes.push(node);
    return node;
  }
}

class FakePort implements StreamPort {
  readonly written: Buffer[] = [];
  ended: { readonly code: number; readonly details: string } | null = null;
  isPaused = false;
  /** What the next writes return. */
  takes = true;

  write(message: Buffer): boolean {
    this.written.push(message);
    return this.takes;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  end(code: number, details: string): void {
    this.ended = { code, details };
  }
}

const peer = { address: '127.0.0.1:1', certificate: null, metadata: new Map() };
export const nodeBytes = encodeMessage('envoy.config.core.v3.Node', {
  id: NODE_ID,
  user_agent_name: 'envoy',
});

export class SotwNode {
  readonly port = new FakePort();
  readonly stream: Stream<DiscoveryRequest>;
  #isFirst = true;

  constructor(context: StreamContext) {
    this.stream = new Stream(sotw, this.port, peer, context);
  }

  pump(): void {
    this.stream.pump();
  }

  request(kind: XdsKind, request: Partial<DiscoveryRequest> = {}): void {
    const node = this.#isFirst ? nodeBytes : null;
    this.#isFirst = false;
    this.stream.onMessage(
      encodeDiscoveryRequest({
        versionInfo: '',
        node,
        resourceNames: [],
        typeUrl: typeUrlOfKind(kind),
        responseNonce: '',
        errorDetail: null,
        ...request,
      }),
    );
  }

  /** The responses since the last call. */
  take(): DiscoveryResponse[] {
    return this.port.written.splice(0).map(decodeDiscoveryResponse);
  }

  ack(response: DiscoveryResponse, resourceNames: readonly string[] = []): void {
    const { typeUrl, nonce: responseNonce, versionInfo } = response;
    this.request('cluster', { typeUrl, responseNonce, versionInfo, resourceNames });
  }

  nack(response: DiscoveryResponse, message: string, resourceNames: readonly string[] = []): void {
    const { typeUrl, nonce: responseNonce } = response;
    const errorDetail = { code: 13, message };
    this.request('cluster', { typeUrl, responseNonce, errorDetail, resourceNames });
  }
}

export class DeltaNode {
  readonly port = new FakePort();
  readonly stream: Stream<DeltaDiscoveryRequest>;
  #isFirst = true;

  constructor(context: StreamContext) {
    this.stream = new Stream(delta, this.port, peer, context);
  }

  pump(): void {
    this.stream.pump();
  }

  request(kind: XdsKind, request: Partial<DeltaDiscoveryRequest> = {}): void {
    const node = this.#isFirst ? nodeBytes : null;
    this.#isFirst = false;
    this.stream.onMessage(
      encodeDeltaDiscoveryRequest({
        node,
        typeUrl: typeUrlOfKind(kind),
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: '',
        errorDetail: null,
        ...request,
      }),
    );
  }

  /** The responses since the last call. */
  take(): DeltaDiscoveryResponse[] {
    return this.port.written.splice(0).map(decodeDeltaDiscoveryResponse);
  }

  ack(response: DeltaDiscoveryResponse): void {
    this.request('cluster', { typeUrl: response.typeUrl, responseNonce: response.nonce });
  }

  nack(response: DeltaDiscoveryResponse, message: string): void {
    const { typeUrl, nonce: responseNonce } = response;
    this.request('cluster', { typeUrl, responseNonce, errorDetail: { code: 13, message } });
  }
}

/** `cluster +a +b -c`: what a response brings, without versions. */
export function gist(response: DeltaDiscoveryResponse): string {
  const kind = kindWord(response.typeUrl);
  const added = response.resources.map(({ name }) => ` +${name}`).join('');
  const removed = response.removedResources.map((name) => ` -${name}`).join('');
  return kind + added + removed;
}

export function kindWord(typeUrl: string): string {
  return (
    {
      Cluster: 'cluster',
      ClusterLoadAssignment: 'endpoint',
      Secret: 'secret',
      Listener: 'listener',
    }[typeUrl.slice(typeUrl.lastIndexOf('.') + 1)] ?? 'route'
  );
}
