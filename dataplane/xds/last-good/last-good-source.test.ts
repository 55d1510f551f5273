import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../common/logger.ts';
import { FakeControlPlane } from '../../../test/fakes/ads-channel.ts';
import { grpcApi } from '../../../test/fakes/config-source.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { FakeCompiler, RecordingSink } from '../../../test/fakes/xds-client.ts';
import {
  assignment,
  brokenResource,
  edsCluster,
  httpListener,
  routes,
} from '../../../test/fakes/xds-resources.ts';
import { FakeFiles, FakeRestServer } from '../../../test/fakes/xds-sources.ts';
import { adsSource } from '../../api/config/config-source.ts';
import { adsTypeOrder, type ResourceKind, typeUrlOf } from '../../api/resource-compiler.ts';
import { HolderStore } from '../../stats/store.ts';
import { sourceOpener } from '../open-source.ts';
import type { SourceOwner, Update } from '../resource-source.ts';
import { XdsClient } from '../xds-client.ts';
import { LastGoodSource, type LastGoodSourceOptions } from './last-good-source.ts';
import type { SavedResource } from './snapshot.ts';

type SnapshotResource = ReturnType<typeof edsCluster>;

const saved = ({ name, typeUrl, version, bytes }: SnapshotResource): SavedResource => {
  const kind = adsTypeOrder.find((one) => typeUrlOf[one] === typeUrl);
  assert.ok(kind !== undefined);
  return { kind, source: 'ads', name, version, updatedAtMs: 1, bytes };
};

const mesh = [
  edsCluster('a'),
  assignment('a', 1),
  httpListener('l', 1, 'r'),
  routes('r', { '/': 'a' }),
];

function setUp(protocol: 'DELTA_GRPC' | 'GRPC', kept: readonly SnapshotResource[] = mesh) {
  const server = new FakeControlPlane();
  const timers = new FakeTimers();
  const sink = new RecordingSink();
  const common = { clock: timers.clock, timers, logger: silentLogger() };
  const open = sourceOpener({
    ...common,
    ads: grpcApi({ protocol }),
    channelFactory: () => server.factory,
    restCaller: new FakeRestServer().caller,
    files: new FakeFiles(),
    node: { id: 'n' },
    random: () => 0.5,
  });
  const counts = { told: 0, restored: 0 };
  const client = new XdsClient({
    ...common,
    hasAds: true,
    cds: adsSource,
    lds: adsSource,
    staticReferences: [],
    compiler: new FakeCompiler(),
    sink,
    stats: new HolderStore(),
    open: (source, owner, stats) =>
      new LastGoodSource(
        {
          saved: kept.map(saved),
          graceMs: 500,
          isDelta: protocol === 'DELTA_GRPC',
          timers,
          onTold: () => {
            counts.told++;
          },
          onRestored: (count) => {
            counts.restored += count;
          },
        },
        owner,
        (inner) => open(source, inner, stats),
      ),
  });
  client.start();
  return { server, timers, sink, client, counts };
}

const all = ['cluster a', 'endpoint a', 'route r', 'listener l', 'initialized'];

for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
  describe(`what was good last, over ${protocol}`, () => {
    it('is used when the server does not answer within the grace, in the order of any update', () => {
      const { timers, sink, counts, client } = setUp(protocol);
      timers.advance(499);
      assert.deepEqual(sink.take(), []);
      timers.advance(1);
      assert.deepEqual(sink.take(), all);
      assert.equal(client.initialized, true);
      assert.deepEqual(counts, { told: 0, restored: 4 });
    });

    it('is used when the server answers nothing but accepts', () => {
      const { server, timers, sink } = setUp(protocol);
      server.call.connect();
      timers.advance(500);
      assert.deepEqual(sink.take(), all);
    });

    it('leaves no timer running once it was used', () => {
      const { server, timers, client } = setUp(protocol);
      server.call.connect();
      timers.advance(500);
      client.stop();
      assert.equal(timers.armedCount(), 0);
      assert.equal(server.openChannels, 0);
    });
  });
}

