// Virtual hosts and clusters on demand: a real Envoy and our sidecar with the same server. Where Envoy lets a request wait
// until its stream has been idle for too long, we answer when the server has; see docs/differences.md.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startAds } from '../fakes/ads-harness.ts';
import { DeltaServer } from '../fakes/delta-server.ts';
import { until } from '../fakes/until.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { skipWithout } from './peers.ts';
import {
  ads,
  type Kind,
  kinds,
  onDemandFilter,
  ownStream,
  type ScopedProxy,
  startScopedProxy,
  staticCluster,
  types,
  virtualHost,
} from './scoped-setup.ts';

/** Answers with what it was sent. */
async function startEcho() {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'x-method': request.method });
    request.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

const idleTimeout = '1s';
const found = (name: string) => [200, name, '-', 'direct_response', `route-${name}`];
const notFound = [404, '', 'NR', 'route_not_found', '-'];
const idle = [504, 'stream timeout', 'SI', 'stream_idle_timeout', '-'];
const noCluster = (route: string) => [503, '', 'NC', 'cluster_not_found', route];

const missing = (kind: Kind) => (kind === 'envoy' ? idle : notFound);

for (const kind of kinds) {
  describe(`virtual hosts on demand, ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    let echo: Awaited<ReturnType<typeof startEcho>>;
    let proxy: ScopedProxy;
    const hostTo = (cluster: string, domain: string) => ({
      name: cluster,
      domains: [domain],
      routes: [{ name: `to-${cluster}`, match: { prefix: '/' }, route: { cluster } }],
    });

    before(async () => {
      await server.start();
      echo = await startEcho();
      server.set(types.route, 'rc', {
        name: 'rc',
        vhds: { config_source: ads },
        virtual_hosts: [virtualHost('own', 'own.x')],
      });
      server.set(types.virtualHost, 'rc/given', virtualHost('given', 'given.x'));
      server.preloaded.push('rc/given');
      const aliases = ['rc/one.x', 'rc/uno.x'];
      server.set(types.virtualHost, 'rc/one', virtualHost('one', 'one.x', 'uno.x'), aliases);
      server.set(types.virtualHost, 'rc/two.x', virtualHost('two', 'two.x'));
      server.set(types.virtualHost, 'rc/elsewhere.x', virtualHost('elsewhere', 'another.x'));
      server.set(types.virtualHost, 'rc/echo.x', hostTo('echo', 'echo.x'));
      server.set(types.virtualHost, 'rc/twice.x', virtualHost('twice', 'twice.x', 'own.x'));
      server.set(types.virtualHost, 'rc/nobody.x', null);
      server.silentAbout.add('rc/late.x');
      proxy = await startScopedProxy({
        kind,
        server,
        filters: [onDemandFilter()],
        clusters: [staticCluster('echo', echo.port)],
        idleTimeout,
        routes: { rds: { route_config_name: 'rc', config_source: ads } },
      });
    });

    after(async () => {
      await proxy?.stop();
      echo?.close();
      server.close();
    });

    const asked = () => server.asked(types.virtualHost).map((name) => name.replace('rc/', ''));

    test('what is known is served, and nothing is asked for', async () => {
      assert.deepEqual(await proxy.ask('own.x'), found('own'));
      assert.deepEqual(await proxy.ask('given.x'), found('given'));
      assert.deepEqual(asked(), []);
    });

    test('a host is asked for once, with all of its names', async () => {
      assert.deepEqual(await proxy.ask('one.x'), found('one'));
      assert.deepEqual(await proxy.ask('uno.x'), found('one'));
      assert.deepEqual(await proxy.ask('TWO.x'), found('two'));
      assert.deepEqual(asked(), ['one.x', 'two.x']);
    });

    test('a body waits with its request', async () => {
      const [status, text, flags, details] = await proxy.ask('echo.x', '/', {}, 'ping');
      assert.deepEqual([status, text, flags, details], [200, 'ping', '-', 'via_upstream']);
    });

    test('who waits for the same host hears of it at once', async () => {
      const answers = [proxy.send('late.x'), proxy.send('late.x', '/', {}, 'body')];
      await until('it is asked for', () => asked().includes('late.x'));
      server.set(types.virtualHost, 'rc/late.x', virtualHost('late', 'late.x'));
      assert.deepEqual(await Promise.all(answers), [
        [200, 'late'],
        [200, 'late'],
      ]);
      proxy.skipLogged(2);
      assert.equal(asked().filter((name) => name === 'late.x').length, 1);
    });

    test('an answer that does not help is an answer', async () => {
      assert.deepEqual(await proxy.ask('elsewhere.x'), notFound);
      assert.deepEqual(await proxy.ask('another.x'), found('elsewhere'));
    });

    test('the port is part of what is asked for', async () => {
      assert.deepEqual(await proxy.ask('one.x:81'), missing(kind));
      assert.equal(asked().at(-1), 'one.x:81');
    });

    test('a host that does not exist, and comes to exist', async () => {
      assert.deepEqual(await proxy.ask('none.x'), missing(kind));
      assert.deepEqual(await proxy.ask('none.x'), missing(kind));
      assert.equal(asked().filter((name) => name === 'none.x').length, 1);
      server.set(types.virtualHost, 'rc/none.x', virtualHost('now', 'none.x'));
      const isServed = async () => (await proxy.ask('none.x'))[0] === 200;
      await until('it is served', isServed);
    });

    test('a host of which the server says in the words of VHDS that nobody serves it', async () => {
      assert.deepEqual(await proxy.ask('nobody.x'), notFound);
      assert.equal(asked().at(-1), 'nobody.x');
      assert.deepEqual(server.nacks(), []);
    });

    test('a domain that another host has is refused', async () => {
      assert.deepEqual(await proxy.ask('twice.x'), missing(kind));
      assert.match(server.nacks().at(-1) ?? '', /only unique values for domains are permitted/i);
      assert.deepEqual(await proxy.ask('own.x'), found('own'));
    });

    test('a host goes', async () => {
      // Envoy finds it again only when it is called as its resource is.
      server.set(types.virtualHost, 'rc/bye.x', virtualHost('rc/bye.x', 'bye.x'));
      assert.deepEqual(await proxy.ask('bye.x'), found('rc/bye.x'));
      server.remove(types.virtualHost, 'rc/bye.x');
      await until('it is gone', async () => (await proxy.ask('bye.x'))[0] !== 200);
      assert.deepEqual(await proxy.ask('bye.x'), notFound);
      const dump = JSON.stringify(await proxy.configDump('RoutesConfigDump'));
      assert.doesNotMatch(dump, /"rc\/bye\.x"/);
    });

    test('the dump and the stats show hosts', async () => {
      const dump = JSON.stringify(await proxy.configDump('RoutesConfigDump'));
      assert.match(dump, /"name":"late"/);
      assert.ok(((await proxy.stat('http.web.rds.vhds.rc.update_success')) ?? 0) > 3);
      assert.equal(await proxy.stat('http.web.rds.vhds.rc.update_rejected'), 1);
    });
  });

  describe(`clusters on demand, ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    let echo: Awaited<ReturnType<typeof startEcho>>;
    let proxy: ScopedProxy;
    const perRoute = 'envoy.extensions.filters.http.on_demand.v3.PerRouteConfig';
    const asked = () => server.asked(types.cluster);

    before(async () => {
      await server.start();
      echo = await startEcho();
      for (const name of ['named', 'by-header', 'weighted']) {
        server.set(types.cluster, name, staticCluster(name, echo.port));
      }
      server.set(types.cluster, 'bad', { ...staticCluster('bad', 1), connect_timeout: '-1s' });
      server.silentAbout.add('silent');
      const to = (name: string, route: object, more: object = {}) => ({
        name,
        match: { prefix: `/${name}` },
        route,
        ...more,
      });
      const off = { '@type': `type.googleapis.com/${perRoute}` };
      proxy = await startScopedProxy({
        kind,
        server,
        filters: [onDemandFilter({ odcds: { source: ads, timeout: '1s' } })],
        routes: {
          route_config: {
            name: 'rc',
            validate_clusters: false,
            virtual_hosts: [
              {
                name: 'all',
                domains: ['*'],
                routes: [
                  to('named', { cluster: 'named' }),
                  to('header', { cluster_header: 'x-cluster' }),
                  to('weighted', {
                    weighted_clusters: { clusters: [{ name: 'weighted', weight: 1 }] },
                  }),
                  to('none', { cluster: 'none' }),
                  to('silent', { cluster: 'silent' }),
                  to('bad', { cluster: 'bad' }),
                  to(
                    'off',
                    { cluster: 'never' },
                    { typed_per_filter_config: { 'envoy.filters.http.on_demand': off } },
                  ),
                ],
              },
            ],
          },
        },
      });
    });

    after(async () => {
      await proxy?.stop();
      echo?.close();
      server.close();
    });

    const served = (route: string) => [200, 'ping', '-', 'via_upstream', route];
    const post = (path: string, headers: object = {}) => proxy.ask('h', path, headers, 'ping');

    test('clusters that routes name, by header and by weight, too', async () => {
      assert.deepEqual(await post('/named'), served('named'));
      assert.deepEqual(await post('/named'), served('named'));
      assert.deepEqual(await post('/header', { 'x-cluster': 'by-header' }), served('header'));
      assert.deepEqual(await post('/weighted'), served('weighted'));
      assert.deepEqual(asked(), ['named', 'by-header', 'weighted']);
    });

    test('a cluster that does not exist, and comes to exist', async () => {
      assert.deepEqual(await post('/none'), noCluster('none'));
      assert.deepEqual(await post('/none'), noCluster('none'));
      assert.equal(asked().at(-1), 'none');
      assert.equal(asked().length, 4);
      server.set(types.cluster, 'none', staticCluster('none', echo.port));
      await until('it is served', async () => (await post('/none'))[0] === 200);
      assert.equal(asked().length, 4);
    });

    test('without an answer, or a good one, the request goes on without', async () => {
      assert.deepEqual(await post('/silent'), noCluster('silent'));
      assert.deepEqual(await post('/bad'), noCluster('bad'));
      await until('the bad one is refused', () => server.nacks().length > 0);
      assert.equal(server.nacks().length, 1);
    });

    test('who says no cluster asks for none, and a route may turn it off', async () => {
      const before = asked().length;
      assert.deepEqual(await post('/header'), noCluster('header'));
      assert.deepEqual(await post('/off'), noCluster('off'));
      assert.equal(asked().length, before);
    });

    test('a cluster goes, and comes again', async () => {
      server.remove(types.cluster, 'named');
      await until('it is gone', async () => (await post('/named'))[0] === 503);
      server.set(types.cluster, 'named', staticCluster('named', echo.port));
      await until('it is there', async () => (await post('/named'))[0] === 200);
    });
  });
}

