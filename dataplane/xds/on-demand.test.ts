// What requests ask for, and scopes and virtual hosts, in the tracker and in what takes updates.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grpcSource } from '../../test/fakes/config-source.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { RecordingSink } from '../../test/fakes/xds-client.ts';
import { adsSource } from '../api/config/config-source.ts';
import type {
  CompiledResource,
  ResourceKind,
  ResourceReference,
} from '../api/resource-compiler.ts';
import { DependencyTracker } from './dependency-tracker.ts';
import { ResourceStore } from './resource-store.ts';
import { takeUpdate } from './resource-update.ts';

const reference = (kind: ResourceKind, name: string): ResourceReference => {
  return { kind, name, source: adsSource };
};

interface Given {
  readonly references?: readonly ResourceReference[];
  readonly claims?: readonly string[];
  readonly hash?: string;
}

function resource(kind: ResourceKind, name: string, given: Given = {}): CompiledResource {
  const { references = [], claims = [], hash = '1' } = given;
  const data = kind === 'scoped-route' ? { scope: { name } } : { name };
  return {
    kind,
    name,
    data,
    references,
    clusters: [],
    claims: claims.map((key) => ({ key, problem: `'${key}' belongs to` })),
    hash,
    warnings: [],
  };
}

function setUp(...statics: ResourceReference[]) {
  const sink = new RecordingSink();
  const timers = new FakeTimers();
  const wanted = new Set<string>();
  const tracker = new DependencyTracker({
    sink,
    timers,
    onWanted: ({ kind, added, removed }) => {
      for (const { name } of added) wanted.add(`${kind} ${name}`);
      for (const name of removed) wanted.delete(`${kind} ${name}`);
    },
    onFetchTimeout: () => {},
    onSettled: () => {},
  });
  tracker.addStatic(statics);
  tracker.settle();
  const take = (...resources: CompiledResource[]) => {
    for (const item of resources) tracker.update(item.kind, adsSource, [item], []);
    tracker.settle();
    return sink.take();
  };
  const remove = (kind: ResourceKind, name: string) => {
    tracker.update(kind, adsSource, [], [name]);
    tracker.settle();
    return sink.take();
  };
  const ask = (of: ResourceReference) => {
    tracker.ask(of);
    tracker.settle();
  };
  const news = () =>
    tracker
      .takeNews()
      .map(({ reference: { name }, isFound }) => `${name} ${isFound ? 'found' : 'missing'}`);
  return { sink, timers, wanted, tracker, take, remove, ask, news };
}

test('what is asked for is subscribed to, used when it comes, and told of', () => {
  const { wanted, tracker, take, remove, ask, news } = setUp();
  const cluster = reference('cluster', 'a');
  ask(cluster);
  assert.deepEqual([...wanted], ['cluster a']);
  assert.deepEqual(news(), []);
  assert.deepEqual(take(resource('cluster', 'a')), ['cluster a']);
  assert.deepEqual(news(), ['a found']);
  assert.deepEqual(news(), []);
  assert.deepEqual(remove('cluster', 'a'), ['-cluster a']);
  assert.deepEqual(news(), ['a missing']);
  take(resource('cluster', 'a'));
  assert.deepEqual(news(), ['a found']);
  tracker.unask(cluster);
  tracker.settle();
  assert.deepEqual([...wanted], []);
  assert.deepEqual(news(), []);
});

test('what is there already is told of at once', () => {
  const { take, ask, news } = setUp(reference('route', 'r'));
  take(resource('route', 'r'));
  ask(reference('route', 'r'));
  assert.deepEqual(news(), ['r found']);
});

test('what does not exist, is refused, or does not come in time is missing, until it comes', () => {
  const { timers, tracker, take, remove, ask, news } = setUp();
  for (const name of ['gone', 'bad', 'late']) ask(reference('route', name));
  remove('route', 'gone');
  assert.deepEqual(news(), ['gone missing']);
  tracker.rejected('route', adsSource, 'bad');
  assert.deepEqual(news(), ['bad missing']);
  timers.advance(14_999);
  assert.deepEqual(news(), []);
  timers.advance(1);
  assert.ok(news().includes('late missing'));
  assert.deepEqual(take(resource('route', 'late')), ['route late']);
  assert.deepEqual(news(), ['late found']);
});

test('a cluster is told of when it is warm, and has what it needs', () => {
  const { sink, take, ask, news } = setUp();
  ask(reference('cluster', 'a'));
  take(resource('cluster', 'a', { references: [reference('endpoint', 'e')] }));
  assert.deepEqual(news(), []);
  sink.warming.add('a');
  take(resource('endpoint', 'e'));
  assert.deepEqual(news(), []);
  sink.warming.delete('a');
  assert.deepEqual(news(), ['a found']);
});