describe('a delta server that comes back', () => {
  const restored = () => {
    const setup = setUp('DELTA_GRPC');
    setup.server.call.connect();
    setup.timers.advance(500);
    setup.sink.take();
    return setup;
  };

  it('hears on a new stream which versions are held', () => {
    const { server } = restored();
    assert.equal(server.calls.length, 2);
    const versions = server.call
      .takeDelta()
      .map(({ typeUrl, initialResourceVersions }) => [
        typeUrl,
        ...initialResourceVersions.entries(),
      ]);
    const kinds: readonly ResourceKind[] = ['cluster', 'endpoint', 'listener', 'route'];
    assert.deepEqual(
      versions.map(([url]) => url),
      kinds.map((kind) => typeUrlOf[kind]),
    );
    for (const [url, held] of versions) {
      const of = mesh.find(({ typeUrl }) => typeUrl === url);
      assert.deepEqual(held, [of?.name, of?.version]);
    }
  });

  it('changes nothing with what is equal', () => {
    const { server, sink } = restored();
    server.call.connect();
    server.call.delta('cluster', [edsCluster('a')]);
    server.call.delta('endpoint', [assignment('a', 1)]);
    server.call.delta('listener', [httpListener('l', 1, 'r')]);
    assert.deepEqual(sink.take(), []);
  });

  it('changes what has changed, and removes what it says is gone', () => {
    const { server, sink, counts } = restored();
    server.call.connect();
    server.call.delta('endpoint', [assignment('a', 1, 2)]);
    assert.deepEqual(sink.take(), ['endpoint a']);
    server.call.delta('listener', [], ['l']);
    assert.deepEqual(sink.take(), ['-listener l', '-route r']);
    assert.equal(counts.told, 2);
  });
});

describe('a state-of-the-world server that comes back', () => {
  it('removes what it does not name', () => {
    const { server, timers, sink } = setUp('GRPC', [...mesh, edsCluster('b'), assignment('b', 2)]);
    timers.advance(500);
    sink.take();
    server.call.connect();
    server.call.sotw('cluster', '7', [edsCluster('a')]);
    assert.deepEqual(sink.take(), ['-cluster b']);
    assert.equal(server.calls.length, 1, 'there was no need for a new stream');
  });
});

describe('a server that answers', () => {
  it('is believed, and nothing from before is used', () => {
    const { server, timers, sink, counts } = setUp('DELTA_GRPC');
    server.call.connect();
    server.call.delta('cluster', [edsCluster('z')]);
    server.call.delta('endpoint', [assignment('z', 9)]);
    server.call.delta('listener', []);
    timers.advance(10_000);
    assert.deepEqual(sink.take(), ['cluster z', 'endpoint z', 'initialized']);
    assert.equal(counts.restored, 0);
    assert.equal(counts.told, 3);
  });

  it('and goes away before it was done: the rest comes from before', () => {
    const { server, timers, sink, counts } = setUp('DELTA_GRPC');
    server.call.connect();
    server.call.delta('cluster', [edsCluster('a', 77)]);
    server.call.close();
    timers.advance(500);
    assert.deepEqual(sink.take(), all);
    assert.equal(counts.restored, 3);
  });
});

const update = (ttlMs: number | undefined, isFullState = false) => ({
  kind: 'cluster' as const,
  resources: [
    {
      name: 'a',
      version: '1',
      aliases: [],
      resource: null,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    },
  ],
  removed: [],
  isFullState,
  versionText: '',
});
const nobody: SourceOwner = {
  receive: () => null,
  settle: () => {},
  knownVersions: () => new Map(),
  onRequest: () => {},
  onFailure: () => {},
};
const source = (options: Partial<LastGoodSourceOptions> = {}, owner: SourceOwner = nobody) =>
  new LastGoodSource(
    {
      saved: [],
      graceMs: 1,
      isDelta: true,
      timers: new FakeTimers(),
      onTold: () => {},
      onRestored: () => {},
      ...options,
    },
    owner,
    () => ({
      start: () => {},
      stop: () => {},
      subscribeToAll: () => {},
      unsubscribeFromAll: () => {},
      changeNames: () => {},
    }),
  );

