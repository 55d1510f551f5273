import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { RecordingSink } from '../../test/fakes/xds-client.ts';
import { adsSource, type ConfigSource } from '../api/config/config-source.ts';
import type {
  CompiledResource,
  ResourceKind,
  ResourceReference,
} from '../api/resource-compiler.ts';
import { DependencyTracker } from './dependency-tracker.ts';

/** `resource('cluster', 'a', 'endpoint a')`. */
function resource(
  kind: ResourceKind,
  name: string,
  references: string[] = [],
  hash = '1',
  source: ConfigSource = adsSource,
): CompiledResource {
  const data = kind === 'endpoint' ? { clusterName: name } : { name };
  return {
    kind,
    name,
    data,
    hash: `${hash} ${references}`,
    warnings: [],
    references: references
      .filter((text) => !text.startsWith('cluster '))
      .map((text): ResourceReference => {
        const [of, to] = text.split(' ') as [ResourceKind, string];
        return { kind: of, name: to, source };
      }),
    clusters: references.flatMap((text) =>
      text.startsWith('cluster ') ? [text.slice('cluster '.length)] : [],
    ),
  };
}

function setUp(staticReferences: ResourceReference[] = []) {
  const sink = new RecordingSink();
  const timers = new FakeTimers();
  const names: Record<string, Set<string>> = {};
  const timeouts: string[] = [];
  const tracker = new DependencyTracker({
    sink,
    timers,
    onWanted: ({ kind, added, removed }) => {
      names[kind] ??= new Set();
      for (const { name } of added) names[kind].add(name);
      for (const name of removed) names[kind].delete(name);
    },
    onFetchTimeout: ({ kind, name }) => timeouts.push(`${kind} ${name}`),
    onSettled: () => {},
  });
  for (const kind of ['cluster', 'listener'] as const) {
    tracker.addStatic([{ kind, name: '*', source: adsSource }]);
  }
  tracker.addStatic(staticReferences);
  tracker.settle();
  for (const kind of ['cluster', 'listener'] as const) tracker.answered(kind, adsSource);
  /** Names wanted, of the kinds that are subscribed to by name. */
  const wanted = (): Record<string, string[]> =>
    Object.fromEntries(
      Object.entries(names)
        .filter(([kind]) => kind !== 'cluster' && kind !== 'listener')
        .map(([kind, of]) => [kind, [...of]]),
    );
  /** Takes resources of one kind and settles. */
  const take = (...resources: CompiledResource[]) => {
    for (const item of resources) tracker.update(item.kind, adsSource, [item], []);
    tracker.settle();
    return sink.take();
  };
  const remove = (kind: ResourceKind, ...names: string[]) => {
    tracker.update(kind, adsSource, [], names);
    tracker.settle();
    return sink.take();
  };
  return { sink, timers, wanted, timeouts, tracker, take, remove };
}

test('a cluster waits for endpoints and secrets, then goes before its endpoints', () => {
  const { wanted, take } = setUp();
  assert.deepEqual(take(resource('cluster', 'a', ['endpoint e', 'secret s'])), []);
  assert.deepEqual(wanted(), { endpoint: ['e'], secret: ['s'] });
  assert.deepEqual(take(resource('endpoint', 'e')), []);
  assert.deepEqual(take(resource('secret', 's')), ['secret s', 'cluster a', 'endpoint e']);
});

test('a listener waits for routes and secrets; its routes go first', () => {
  const { take } = setUp();
  assert.deepEqual(take(resource('listener', 'l', ['route r', 'secret s'])), []);
  assert.deepEqual(take(resource('route', 'r')), []);
  assert.deepEqual(take(resource('secret', 's')), ['secret s', 'route r', 'listener l']);
});

test('waiting ends after initial_fetch_timeout; what comes later is still used', () => {
  const { timers, timeouts, sink, take } = setUp();
  take(resource('cluster', 'a', ['endpoint a']), resource('listener', 'l', ['route r']));
  timers.advance(14_999);
  assert.deepEqual(sink.take(), []);
  timers.advance(1);
  assert.deepEqual(sink.take(), ['cluster a', 'listener l']);
  assert.deepEqual(timeouts, ['endpoint a', 'route r']);
  assert.deepEqual(take(resource('endpoint', 'a')), ['endpoint a']);
  assert.equal(timers.armedCount(), 0);
});

