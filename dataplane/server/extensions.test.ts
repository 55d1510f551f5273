import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { lookupType } from '../../proto/root.ts';
import {
  DISCOVERED_HTTP_FILTER,
  DISCOVERED_LISTENER_FILTER,
  DISCOVERED_NETWORK_FILTER,
} from '../api/config/extension-config.ts';
import { FactoryRegistry } from '../config/registry.ts';
import { supportOf } from '../config/support/all.ts';
import { supportDocument } from '../config/support-doc.ts';
import { builtInExtensions } from './extensions.ts';
import { workerFactories } from './worker-extensions.ts';

describe('the list of extensions', () => {
  it('has no two that answer to the same name or type', () => {
    assert.doesNotThrow(() => new FactoryRegistry(builtInExtensions));
  });

  it('has for each config type a descriptor and a row in the table of supported fields', () => {
    for (const { name, configTypes, routeConfigTypes = [] } of builtInExtensions) {
      for (const type of [...configTypes, ...routeConfigTypes]) {
        assert.ok(lookupType(type), `${name}: ${type}`);
        assert.ok(supportOf(type), `${name}: ${type}`);
      }
    }
  });

  it('compiles per-route config where it says that it has some', () => {
    for (const { name, routeConfigTypes = [], compileRoute } of builtInExtensions) {
      assert.equal(routeConfigTypes.length > 0, compileRoute !== undefined, name);
    }
  });

  it('is what docs/support.md says (node scripts/support-doc.ts)', () => {
    const file = new URL('../../docs/support.md', import.meta.url);
    assert.equal(readFileSync(file, 'utf8'), supportDocument(builtInExtensions));
  });
});

const discovered: readonly string[] = [
  DISCOVERED_HTTP_FILTER,
  DISCOVERED_LISTENER_FILTER,
  DISCOVERED_NETWORK_FILTER,
];
const isCompiled = ({ name }: { readonly name: string }) => !discovered.includes(name);

describe('the two lists of extensions', () => {
  it('name the same filters and loggers', () => {
    const namesOf = (list: readonly { readonly name: string }[]) =>
      list.map(({ name }) => name).sort();
    for (const [category, halves] of [
      // What ECDS brings is compiled as the filter that it is.
      ['http-filter', workerFactories.http.filter(isCompiled)],
      ['network-filter', workerFactories.network.filter(isCompiled)],
      ['listener-filter', workerFactories.listener.filter(isCompiled)],
      ['access-logger', workerFactories.accessLog],
    ] as const) {
      const main = builtInExtensions.filter((extension) => extension.category === category);
      assert.deepEqual(namesOf(halves), namesOf(main), category);
    }
  });
});
