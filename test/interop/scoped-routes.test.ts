// Scoped routes: a real Envoy and our sidecar with the same scopes, inline and from the same server.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startAds } from '../fakes/ads-harness.ts';
import { DeltaServer } from '../fakes/delta-server.ts';
import { until } from '../fakes/until.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { skipWithout } from './peers.ts';
import {
  ads,
  answering,
  kinds,
  onDemandFilter,
  ownStream,
  type ScopedProxy,
  startScopedProxy,
  types,
} from './scoped-setup.ts';

const byHeader = (name: string, more: object) => ({
  header_value_extractor: { name, ...more },
});
const key = (...fragments: string[]) => ({
  fragments: fragments.map((text) => ({ string_key: text })),
});
const found = (name: string) => [200, name, '-', 'direct_response', `route-${name}`];
const notFound = [404, '', 'NR', 'route_not_found', '-'];

for (const kind of kinds) {
  describe(`inline scopes, ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    let proxy: ScopedProxy;

    before(async () => {
      await server.start();
      const scope = (name: string, routes: string, ...fragments: string[]) => ({
        name,
        key: key(...fragments),
        route_configuration: answering(routes),
      });
      proxy = await startScopedProxy({
        kind,
        server,
        routes: {
          scoped_routes: {
            name: 'scopes',
            scope_key_builder: {
              fragments: [
                byHeader('X-Tenant', {
                  element_separator: ';',
                  element: { separator: '=', key: 't' },
                }),
                byHeader('x-part', { element_separator: ',', index: 1 }),
              ],
            },
            scoped_route_configurations_list: {
              scoped_route_configurations: [
                scope('one', 'of-one', 'one', 'p'),
                scope('two', 'of-two', 'two', 'p'),
                scope('empty', 'of-empty', '', ''),
                scope('short', 'of-short', 'one'),
                scope('same-key', 'first-of-key', 'twice', 'p'),
                scope('same-key-again', 'last-of-key', 'twice', 'p'),
                scope('same-name', 'first-of-name', 'first', 'p'),
                scope('same-name', 'last-of-name', 'last', 'p'),
              ],
            },
          },
        },
      });
    });

    after(async () => {
      await proxy?.stop();
      server.close();
    });

    const cases: readonly (readonly [string, string | string[], string, unknown])[] = [
      ['both parts', 'a=b;t=one', 'z,p', found('of-one')],
      ['more elements', 't=two', 'z,p,q', found('of-two')],
      ['the first element of a key', 't=one;t=two', 'z,p', found('of-one')],
      ['the first of two headers', ['t=one', 't=two'], 'z,p', found('of-one')],
      ['an element without value', 't', 'z,', found('of-empty')],
      ['an unknown key', 't=three', 'z,p', notFound],
      ['a value with a separator', 't=one=1', 'z,p', notFound],
      ['spaces, which count', 't=one', 'z, p', notFound],
      ['too few elements', 't=one', 'z', notFound],
      ['no such element', 'u=one', 'z,p', notFound],
      ['the later scope of one key', 't=twice', 'z,p', found('last-of-key')],
      ['the later scope of one name', 't=last', 'z,p', found('last-of-name')],
      ['the former scope of one name', 't=first', 'z,p', notFound],
    ];
    for (const [what, tenant, part, expected] of cases) {
      test(what, async () => {
        const outcome = await proxy.ask('h', '/', { 'x-tenant': tenant, 'x-part': part });
        assert.deepEqual(outcome, expected);
      });
    }

    test('no header at all', async () => {
      assert.deepEqual(await proxy.ask('h'), notFound);
    });
  });

  describe(`scopes by SRDS, ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    let proxy: ScopedProxy;
    const scope = (name: string, of: string, routes: string, onDemand = false) => {
      const fields = { name, key: key(of), route_configuration_name: routes };
      server.set(types.scope, name, { ...fields, on_demand: onDemand });
    };
    const tenant = (name: string) => proxy.ask('h', '/', { 'x-tenant': name });
    const shows = (name: string, expected: unknown) =>
      until(`${name} is served`, async () => {
        const outcome = await tenant(name);
        try {
          assert.deepEqual(outcome, expected);
        } catch {
          return false; // not yet
        }
        return true;
      });
    const gauges = async () => {
      const names = ['all_scopes', 'on_demand_scopes', 'active_scopes'];
      return Promise.all(names.map((name) => proxy.stat(`http.web.scoped_rds.scopes.${name}`)));
    };

    before(async () => {
      await server.start();
      scope('a', 'a', 'routes-a');
      scope('lazy', 'lazy', 'routes-lazy', true);
      server.set(types.scope, 'whole', {
        name: 'whole',
        key: key('whole'),
        route_configuration: answering('routes-whole'),
      });
      for (const name of ['a', 'lazy', 'b']) {
        server.set(types.route, `routes-${name}`, answering(`routes-${name}`));
      }
      proxy = await startScopedProxy({
        kind,
        server,
        filters: [onDemandFilter()],
        idleTimeout: '2s',
        routes: {
          scoped_routes: {
            name: 'scopes',
            scope_key_builder: { fragments: [byHeader('x-tenant', { index: 0 })] },
            rds_config_source: ads,
            scoped_rds: { scoped_rds_config_source: ads },
          },
        },
      });
    });

    after(async () => {
      await proxy?.stop();
      server.close();
    });

    test('scopes that name routes or hold them', async () => {
      assert.deepEqual(await tenant('a'), found('routes-a'));
      assert.deepEqual(await tenant('whole'), found('routes-whole'));
      assert.deepEqual(await tenant('other'), notFound);
      assert.deepEqual(await proxy.ask('h'), notFound);
      assert.deepEqual(server.asked(types.scope), []);
      assert.deepEqual(server.asked(types.route), ['routes-a']);
      assert.deepEqual(await gauges(), [3, 1, 1]);
      assert.equal(await proxy.stat('http.web.rds.routes-a.update_success'), 1);
    });

    test('routes on demand come with the first request, and once', async () => {
      assert.deepEqual(await tenant('lazy'), found('routes-lazy'));
      assert.deepEqual(await tenant('lazy'), found('routes-lazy'));
      assert.deepEqual(server.asked(types.route), ['routes-a', 'routes-lazy']);
      assert.deepEqual(await gauges(), [3, 1, 2]);
    });

    test('a second scope with a key is refused by name', async () => {
      scope('b', 'a', 'routes-b');
      await until('it is refused', () => server.nacks().length === 1);
      assert.match(server.nacks()[0] ?? '', /scope key conflict found, first scope is ['"]a['"]/);
      assert.deepEqual(await tenant('a'), found('routes-a'));
      assert.equal(await proxy.stat('http.web.scoped_rds.scopes.update_rejected'), 1);
    });

    test('a scope without routes is refused', async () => {
      server.set(types.scope, 'none', { name: 'none', key: key('none') });
      await until('it is refused', () => server.nacks().length === 2);
      assert.match(server.nacks()[1] ?? '', /route_configuration_name:? (is|must not be) empty/);
    });

    test('scopes come, change their key, and go', async () => {
      scope('c', 'c', 'routes-b');
      await shows('c', found('routes-b'));
      scope('a', 'a2', 'routes-a');
      await shows('a2', found('routes-a'));
      assert.deepEqual(await tenant('a'), notFound);
      server.remove(types.scope, 'c');
      await shows('c', notFound);
      const isLeft = () => server.requests.some(({ unsubscribe }) => unsubscribe[0] === 'routes-b');
      await until('its routes are unsubscribed from', isLeft);
    });

    test('the routes of a lazy scope go with it', async () => {
      server.remove(types.scope, 'lazy');
      await shows('lazy', notFound);
      const isLeft = () =>
        server.requests.some(({ unsubscribe }) => unsubscribe[0] === 'routes-lazy');
      await until('they are unsubscribed from', isLeft);
    });

    test('the dump shows the scopes', async () => {
      const dump = JSON.stringify(await proxy.configDump('ScopedRoutesConfigDump'));
      assert.match(dump, /"dynamic_scoped_route_configs"/);
      assert.match(dump, /"string_key":"a2"/);
      assert.doesNotMatch(dump, /"string_key":"lazy"/);
    });

    test('routes on demand that do not exist', async () => {
      scope('void', 'void', 'routes-void', true);
      await until('the scope is known', async () => (await gauges())[1] === 1);
      // Envoy waits for them as long as the stream may be idle; we go on without.
      const late = [504, 'stream timeout', 'SI', 'stream_idle_timeout', '-'];
      assert.deepEqual(await tenant('void'), kind === 'envoy' ? late : notFound);
      server.set(types.route, 'routes-void', answering('routes-void'));
      await shows('void', found('routes-void'));
    });
  });
}

for (const kind of kinds) {
  test(`scopes by a stream of their own, ${kind}`, { skip: skipWithout('envoy') }, async () => {
    const server = new DeltaServer();
    await server.start();
    for (const name of ['eager', 'lazy']) {
      server.set(types.scope, name, {
        name,
        key: key(name),
        route_configuration_name: `routes-${name}`,
        on_demand: name === 'lazy',
      });
      server.set(types.route, `routes-${name}`, answering(`routes-${name}`));
    }
    const proxy = await startScopedProxy({
      kind,
      server,
      hasAds: false,
      filters: [onDemandFilter()],
      routes: {
        scoped_routes: {
          name: 'scopes',
          scope_key_builder: { fragments: [byHeader('x-tenant', { index: 0 })] },
          rds_config_source: ownStream,
          scoped_rds: { scoped_rds_config_source: ownStream },
        },
      },
    });
    try {
      for (const name of ['eager', 'lazy']) {
        const outcome = await proxy.ask('h', '/', { 'x-tenant': name });
        assert.deepEqual(outcome, found(`routes-${name}`));
      }
    } finally {
      await proxy.stop();
      server.close();
    }
  });
}

for (const kind of kinds) {
  for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
    const what = `scopes from our control plane by ${protocol}, ${kind}`;
    test(what, { skip: skipWithout('envoy') }, async () => {
      const harness = await startAds();
      const scope = (name: string, of: string, routes: string) =>
        resourceOf('scoped-route', name, {
          name,
          key: key(of),
          route_configuration_name: routes,
        });
      const routes = (name: string) => resourceOf('route', name, answering(name) as object);
      harness.publish(
        'node-1',
        scope('a', 'a', 'r1'),
        scope('b', 'b', 'r2'),
        routes('r1'),
        routes('r2'),
      );
      const proxy = await startScopedProxy({
        kind,
        server: harness,
        protocol,
        routes: {
          scoped_routes: {
            name: 'scopes',
            scope_key_builder: { fragments: [byHeader('x-tenant', { index: 0 })] },
            rds_config_source: ads,
            scoped_rds: { scoped_rds_config_source: ads },
          },
        },
      });
      const shows = (tenant: string, expected: unknown) =>
        until(`${tenant} is served`, async () => {
          const outcome = await proxy.ask('h', '/', { 'x-tenant': tenant });
          return JSON.stringify(outcome) === JSON.stringify(expected);
        });
      try {
        assert.deepEqual(await proxy.ask('h', '/', { 'x-tenant': 'a' }), found('r1'));
        assert.deepEqual(await proxy.ask('h', '/', { 'x-tenant': 'b' }), found('r2'));
        // One goes, one changes its routes, one comes.
        harness.publish(
          'node-1',
          scope('b', 'b', 'r1'),
          scope('c', 'c', 'r2'),
          routes('r1'),
          routes('r2'),
        );
        await shows('b', found('r1'));
        await shows('c', found('r2'));
        await shows('a', notFound);
        harness.publish('node-1', scope('b', 'b', 'r1'), routes('r1'));
        await shows('c', notFound);
        assert.equal(await proxy.stat('http.web.scoped_rds.scopes.update_rejected'), 0);
        assert.equal(await proxy.stat('http.web.scoped_rds.scopes.all_scopes'), 1);
      } finally {
        await proxy.stop();
        harness.close();
      }
    });
  }
}
