import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adsSource } from '../api/config/config-source.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';
import { LazyScopes } from './lazy-scopes.ts';

const scope = (name: string, routes: string, isOnDemand = true): ScopeResource => {
  const onDemand = { kind: 'route', name: routes, source: adsSource } as const;
  return {
    collection: '*',
    scope: {
      name,
      key: [name],
      isOnDemand,
      routes: { kind: 'rds', id: routes, onDemand: isOnDemand ? onDemand : null },
    },
  };
};

test('routes are in use until the last scope that names them is gone or names others', () => {
  const scopes = new LazyScopes();
  assert.equal(scopes.set(scope('a', 'r')), null);
  assert.equal(scopes.set(scope('b', 'r')), null);
  assert.equal(scopes.set(scope('b', 'r')), null);
  assert.equal(scopes.delete(scope('a', 'r')), null);
  assert.equal(scopes.delete(scope('a', 'r')), null);
  assert.equal(scopes.set(scope('b', 'other'))?.name, 'r');
  assert.equal(scopes.set(scope('b', 'other', false))?.name, 'other');
  assert.equal(scopes.delete(scope('b', 'other', false)), null);
});
