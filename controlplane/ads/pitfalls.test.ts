// What other xDS servers got wrong, each under the number of its issue. A row runs in both protocols unless it
// says why not. `synced` answers everything until there is silence and tells what came. What concerns the
// content for gRPC programs (grpc-go #5613, #6217, istio PR #36033) is held by the tests of translate/grpc.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AdsWorld,
  type DeltaNode,
  gist,
  kindWord,
  NODE_ID,
  type SotwNode,
} from '../../test/fakes/ads-node.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';
import { missingReferences } from '../cache/consistency.ts';
import type { XdsKind } from '../cache/kinds.ts';
import { NodeGroups } from '../cache/node-groups.ts';
import { Snapshot } from '../cache/snapshot.ts';

/** A client of either protocol that wants names of types, and says everything that a client says. */
interface Client {
  /** All that it wants of the type from now on; `*` is everything. */
  want(kind: XdsKind, ...names: readonly string[]): void;
  /** Answers until there is silence. What came, as `<type> <names>`; removals with a minus. */
  synced(refuse?: (gist: string) => string | null): string[];
  /** Without answering. */
  take(): string[];
  readonly port: DeltaNode['port'];
}

class DeltaClient implements Client {
  readonly node: DeltaNode;
  readonly #wanted = new Map<XdsKind, readonly string[]>();

  constructor(world: AdsWorld) {
    this.node = world.delta();
  }

  get port(): DeltaNode['port'] {
    return this.node.port;
  }

  want(kind: XdsKind, ...names: readonly string[]): void {
    const before = this.#wanted.get(kind) ?? [];
    this.#wanted.set(kind, names);
    this.node.request(kind, {
      subscribe: names.filter((name) => !before.includes(name)),
      unsubscribe: before.filter((name) => !names.includes(name)),
    });
  }

  take(): string[] {
    return this.node.take().map(gist);
  }

  synced(refuse: (gist: string) => string | null = () => null): string[] {
    const seen: string[] = [];
    for (let round = 0; round < 50; round++) {
      const responses = this.node.take();
      if (responses.length === 0) return seen;
      for (const response of responses) {
        seen.push(gist(response));
        const reason = refuse(gist(response));
        if (reason === null) this.node.ack(response);
        else this.node.nack(response, reason);
      }
    }
    throw new Error(`a loop: ${seen.slice(0, 8)}`);
  }
}

class SotwClient implements Client {
  readonly node: SotwNode;
  readonly #wanted = new Map<string, readonly string[]>();
  readonly #last = new Map<string, { responseNonce: string; versionInfo: string }>();

  constructor(world: AdsWorld) {
    this.node = world.sotw();
  }

  get port(): SotwNode['port'] {
    return this.node.port;
  }

