import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeConfigData } from '../../test/fakes/route-data.ts';
import { adsSource } from '../api/config/config-source.ts';
import type { ScopeData } from '../api/config/scoped-routes.ts';
import { RequestHeaders } from '../api/headers.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route, RouteTable } from '../api/route.ts';
import { ScopeSet } from './scope-set.ts';
import { ScopeStats } from './scope-stats.ts';
import { ScopedRouteTable } from './scoped-route-table.ts';

/** Matches everything with a route of its name. */
function tableNamed(name: string): RouteTable {
  return {
    internalOnlyHeadersOf: () => [`x-${name}`],
    missing: () => null,
    // No more is looked at.
    match: () => ({ name }) as Route,
  };
}

function setUp() {
  const subscribed = new Map<string, (table: RouteTable) => void>();
  const scopes = new ScopeSet({
    build: ({ name }) => tableNamed(name),
    subscribeRoutes: (id, onUpdate) => {
      subscribed.set(id, onUpdate);
      return null;
    },
    unsubscribeRoutes: (id, onUpdate) => {
      assert.equal(subscribed.get(id), onUpdate);
      subscribed.delete(id);
    },
  });
  const key = { kind: 'index', header: 'x-tenant', elementSeparator: '', index: 0 } as const;
  const table = new ScopedRouteTable([key], scopes);
  const head = (...tenant: string[]) =>
    new RequestHeaders(
      'GET',
      '/',
      'h',
      'http',
      tenant.flatMap((of) => ['x-tenant', of]),
    );
  const routeOf = (...tenant: string[]) => table.match(head(...tenant), 0)?.name ?? null;
  return { subscribed, scopes, table, head, routeOf };
}

function inline(name: string, key: string): ScopeData {
  const routes = {
    kind: 'inline',
    config: routeConfigData({ name: `routes of ${name}` }),
  } as const;
  return { name, key: [key], isOnDemand: false, routes };
}

function byRds(name: string, key: string, onDemand: ResourceReference | null = null): ScopeData {
  const routes = { kind: 'rds', id: `routes of ${name}`, onDemand } as const;
  return { name, key: [key], isOnDemand: onDemand !== null, routes };
}

test('the key of a request names its scope; without key or scope there is no route', () => {
  const { scopes, table, head, routeOf } = setUp();
  scopes.set(inline('a', 'one'));
  scopes.set(inline('b', 'two'));
  assert.equal(routeOf('one'), 'routes of a');
  assert.equal(routeOf('two', 'one'), 'routes of b');
  assert.deepEqual([routeOf('three'), routeOf()], [null, null]);
  assert.deepEqual(table.internalOnlyHeadersOf(head('two')), ['x-routes of b']);
  assert.deepEqual(table.internalOnlyHeadersOf(head()), []);
});

test('routes by RDS are used when they come, and no more when the scope goes', () => {
  const { subscribed, scopes, routeOf } = setUp();
  scopes.set(byRds('a', 'one'));
  assert.equal(routeOf('one'), null);
  subscribed.get('routes of a')?.(tableNamed('first'));
  assert.equal(routeOf('one'), 'first');
  subscribed.get('routes of a')?.(tableNamed('second'));
  assert.equal(routeOf('one'), 'second');
  scopes.delete('a');
  assert.equal(routeOf('one'), null);
  assert.equal(subscribed.size, 0);
});

test('scopes exchange their keys one after the other', () => {
  const { scopes, routeOf } = setUp();
  scopes.set(inline('a', 'one'));
  scopes.set(inline('b', 'two'));
  scopes.set(inline('a', 'two'));
  scopes.set(inline('b', 'one'));
  assert.deepEqual([routeOf('one'), routeOf('two')], ['routes of b', 'routes of a']);
  scopes.delete('b');
  assert.deepEqual([routeOf('one'), routeOf('two')], [null, 'routes of a']);
});

test('routes of on-demand scopes may be asked for while they are not there', () => {
  const { subscribed, scopes, table, head } = setUp();
  const target: ResourceReference = { kind: 'route', name: 'routes of a', source: adsSource };
  scopes.set(byRds('a', 'one', target));
  scopes.set(byRds('b', 'two'));
  assert.equal(table.missing(head('one')), target);
  assert.equal(table.missing(head('two')), null);
  assert.equal(table.missing(head('three')), null);
  assert.equal(table.missing(head()), null);
  subscribed.get('routes of a')?.(tableNamed('first'));
  assert.equal(table.missing(head('one')), null);
});

test('the gauges show scopes, those that name routes, and those that wait for requests', () => {
  const { subscribed, scopes } = setUp();
  const target: ResourceReference = { kind: 'route', name: 'routes of a', source: adsSource };
  const stats = new ScopeStats(scopes);
  const shown = () => [stats.allScopes, stats.activeScopes, stats.onDemandScopes];
  assert.deepEqual(shown(), [0, 0, 0]);
  scopes.set(inline('i', 'zero'));
  scopes.set(byRds('a', 'one', target));
  scopes.set(byRds('b', 'two'));
  assert.deepEqual(shown(), [3, 1, 1]);
  subscribed.get('routes of a')?.(tableNamed('first'));
  assert.deepEqual(shown(), [3, 2, 1]);
});
