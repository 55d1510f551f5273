// Both ends of the wire against each other without a network: random snapshots, good and bad, random order of
// delivery, lost streams. Whatever happened, in the end the sidecar has exactly what the last snapshot says,
// and on the way it never had a listener without its routes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { delta } from '../../controlplane/ads/delta.ts';
import { sotw } from '../../controlplane/ads/sotw.ts';
import { Stream } from '../../controlplane/ads/stream.ts';
import type { StreamPort } from '../../controlplane/ads/stream-context.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import type {
  AdsCall,
  AdsCallObserver,
  AdsChannelFactory,
} from '../../dataplane/xds/ads-channel.ts';
import { adsPath, type RequestBase } from '../../proto/discovery.ts';
import { AdsWorld } from '../fakes/ads-node.ts';
import { setUpXdsClient } from '../fakes/xds-client-setup.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../fakes/xds-resources.ts';

/** One stream as two queues that the test empties. */
class Wire implements AdsCall {
  readonly toServer: Buffer[] = [];
  readonly toClient: Buffer[] = [];
  isOpen = true;
  readonly observer: AdsCallObserver;
  readonly #server: Stream<RequestBase>;

  constructor(world: AdsWorld, path: string, observer: AdsCallObserver) {
    this.observer = observer;
    const port: StreamPort = {
      write: (message) => this.toClient.push(message) > 0,
      pause: () => {},
      resume: () => {},
      end: (_code, details) => {
        throw new Error(`the server ended the stream: ${details}`);
      },
    };
    const peer = { address: '', certificate: null, metadata: new Map() };
    this.#server =
      path === adsPath.delta
        ? new Stream(delta, port, peer, world.context)
        : new Stream(sotw, port, peer, world.context);
  }

  send(bytes: Buffer): void {
    this.toServer.push(bytes);
  }
  queuedCount(): number {
    return 0;
  }
  cancel(): void {
    this.isOpen = false;
    this.#server.onEnd();
  }
  lose(): void {
    this.#server.onEnd();
    this.isOpen = false;
    this.observer.onClosed(14, 'lost');
  }
  pump(): void {
    this.#server.pump();
  }
  deliverToServer(): boolean {
    const message = this.toServer.shift();
    if (message !== undefined) this.#server.onMessage(message);
    return message !== undefined;
  }
  deliverToClient(): boolean {
    const message = this.toClient.shift();
    if (message !== undefined && this.isOpen) this.observer.onMessage(message);
    return message !== undefined;
  }
}

/** A mesh in few numbers: each cluster's variant, each listener's cluster. */
interface Mesh {
  /** Per cluster: 0 = absent, 1, 2 = variants, 3 = one that the client refuses. */
  readonly clusters: readonly number[];
  readonly port: number;
  /** Per listener: the cluster its routes lead to; -1 = absent. */
  readonly listeners: readonly number[];
}

function resourcesOf({ clusters, port, listeners }: Mesh): SnapshotResource[] {
  const resources: SnapshotResource[] = [];
  clusters.forEach((variant, i) => {
    const name = `c${i}`;
    if (variant === 0) return;
    resources.push(
      variant === 3
        ? resourceOf('cluster', name, {
            name,
            type: 'EDS',
            connect_timeout: { seconds: -1, nanos: 0 },
          })
        : edsCluster(name, variant * 1000),
      assignment(name, port),
    );
  });
  listeners.forEach((cluster, i) => {
    if (cluster < 0 || (clusters[cluster] ?? 0) === 0) return;
    // A new table name now and then, so that listeners change too.
    const table = `r${i}-${cluster % 2}`;
    resources.push(httpListener(`l${i}`, 1000 + i, table), routes(table, { '/': `c${cluster}` }));
  });
  return resources;
}

const meshes = (maxVariant: number): fc.Arbitrary<Mesh> =>
  fc.record({
    clusters: fc.array(fc.integer({ min: 0, max: maxVariant }), { minLength: 3, maxLength: 3 }),
    port: fc.integer({ min: 1, max: 3 }),
    listeners: fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 2, maxLength: 2 }),
  });

type Step =
  | { readonly kind: 'publish'; readonly mesh: Mesh }
  | { readonly kind: 'toServer' | 'toClient' | 'drain' | 'lose' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('publish' as const), mesh: meshes(3) }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant('toServer' as const) }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant('toClient' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('drain' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const) }) },
  ),
  { maxLength: 80, size: 'max' },
);

function run(protocol: 'DELTA_GRPC' | 'GRPC', walk: readonly Step[], last: Mesh): void {
  const world = new AdsWorld();
  let wire: Wire | null = null;
  const factory: AdsChannelFactory = () => ({
    open: (path, observer) => {
      wire = new Wire(world, path, observer);
      return wire;
    },
    close: () => {},
  });
  const { client, sink, timers } = setUpXdsClient({ protocol, channelFactory: factory });
  // Read anew each time: reconnecting replaces it.
  const current = (): Wire => wire ?? assert.fail('the client has not called');
  const publish = (mesh: Mesh): void => {
    world.publish(...resourcesOf(mesh));
    current().pump();
  };
  const check = (): void => {
    for (const listener of sink.listeners.values()) {
      const [reference = ''] = httpReferences(listener);
      // Said not to exist: after a lost stream the table may be gone before its listener is.
      const isMissing = () =>
        client.dump().some(({ name, status }) => name === reference && status === 'DOES_NOT_EXIST');
      assert.ok(sink.routes.has(reference) || isMissing(), `${listener.name} without ${reference}`);
    }
  };
  const drain = (): void => {
    let rounds = 0;
    while (current().deliverToServer() || current().deliverToClient()) {
      check();
      assert.ok(++rounds < 1000, 'a loop');
    }
  };
  client.start();
  for (const step of walk) {
    if (step.kind === 'publish') publish(step.mesh);
    else if (step.kind === 'toServer') current().deliverToServer();
    else if (step.kind === 'toClient') current().deliverToClient();
    else if (step.kind === 'drain') drain();
    else {
      current().lose();
      timers.advance(1);
    }
    check();
  }
  publish(last);
  drain();
  const expected = resourcesOf(last);
  const names = (kind: string) =>
    expected.filter((resource) => resource.kind === kind).map(({ name }) => name);
  assert.deepEqual([...sink.clusters.keys()].sort(), names('cluster').sort());
  assert.deepEqual([...sink.listeners.keys()].sort(), names('listener').sort());
  assert.deepEqual([...sink.routes.keys()].sort(), names('route').sort());
  for (const resource of expected) {
    const held = client.dump().find(({ kind, name }) => {
      return kind === resource.kind && name === resource.name;
    });
    assert.ok(
      held !== undefined && Buffer.compare(held.bytes, resource.bytes) === 0,
      resource.name,
    );
    assert.ok(held.isReleased, `${resource.kind} ${resource.name} is not in use`);
  }
  client.stop();
}

function httpReferences(listener: object): string[] {
  const found: string[] = [];
  JSON.stringify(listener, (key, value) => {
    if (key === 'route_config_name') found.push(String(value));
    return value;
  });
  return found;
}

for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
  test(`${protocol}: after any history the sidecar has what the last snapshot says`, () => {
    fc.assert(
      fc.property(steps, meshes(2), (walk, last) => run(protocol, walk, last)),
      { numRuns: 300 },
    );
  });
}