  want(kind: XdsKind, ...names: readonly string[]): void {
    this.#wanted.set(kind, names);
    this.node.request(kind, { resourceNames: names, ...this.#last.get(kind) });
  }

  take(): string[] {
    return this.node.take().map(gistOf);
  }

  synced(refuse: (gist: string) => string | null = () => null): string[] {
    const seen: string[] = [];
    for (let round = 0; round < 50; round++) {
      const responses = this.node.take();
      if (responses.length === 0) return seen;
      for (const response of responses) {
        seen.push(gistOf(response));
        const kind = kindWord(response.typeUrl);
        const reason = refuse(gistOf(response));
        const names = this.#wanted.get(kind) ?? [];
        const { nonce: responseNonce, versionInfo } = response;
        const accepted = reason === null ? versionInfo : (this.#last.get(kind)?.versionInfo ?? '');
        this.#last.set(kind, { responseNonce, versionInfo: accepted });
        if (reason === null) this.node.ack(response, names);
        else this.node.nack(response, reason, names);
      }
    }
    throw new Error(`a loop: ${seen.slice(0, 8)}`);
  }
}

function gistOf(response: ReturnType<SotwNode['take']>[number]): string {
  return `${kindWord(response.typeUrl)} ${response.resources.length}`;
}

const protocols = [
  ['delta', (world: AdsWorld): Client => new DeltaClient(world)],
  ['sotw', (world: AdsWorld): Client => new SotwClient(world)],
] as const;

const mesh = (port = 1, timeoutMs = 1000) => [
  edsCluster('a', timeoutMs),
  assignment('a', port),
  routes('r', { '/': 'a' }),
  httpListener('l', 1000, 'r'),
];

for (const [protocol, clientOf] of protocols) {
  const isDelta = protocol === 'delta';
  describe(`pitfalls of others, ${protocol}`, () => {
    test('go-control-plane #399: an unchanged version does not starve newly added names', () => {
      const world = new AdsWorld();
      world.publish(assignment('a', 1), assignment('b', 2));
      const client = clientOf(world);
      client.want('endpoint', 'a');
      client.synced();
      client.want('endpoint', 'a', 'b');
      assert.deepEqual(client.synced(), [isDelta ? 'endpoint +b' : 'endpoint 1']);
    });

    test('go-control-plane #426, grpc-go #5131: a subset of the names is answered without the rest', () => {
      const world = new AdsWorld();
      world.publish(...mesh(), assignment('b', 2), routes('s', {}));
      const client = clientOf(world);
      client.want('endpoint', 'b');
      assert.equal(client.synced().length, 1);
      client.want('route', 's');
      assert.equal(client.synced().length, 1);
    });

    test('go-control-plane #119: a static EDS cluster asks before there is a snapshot, and is answered', () => {
      const world = new AdsWorld();
      const client = clientOf(world);
      client.want('endpoint', 'a');
      client.want('cluster');
      assert.deepEqual(client.take(), []);
      world.publish(...mesh());
      const got = client.synced();
      assert.ok(got.some((text) => text.startsWith('endpoint')) && got.length === 2, `${got}`);
    });

    test('go-control-plane #444, #556: a partial snapshot is served, and says what it lacks', () => {
      const world = new AdsWorld();
      world.publish(edsCluster('a'), edsCluster('b'), assignment('a', 1));
      const lacks = missingReferences(world.cache.get(NODE_ID) ?? Snapshot.empty);
      assert.deepEqual(
        lacks.map(({ to }) => to.name),
        ['b'],
      );
      const client = clientOf(world);
      client.want('cluster');
      client.want('endpoint', 'a', 'b');
      assert.deepEqual(
        client.synced(),
        isDelta ? ['cluster +a +b', 'endpoint +a -b'] : ['cluster 2', 'endpoint 1'],
      );
    });

    test('go-control-plane #558, #1092, envoy #12742: no names after names is nothing, not everything', () => {
      const world = new AdsWorld();
      world.publish(edsCluster('a'), edsCluster('b'));
      const client = clientOf(world);
      client.want('cluster', 'a');
      client.synced();
      client.want('cluster');
      client.synced();
      world.publish(edsCluster('a', 2000), edsCluster('b', 2000));
      assert.deepEqual(client.synced(), []);
    });

    test('go-control-plane #559, #1345: * and names are both, and either may go', () => {
      const world = new AdsWorld();
      world.publish(edsCluster('a'), edsCluster('b'));
      const client = clientOf(world);
      client.want('cluster', '*', 'a');
      assert.deepEqual(client.synced(), [isDelta ? 'cluster +a +b' : 'cluster 2']);
      client.want('cluster', 'a');
      client.synced();
      world.publish(edsCluster('a', 2000), edsCluster('b', 2000));
      assert.deepEqual(client.synced(), [isDelta ? 'cluster +a' : 'cluster 1']);
      client.want('cluster', '*', 'a');
      client.want('cluster', '*');
      client.synced();
      world.publish(edsCluster('a', 3000), edsCluster('b', 3000));
      assert.deepEqual(client.synced(), [isDelta ? 'cluster +a +b' : 'cluster 2']);
    });

    test('go-control-plane #503, #530, #531, #875, #876: a stream that takes nothing holds up nobody', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const [stuck, other] = [clientOf(world), clientOf(world)];
      stuck.port.takes = false;
      for (const client of [stuck, other]) client.want('cluster');
      other.synced();
      for (let i = 0; i < 100; i++) world.publish(...mesh(1, 1001 + i));
      assert.equal(other.synced().length, 2, 'the one that was under way, and the newest');
      assert.equal(stuck.take().length, 1, 'nothing piled up');
    });

    test('go-control-plane #59, envoy #46383: endpoints asked for before clusters come all the same, clusters first after a change', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const client = clientOf(world);
      client.want('endpoint', 'a');
      client.want('cluster');
      client.want('listener');
      client.want('route', 'r');
      client.synced();
      world.publish(...mesh(2, 2000), edsCluster('b'), assignment('b', 1));
      const order = client.synced().map((text) => text.split(' ')[0]);
      assert.deepEqual(order.slice(0, 2), ['cluster', 'endpoint']);
    });

    test('go-control-plane #564: after a NACK the old version is delivered again', () => {
      const world = new AdsWorld();
      const client = clientOf(world);
      world.publish(...mesh());
      client.want('cluster');
      client.synced();
      world.publish(...mesh(1, 2000));
      assert.equal(client.synced(() => 'no').length, 1);
      assert.equal(world.tracker.node(NODE_ID)?.types[0]?.status, 'NACKED');
      world.publish(...mesh());
      assert.equal(client.synced().length, 1);
      assert.equal(world.tracker.node(NODE_ID)?.types[0]?.status, 'SYNCED');
    });

    test('go-control-plane PR #1356: of a partial type only what changed is sent', () => {
      const world = new AdsWorld();
      world.publish(assignment('a', 1), assignment('b', 1), assignment('c', 1));
      const client = clientOf(world);
      client.want('endpoint', 'a', 'b', 'c');
      client.synced();
      world.publish(assignment('a', 1), assignment('b', 2), assignment('c', 1));
      assert.deepEqual(client.synced(), [isDelta ? 'endpoint +b' : 'endpoint 1']);
    });

    test('envoy #5933: what refers to a cluster waits until that was answered', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const client = clientOf(world);
      client.want('cluster');
      client.want('listener');
      client.want('route', 'r');
      const before = client.take().map((text) => text.split(' ')[0]);
      assert.deepEqual(before, ['cluster']);
    });

    test('envoy #10046: a refused version is not sent again, however often it is refused', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const client = clientOf(world);
      client.want('cluster');
      assert.equal(client.synced(() => 'no').length, 1);
      for (let i = 0; i < 10; i++) world.publish(...mesh());
      assert.deepEqual(client.synced(), []);
    });

    test('envoy #14891: every response names the control plane', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const node = isDelta ? world.delta() : world.sotw();
      node.request('cluster');
      assert.equal(node.take()[0]?.controlPlane, 'cp-1');
    });

