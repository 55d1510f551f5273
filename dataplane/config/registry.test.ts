import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ok } from '../../common/result.ts';
import type { Category } from '../api/factory.ts';
import { type AnyFactory, FactoryRegistry } from './registry.ts';

const factory = (name: string, category: Category, type: string): AnyFactory => ({
  name,
  category,
  configTypes: [type],
  routeConfigTypes: [`${type}PerRoute`],
  compile: () => ok(null),
});

describe('FactoryRegistry', () => {
  const cors = factory('cors', 'http-filter', 'x.Cors');

  it('finds a factory by category with type, route type or name', () => {
    const registry = new FactoryRegistry([cors]);
    assert.equal(registry.forType('http-filter', 'x.Cors'), cors);
    assert.equal(registry.forRouteType('x.CorsPerRoute'), cors);
    assert.equal(registry.forName('http-filter', 'cors'), cors);
    assert.equal(registry.forType('network-filter', 'x.Cors'), null);
  });

  it('refuses two factories of one name or one type in a category', () => {
    assert.throws(
      () => new FactoryRegistry([cors, factory('cors', 'http-filter', 'x.Y')]),
      /cors is claimed/,
    );
    assert.throws(
      () => new FactoryRegistry([cors, factory('c', 'http-filter', 'x.Cors')]),
      /x\.Cors is claimed/,
    );
    assert.doesNotThrow(
      () => new FactoryRegistry([cors, factory('cors', 'network-filter', 'x.Cors')]),
    );
  });
});