for (const kind of kinds) {
  test(`without an aggregated stream, ${kind}`, { skip: skipWithout('envoy') }, async () => {
    const server = new DeltaServer();
    await server.start();
    const echo = await startEcho();
    server.set(types.route, 'rc', { name: 'rc', vhds: { config_source: ownStream } });
    server.set(types.virtualHost, 'rc/given', virtualHost('given', 'given.x'));
    server.preloaded.push('rc/given');
    server.set(types.virtualHost, 'rc/new.x', virtualHost('new', 'new.x'));
    server.set(types.cluster, 'far', staticCluster('far', echo.port));
    const hosts = await startScopedProxy({
      kind,
      server,
      hasAds: false,
      filters: [onDemandFilter()],
      routes: { rds: { route_config_name: 'rc', config_source: ownStream } },
    });
    const route = { name: 'r', match: { prefix: '/' }, route: { cluster: 'far' } };
    const clusters = await startScopedProxy({
      kind,
      server,
      hasAds: false,
      filters: [onDemandFilter({ odcds: { source: ownStream } })],
      routes: {
        route_config: {
          validate_clusters: false,
          virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }],
        },
      },
    });
    try {
      assert.deepEqual(await hosts.ask('given.x'), found('given'));
      assert.deepEqual(await hosts.ask('new.x'), found('new'));
      const [status, text] = await clusters.send('h', '/', {}, 'ping');
      assert.deepEqual([status, text], [200, 'ping']);
      assert.deepEqual(server.asked(types.virtualHost), ['rc/new.x']);
      assert.deepEqual(server.asked(types.cluster), ['far']);
    } finally {
      await hosts.stop();
      await clusters.stop();
      echo.close();
      server.close();
    }
  });
}