    test('java-control-plane #127: a cluster that goes while it warms is taken back', () => {
      const world = new AdsWorld();
      world.publish(edsCluster('a'));
      const client = clientOf(world);
      client.want('cluster');
      client.want('endpoint', 'a');
      // Envoy has not answered for the cluster: it waits for endpoints that will never come.
      world.publish();
      const got = client.synced();
      assert.deepEqual(
        got,
        isDelta ? ['cluster +a', 'endpoint -a', 'cluster -a'] : ['cluster 1', 'cluster 0'],
      );
    });

    test('contour #6250, #1176: a control plane that starts anew says the same versions', () => {
      const versions = [1, 2].map(() => {
        const world = new AdsWorld();
        world.publish(...mesh());
        const node = isDelta ? world.delta() : world.sotw();
        node.request('cluster');
        const [response] = node.take();
        return response === undefined
          ? ''
          : 'versionInfo' in response
            ? response.versionInfo
            : response.resources[0]?.version;
      });
      assert.ok(versions[0] !== '' && versions[0] === versions[1]);
    });

    test('kuma #528: one node of a group has something of its own', () => {
      const world = new AdsWorld({
        authenticate: () => ({ ok: true, snapshotKey: 'special', nodeId: 'special' }),
      });
      const groups = new NodeGroups(world.cache);
      groups.set('all', Snapshot.of(mesh()));
      groups.join('special', 'all');
      const client = clientOf(world);
      client.want('cluster');
      client.synced();
      groups.fork('special', [edsCluster('a', 7000)]);
      world.publish();
      assert.equal(client.synced().length, 1);
    });

    test('grpc-go #5612, #7192: endpoints that are refused are the node’s to refuse, and its other types go on', () => {
      const world = new AdsWorld();
      world.publish(...mesh());
      const client = clientOf(world);
      client.want('cluster');
      client.want('endpoint', 'a');
      client.synced((text) => (text.startsWith('endpoint') ? 'no' : null));
      world.publish(...mesh(1, 2000));
      const got = client.synced().filter((text) => text.startsWith('cluster'));
      assert.equal(got.length, 1);
      const types = world.tracker.node(NODE_ID)?.types ?? [];
      assert.equal(types.find(({ kind }) => kind === 'cluster')?.status, 'SYNCED');
    });
  });
}

test('go-control-plane #1300: VHDS begins with no names, which is not the wildcard', () => {
  const world = new AdsWorld();
  world.publish(
    resourceOf('virtual-host', 'r/all', { name: 'all', domains: ['a.test', '*.b.test'] }),
  );
  const node = world.delta();
  node.request('virtual-host');
  const [first] = node.take();
  assert.deepEqual(
    first?.resources.map(({ name, resource }) => [name, resource]),
    [['r/', null]],
    'the table is answered for, and that is all',
  );
  node.ack(first!);
  node.request('virtual-host', { subscribe: ['r/x.b.test'] });
  assert.deepEqual(
    node.take().map((response) => response.resources.map(({ name }) => name)),
    [['r/all']],
  );
});