test('a timeout of 0 waits without end', () => {
  const { timers, take } = setUp();
  const patient = { ...adsSource, initialFetchTimeoutMs: 0 };
  take(resource('cluster', 'a', ['endpoint a'], '1', patient));
  timers.advance(1_000_000);
  assert.deepEqual(take(resource('endpoint', 'a')), ['cluster a', 'endpoint a']);
});

test('a name that does not exist is not waited for', () => {
  const { tracker, sink, take } = setUp();
  take(resource('cluster', 'a', ['endpoint a']));
  tracker.update('endpoint', adsSource, [], ['a']);
  tracker.settle();
  assert.deepEqual(sink.take(), ['cluster a']);
});

test('the old version serves while the new one waits, and keeps what it refers to', () => {
  const { wanted, take } = setUp();
  take(resource('listener', 'l', ['route old']), resource('route', 'old'));
  assert.deepEqual(take(resource('listener', 'l', ['route new'])), []);
  assert.deepEqual(wanted()['route']?.sort(), ['new', 'old']);
  assert.deepEqual(take(resource('route', 'old', [], '2')), ['route old'], 'still updated');
  assert.deepEqual(take(resource('route', 'new')), ['route new', 'listener l', '-route old']);
  assert.deepEqual(wanted()['route'], ['new']);
});

test('a changed cluster with known endpoints goes at once, and its endpoints again with it', () => {
  const { take } = setUp();
  take(resource('cluster', 'a', ['endpoint a']), resource('endpoint', 'a'));
  assert.deepEqual(take(resource('cluster', 'a', ['endpoint a'], '2')), [
    'cluster a',
    'endpoint a',
  ]);
});

test('an equal hash is nothing to do', () => {
  const { take } = setUp();
  take(resource('cluster', 'a'));
  assert.deepEqual(take(resource('cluster', 'a')), []);
});

test('a cluster goes only when nothing waits any more: what waits may be the route that leaves it', () => {
  const { take, remove } = setUp();
  take(resource('cluster', 'old'), resource('listener', 'l', ['route r']), resource('route', 'r'));
  take(resource('cluster', 'new', ['endpoint new']));
  assert.deepEqual(take(resource('route', 'r', ['cluster new'], '2')), [], 'new is not warm');
  assert.deepEqual(remove('cluster', 'old'), []);
  assert.deepEqual(take(resource('endpoint', 'new')), [
    'cluster new',
    'endpoint new',
    'route r',
    '-cluster old',
  ]);
});

test('a route to a cluster that does not exist is used: only its requests fail', () => {
  const { take } = setUp();
  assert.deepEqual(
    take(resource('listener', 'l', ['route r']), resource('route', 'r', ['cluster nowhere'])),
    ['route r', 'listener l'],
  );
});

test('a listener waits while its new routes lead to a cluster that is still warming (gRFC A74)', () => {
  const { take } = setUp();
  take(resource('cluster', 'c', ['endpoint c']));
  assert.deepEqual(
    take(resource('listener', 'l', ['route r']), resource('route', 'r', ['cluster c'])),
    [],
  );
  assert.deepEqual(take(resource('endpoint', 'c')), [
    'cluster c',
    'endpoint c',
    'route r',
    'listener l',
  ]);
});

test('a route waits until the hosts of its clusters were checked once, if nobody used it yet', () => {
  const { sink, tracker, take } = setUp();
  sink.warming.add('c');
  take(resource('cluster', 'c'));
  assert.deepEqual(
    take(resource('listener', 'l', ['route r']), resource('route', 'r', ['cluster c'])),
    [],
  );
  sink.warming.delete('c');
  tracker.settle();
  assert.deepEqual(sink.take(), ['route r', 'listener l']);
  // An update of the table to another cluster that warms waits likewise.
  sink.warming.add('d');
  take(resource('cluster', 'd'));
  assert.deepEqual(take(resource('route', 'r', ['cluster d'], '2')), []);
  sink.warming.delete('d');
  tracker.settle();
  assert.deepEqual(sink.take(), ['route r']);
});