for (const kind of kinds) {
  test(`virtual hosts of our control plane, ${kind}`, { skip: skipWithout('envoy') }, async () => {
    const harness = await startAds();
    const host = (name: string, ...more: string[]) =>
      resourceOf('virtual-host', `rc/${name}`, virtualHost(name, name, ...more) as object);
    const rc = resourceOf('route', 'rc', { name: 'rc', vhds: { config_source: ads } });
    harness.publish('node-1', rc, host('one.x'), host('two.x'));
    const proxy = await startScopedProxy({
      kind,
      server: harness,
      filters: [onDemandFilter()],
      idleTimeout,
      routes: { rds: { route_config_name: 'rc', config_source: ads } },
    });
    try {
      assert.deepEqual(await proxy.ask('one.x'), found('one.x'));
      assert.deepEqual(await proxy.ask('two.x'), found('two.x'));
      assert.deepEqual(await proxy.ask('none.x'), notFound);
      harness.publish('node-1', rc, host('one.x', 'uno.x'), host('two.x'), host('none.x'));
      for (const [name, answer] of [
        ['uno.x', 'one.x'],
        ['none.x', 'none.x'],
      ] as const) {
        await until(`${name} is served`, async () => (await proxy.ask(name))[1] === answer);
      }
    } finally {
      await proxy.stop();
      harness.close();
    }
  });
}