test('of two sources with a cluster of one name, what one does not have is not taken from the other', () => {
  const other = grpcSource();
  const asked: ResourceReference = { kind: 'cluster', name: 'a', source: other };
  const { sink, tracker, take, remove, ask, news } = setUp(reference('cluster', '*'));
  tracker.answered('cluster', adsSource);
  ask(asked);
  assert.deepEqual(take(resource('cluster', 'a')), ['cluster a']);
  news();
  tracker.update('cluster', other, [], ['a']);
  tracker.settle();
  assert.deepEqual(sink.take(), []);
  assert.deepEqual(news(), ['a found']);
  // Nor does it go with the one who asked.
  tracker.unask(asked);
  tracker.settle();
  assert.deepEqual(sink.take(), []);
  assert.deepEqual(remove('cluster', 'a'), ['-cluster a']);
});

test('a virtual host answers to its aliases', () => {
  const all = reference('virtual-host', '*');
  const { tracker, take, remove, ask, news } = setUp(all);
  tracker.answered('virtual-host', adsSource);
  ask(reference('virtual-host', 'rc/one.x'));
  tracker.noteAlias('virtual-host', adsSource, 'rc/one.x', 'rc/one');
  assert.deepEqual(take(resource('virtual-host', 'rc/one')), ['virtual-host rc/one']);
  assert.deepEqual(news(), ['rc/one.x found']);
  assert.deepEqual(remove('virtual-host', 'rc/one'), ['-virtual-host rc/one']);
});

test('a listener waits for scopes and their routes, which go before it', () => {
  const { wanted, tracker, take, remove } = setUp(reference('listener', '*'));
  const scopes = reference('scoped-route', '*');
  assert.deepEqual(take(resource('listener', 'l', { references: [scopes] })), []);
  assert.deepEqual([...wanted], ['listener *', 'scoped-route *']);
  const references = [reference('route', 'r')];
  assert.deepEqual(take(resource('scoped-route', 's', { references })), []);
  tracker.answered('scoped-route', adsSource);
  assert.deepEqual(take(), []);
  assert.deepEqual(take(resource('route', 'r')), ['route r', 'scoped-route s', 'listener l']);
  assert.deepEqual(remove('scoped-route', 's'), ['-scoped-route s', '-route r']);
  assert.ok(!wanted.has('route r'));
});

/** Resources by name; takes what of them comes in one response. */
function setUpUpdates() {
  const store = new ResourceStore();
  const update = (kind: ResourceKind, removed: string[] | null, ...of: CompiledResource[]) => {
    const byName = new Map(of.map((one) => [one.name, one]));
    const url = (kindOf: ResourceKind) =>
      ({
        'virtual-host': 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
        'scoped-route': 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
        route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
      })[kindOf as 'route'];
    const taken = takeUpdate(
      of.map(({ name, hash }) => ({
        name,
        version: hash,
        resource: { typeUrl: url(kind), value: Buffer.from(`${name} ${hash}`) },
      })),
      {
        kind,
        source: adsSource,
        store,
        broken: [],
        wants: () => true,
        removed: removed === null ? null : new Set(removed),
        nowMs: 0,
        compiler: {
          compile: (_kind, _bytes, _source, name = '') => {
            return { ok: true, resource: byName.get(name) ?? assert.fail(name) };
          },
        },
      },
    );
    for (const name of removed ?? []) store.remove(kind, name);
    return taken.problems;
  };
  return { store, update };
}

const scope = (name: string, claim: string, hash = claim) =>
  resource('scoped-route', name, { claims: [claim], hash });

test('what another resource has is refused, with the name of the other', () => {
  const { update } = setUpUpdates();
  assert.deepEqual(update('scoped-route', [], scope('a', 'k')), []);
  assert.deepEqual(update('scoped-route', [], scope('b', 'k'), scope('c', 'l')), [
    `scoped-route "b": 'k' belongs to "a"`,
  ]);
  assert.deepEqual(update('scoped-route', [], scope('d', 'm'), scope('e', 'm')), [
    `scoped-route "e": 'm' belongs to "d"`,
  ]);
});

test('what is given up in the same response may be had', () => {
  const { update } = setUpUpdates();
  update('scoped-route', [], scope('a', 'k'), scope('b', 'l'));
  assert.deepEqual(update('scoped-route', [], scope('b', 'k'), scope('a', 'l')), []);
  assert.deepEqual(update('scoped-route', ['b'], scope('c', 'k')), []);
  // All there is: what is not in it is gone.
  assert.deepEqual(update('scoped-route', null, scope('d', 'l')), []);
});

test('domains of a route configuration count for its virtual hosts', () => {
  const { store, update } = setUpUpdates();
  update('route', [], resource('route', 'rc', { claims: ['own.x'] }));
  const host = (name: string, claim: string) =>
    resource('virtual-host', name, { claims: [claim], hash: claim });
  assert.deepEqual(update('virtual-host', [], host('rc/a', 'own.x')), [
    `virtual-host "rc/a": 'own.x' belongs to "rc"`,
  ]);
  assert.deepEqual(update('virtual-host', [], host('rc/b', 'b.x')), []);
  // What is missing claims nothing, and is news when it comes back as it was.
  store.markMissing('virtual-host', 'rc/b');
  assert.equal(store.ownerOf('b.x'), undefined);
  assert.equal(store.get('virtual-host', 'rc/b')?.compiled, null);
  store.markMissing('route', 'rc');
  assert.equal(store.ownerOf('own.x')?.name, 'rc');
});