test('a cluster that tells at once that it is warm does not disturb what is under way', () => {
  const { sink, tracker, take } = setUp();
  const applyCluster = sink.applyCluster.bind(sink);
  sink.applyCluster = (cluster) => {
    applyCluster(cluster);
    tracker.settle();
  };
  assert.deepEqual(
    take(
      resource('listener', 'l', ['route r']),
      resource('route', 'r', ['cluster c']),
      resource('cluster', 'c', ['endpoint e']),
      resource('endpoint', 'e'),
    ),
    ['cluster c', 'endpoint e', 'route r', 'listener l'],
  );
});

test('a removed listener takes its routes along, before clusters go', () => {
  const { wanted, tracker, sink, take } = setUp();
  take(resource('cluster', 'c', ['secret s']), resource('secret', 's'));
  take(resource('listener', 'l', ['route r']), resource('route', 'r'));
  tracker.update('cluster', adsSource, [], ['c']);
  tracker.update('listener', adsSource, [], ['l']);
  tracker.settle();
  assert.deepEqual(sink.take(), ['-listener l', '-route r', '-cluster c', '-secret s']);
  assert.deepEqual(wanted(), { secret: [], route: [] });
});

test('a cluster that is removed while it warms is forgotten (java-control-plane #127)', () => {
  const { tracker, timers, take, remove } = setUp();
  take(resource('cluster', 'a', ['endpoint a']));
  assert.ok(tracker.isWaiting('cluster'));
  assert.deepEqual(remove('cluster', 'a'), []);
  assert.ok(!tracker.isWaiting('cluster'));
  assert.equal(timers.armedCount(), 0);
});

test('a cluster that comes back before it went stays', () => {
  const { take, remove } = setUp();
  take(resource('cluster', 'a'));
  take(resource('cluster', 'warming', ['endpoint w']));
  assert.deepEqual(remove('cluster', 'a'), []);
  assert.deepEqual(take(resource('cluster', 'a')), []);
  assert.deepEqual(take(resource('endpoint', 'w')), ['cluster warming', 'endpoint w']);
});

test('what static config refers to is wanted and used from the start (go-control-plane #119)', () => {
  const { wanted, tracker, take } = setUp([
    { kind: 'endpoint', name: 'static', source: adsSource },
    { kind: 'route', name: 'r', source: adsSource },
  ]);
  assert.deepEqual(wanted()['endpoint'], ['static']);
  assert.ok(!tracker.hasStatic(['endpoint']));
  assert.deepEqual(take(resource('endpoint', 'static')), ['endpoint static']);
  assert.ok(tracker.hasStatic(['endpoint']));
  assert.ok(!tracker.hasStatic(['route']));
});

test('a sink that throws once does not stop what comes afterwards', () => {
  const { tracker, sink, take } = setUp();
  const apply = sink.applyCluster;
  sink.applyCluster = () => {
    throw new Error('a bug');
  };
  assert.throws(() => take(resource('cluster', 'a')));
  sink.applyCluster = apply;
  assert.equal(tracker.isSettling, false);
  assert.deepEqual(take(resource('cluster', 'b')), ['cluster b']);
});

test('a first version that is refused is not waited for, however long initial_fetch_timeout is', () => {
  const { tracker, timers, take } = setUp();
  const forever = { ...adsSource, initialFetchTimeoutMs: 0 };
  assert.deepEqual(take(resource('cluster', 'a', ['endpoint a'], '1', forever)), []);
  tracker.rejected('endpoint', adsSource, 'a');
  tracker.settle();
  assert.equal(timers.armedCount(), 0);
  assert.deepEqual(take(), ['cluster a']);
  assert.deepEqual(take(resource('endpoint', 'a')), ['endpoint a']);
  // What serves goes on.
  tracker.rejected('endpoint', adsSource, 'a');
  assert.deepEqual(take(), []);
});