describe('names that clients make us ask for', { skip: skipWithout('envoy') }, () => {
  test('have a limit: what does not exist makes room, what does not is refused', async () => {
    const server = new DeltaServer();
    await server.start();
    for (const name of ['a', 'b']) {
      server.set(types.virtualHost, `rc/${name}`, virtualHost(name, name));
    }
    server.set(types.virtualHost, 'rc/given', virtualHost('given', 'given.x'));
    server.preloaded.push('rc/given');
    server.set(types.route, 'rc', {
      name: 'rc',
      vhds: { config_source: ads },
      virtual_hosts: [virtualHost('own', 'own.x')],
    });
    const proxy = await startScopedProxy({
      kind: 'remora',
      server,
      filters: [onDemandFilter()],
      routes: { rds: { route_config_name: 'rc', config_source: ads } },
      runtime: { 'remora.on_demand.max_names': 2 },
    });
    try {
      const statusOf = async (host: string) => (await proxy.ask(host))[0];
      const statuses = [];
      for (const host of ['a', 'none-1', 'none-2', 'b', 'none-3', 'b', 'a']) {
        statuses.push(await statusOf(host));
      }
      assert.deepEqual(statuses, [200, 404, 404, 200, 404, 200, 200]);
      assert.deepEqual(server.asked(types.virtualHost), ['rc/a', 'rc/none-1', 'rc/none-2', 'rc/b']);
      const left = server.requests.flatMap(({ unsubscribe }) => unsubscribe);
      assert.deepEqual(left, ['rc/none-1', 'rc/none-2']);
      const names = ['names', 'requested', 'evicted', 'refused'];
      const counts = await Promise.all(names.map((name) => proxy.stat(`on_demand.${name}`)));
      assert.deepEqual(counts, [2, 4, 2, 1]);
    } finally {
      await proxy.stop();
      server.close();
    }
  });
});