describe('a server that says that there is nothing', () => {
  for (const [how, said] of [
    ['by an error', { errors: [{ name: 'a', error: { code: 5, message: 'none' } }] }],
    ['by leaving it out of all there is', { isWhole: true }],
  ] as const) {
    it(`is believed ${how}`, () => {
      const timers = new FakeTimers();
      const restored: string[] = [];
      const owner = {
        ...nobody,
        receive: (update: Update) => {
          restored.push(...update.resources.map(({ name }) => name));
          return null;
        },
      };
      const under = source({ saved: [saved(assignment('a', 1))], timers }, owner);
      under.start();
      under.changeNames('endpoint', ['a'], []);
      under.receive({ ...update(undefined), kind: 'endpoint', resources: [], ...said });
      timers.advance(10_000);
      assert.deepEqual(restored, []);
      under.stop();
    });
  }
});

describe('a server that answered', () => {
  const setUpOne = (kind: ResourceKind, ...kept: readonly SnapshotResource[]) => {
    const timers = new FakeTimers();
    const restored: string[] = [];
    const owner = {
      ...nobody,
      receive: ({ resources }: Update) => {
        restored.push(...resources.map(({ name }) => name));
        return null;
      },
    };
    const under = source({ saved: kept.map(saved), timers, graceMs: 500 }, owner);
    under.start();
    const tell = (...names: string[]) => {
      under.receive({ ...update(undefined), kind, resources: [], removed: names });
    };
    return { timers, restored, under, tell };
  };

  it('has the whole grace for what is wanted later, however long it had nothing to say', () => {
    const { timers, restored, under, tell } = setUpOne(
      'endpoint',
      assignment('a', 1),
      assignment('b', 1),
    );
    under.changeNames('endpoint', ['a'], []);
    tell('a');
    timers.advance(10_000);
    under.changeNames('endpoint', ['b'], []);
    timers.advance(499);
    assert.deepEqual(restored, []);
    timers.advance(1);
    assert.deepEqual(restored, ['b']);
    under.stop();
    assert.equal(timers.armedCount(), 0);
  });

  it('has it also while the one of what it told is not over', () => {
    const { timers, restored, under, tell } = setUpOne(
      'endpoint',
      assignment('a', 1),
      assignment('b', 1),
    );
    under.changeNames('endpoint', ['a'], []);
    timers.advance(400);
    tell('a');
    timers.advance(90);
    under.changeNames('endpoint', ['b'], []);
    timers.advance(499);
    assert.deepEqual(restored, []);
    under.stop();
  });

  it('with all there is has said that the rest of what was kept is gone', () => {
    const { timers, restored, under } = setUpOne('cluster', edsCluster('a'), edsCluster('b'));
    under.subscribeToAll('cluster');
    under.receive({ ...update(undefined, true), resources: [] });
    under.changeNames('cluster', ['b'], []);
    timers.advance(10_000);
    assert.deepEqual(restored, []);
    under.stop();
  });

  it('is believed about a name that nobody wanted for a while', () => {
    const { timers, restored, under, tell } = setUpOne('endpoint', assignment('a', 1));
    under.changeNames('endpoint', ['a'], []);
    tell('a');
    under.changeNames('endpoint', [], ['a']);
    under.changeNames('endpoint', ['a'], []);
    timers.advance(10_000);
    assert.deepEqual(restored, []);
    under.stop();
  });
});

describe('a resource with a time to live', () => {
  it('is not one to keep, until it comes without', () => {
    const under = source();
    under.receive(update(1000));
    assert.equal(under.isFleeting('cluster', 'a'), true);
    under.receive(update(undefined));
    assert.equal(under.isFleeting('cluster', 'a'), false);
  });

  it('is forgotten when it is gone', () => {
    const under = source();
    under.receive(update(1000));
    under.receive({ ...update(undefined), resources: [], removed: ['a'] });
    assert.equal(under.isFleeting('cluster', 'a'), false);
    under.receive(update(1000));
    under.receive({ ...update(undefined, true), resources: [] });
    assert.equal(under.isFleeting('cluster', 'a'), false);
    under.receive(update(1000));
    under.changeNames('cluster', [], ['a']);
    assert.equal(under.isFleeting('cluster', 'a'), false);
  });
});

describe('a kept resource that is wrong by now', () => {
  it('is left out, and the rest is used', () => {
    const { timers, sink } = setUp('DELTA_GRPC', [...mesh, brokenResource('cluster')]);
    timers.advance(500);
    assert.deepEqual(sink.take(), all);
  });
});
