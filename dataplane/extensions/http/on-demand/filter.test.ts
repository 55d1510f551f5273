import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, HcmScenario } from '../../../../test/fakes/hcm.ts';
import {
  forwardAction,
  routeConfigData,
  routeData,
  virtualHostData,
} from '../../../../test/fakes/route-data.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { Cluster, ClusterManager } from '../../../api/cluster.ts';
import { adsSource } from '../../../api/config/config-source.ts';
import type { RouteData } from '../../../api/config/route.ts';
import type { HttpFilterContext } from '../../../api/factory.ts';
import { onDemandKey } from '../../../api/on-demand.ts';
import type { ResourceReference } from '../../../api/resource-compiler.ts';
import type { RouteTable } from '../../../api/route.ts';
import { DynamicHosts } from '../../../router/dynamic-hosts.ts';
import { createRouteTable } from '../../../router/route-table.ts';
import { WorkerOnDemand } from '../../../router/worker-on-demand.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { OnDemandData } from './data.ts';
import { onDemand } from './filter.ts';

const odcds = { source: adsSource, timeoutMs: 2_000 };

interface Given {
  readonly data?: OnDemandData;
  /** Of host `own`; default: there is none. */
  readonly routes?: readonly RouteData[];
}

function setUp({ data = { odcds: null }, routes = [] }: Given = {}) {
  const hosts = new DynamicHosts();
  const clusters = new Set<string>();
  const asked: ResourceReference[] = [];
  const waiting = new WorkerOnDemand((target) => asked.push(target));
  const timers = new FakeTimers();
  const store = new HolderStore();
  // No more is looked at.
  const cluster = {} as Cluster;
  const clusterManager: ClusterManager = {
    getCluster: (name) => (clusters.has(name) ? cluster : null),
  };
  const context = fakeFilterContext({ store, timers, clusterManager });
  const worker = { ...context.worker, onDemand: waiting };
  const subject = new HcmScenario({
    store,
    timers,
    routes: createRouteTable(
      routeConfigData({
        name: 'rc',
        vhds: { id: 'rc', namespace: 'rc', source: adsSource },
        virtualHosts: [virtualHostData({ name: 'own', domains: ['own'], routes })],
      }),
      { createRouteFilterConfig: (_extension, config) => config, dynamicHosts: () => hosts },
    ),
    realFilters: [
      {
        name: 'od',
        disabled: false,
        config: onDemand.create(data, { ...context, worker } as HttpFilterContext),
      },
    ],
  });
  const names = () => asked.map(({ kind, name }) => `${kind} ${name}`);
  const answer = () => waiting.answer(onDemandKey(asked.at(-1)!), 'found');
  return { hosts, clusters, subject, timers, names, answer };
}

const head = (host: string, more = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
const to = (cluster: string, more: Partial<RouteData> = {}): RouteData =>
  routeData({ action: forwardAction({ cluster: { kind: 'cluster', name: cluster } }), ...more });
const passed = ['router.decodeHeaders end'];

test('a request with a route to somewhere goes on at once', () => {
  const { clusters, subject, names } = setUp({ data: { odcds }, routes: [to('c')] });
  clusters.add('c');
  subject.send(head('own'));
  assert.deepEqual(subject.journal, passed);
  assert.deepEqual(names(), []);
});

test('without odcds nobody looks whether the cluster is there', () => {
  const { subject, names } = setUp({ routes: [to('c')] });
  subject.send(head('own'));
  assert.deepEqual(subject.journal, passed);
  assert.deepEqual(names(), []);
});

test('an unknown host is asked for, with the body waiting, and the route is chosen anew', () => {
  const { hosts, subject, timers, names, answer } = setUp();
  subject.send('POST / HTTP/1.1\r\nHost: New\r\nContent-Length: 4\r\n\r\nab');
  subject.send('cd');
  assert.deepEqual(subject.journal, []);
  assert.deepEqual(names(), ['virtual-host rc/new']);
  const route = to('c', {
    name: 'new-route',
    action: forwardAction({ cluster: { kind: 'cluster', name: 'c' }, idleTimeoutMs: 1_000 }),
  });
  hosts.set('rc/new', virtualHostData({ name: 'new', domains: ['new'], routes: [route] }));
  answer();
  assert.deepEqual(subject.journal, ['router.decodeHeaders', 'router.decodeData abcd end']);
  assert.equal(subject.router.route()?.name, 'new-route');
  // Its timeouts hold as if it had been there.
  timers.advance(1_100);
  assert.equal(subject.logs[0]?.details, 'stream_idle_timeout');
});

test('whatever the answer is, the request goes on', () => {
  const { subject, answer } = setUp();
  subject.send(head('none'));
  assert.deepEqual(subject.journal, []);
  answer();
  assert.deepEqual(subject.journal, passed);
  assert.equal(subject.router.route(), null);
});

test('a host without a route has nothing that could be asked for twice', () => {
  const { subject, names, answer } = setUp();
  subject.send(head('own'));
  answer();
  assert.deepEqual(names(), ['virtual-host rc/own']);
  assert.deepEqual(subject.journal, passed);
});

test('a cluster is asked for by its name or by a header, and not for longer than its timeout', () => {
  const byHeader = forwardAction({ cluster: { kind: 'cluster_header', header: 'x-c' } });
  const header = routeData({ action: byHeader });
  const { subject, timers, names, answer } = setUp({ data: { odcds }, routes: [header] });
  subject.send(head('own', 'x-c: a\r\n'));
  assert.deepEqual(names(), ['cluster a']);
  answer();
  assert.deepEqual(subject.journal, passed);
  timers.advance(2_000);
  assert.deepEqual(subject.journal, passed);

  const slow = setUp({ data: { odcds }, routes: [to('b')] });
  slow.subject.send(head('own'));
  slow.timers.advance(1_999);
  assert.deepEqual(slow.subject.journal, []);
  slow.timers.advance(1);
  assert.deepEqual(slow.subject.journal, passed);
  slow.answer();
  assert.deepEqual(slow.subject.journal, passed);
});

test('a request without the header asks for nothing; a route may turn it off', () => {
  const byHeader = forwardAction({ cluster: { kind: 'cluster_header', header: 'x-c' } });
  const header = setUp({ data: { odcds }, routes: [routeData({ action: byHeader })] });
  header.subject.send(head('own'));
  assert.deepEqual([header.names(), header.subject.journal], [[], passed]);

  const extension = 'envoy.filters.http.on_demand';
  const off = { od: { extension, data: { odcds: null }, disabled: false } };
  const without = setUp({ data: { odcds }, routes: [to('c', { perFilterConfig: off })] });
  without.subject.send(head('own'));
  assert.deepEqual([without.names(), without.subject.journal], [[], passed]);

  const on = { od: { extension, data: { odcds }, disabled: false } };
  const withIt = setUp({ routes: [to('c', { perFilterConfig: on })] });
  withIt.subject.send(head('own'));
  assert.deepEqual(withIt.names(), ['cluster c']);
});

test('after the host its cluster is asked for', () => {
  const { hosts, subject, names, answer } = setUp({ data: { odcds } });
  subject.send(head('new'));
  hosts.set('rc/new', virtualHostData({ name: 'new', domains: ['new'], routes: [to('c')] }));
  answer();
  assert.deepEqual(names(), ['virtual-host rc/new', 'cluster c']);
  assert.deepEqual(subject.journal, []);
  answer();
  assert.deepEqual(subject.journal, passed);
});

test('a client that leaves waits no more', () => {
  const { subject, timers, answer } = setUp({ data: { odcds }, routes: [to('c')] });
  subject.send(head('own'));
  subject.connection.remoteClose();
  answer();
  timers.advance(2_000);
  assert.deepEqual(subject.journal, ['router.onDestroy']);
});

test('the routes of a scope are asked for, then the virtual host in them, and nothing twice', () => {
  const hosts = new DynamicHosts();
  const asked: string[] = [];
  const waiting = new WorkerOnDemand(({ kind, name }) => asked.push(`${kind} ${name}`));
  const timers = new FakeTimers();
  const store = new HolderStore();
  const context = fakeFilterContext({ store, timers });
  const target: ResourceReference = { kind: 'route', name: 'rc', source: adsSource };
  const inner = createRouteTable(
    routeConfigData({
      name: 'rc',
      vhds: { id: 'rc', namespace: 'rc', source: adsSource },
      virtualHosts: [],
    }),
    { createRouteFilterConfig: () => null, dynamicHosts: () => hosts },
  );
  let table: RouteTable | null = null;
  const config = onDemand.create({ odcds: null }, {
    ...context,
    worker: { ...context.worker, onDemand: waiting },
  } as HttpFilterContext);
  const setUpStream = () =>
    new HcmScenario({
      store,
      timers,
      routes: {
        internalOnlyHeadersOf: () => [],
        match: (headers, random) => table?.match(headers, random) ?? null,
        missing: (headers) => (table === null ? target : table.missing(headers)),
      },
      realFilters: [{ name: 'od', disabled: false, config }],
    });
  const inVain = setUpStream();
  inVain.send(head('new'));
  waiting.answer(onDemandKey(target), 'missing');
  assert.deepEqual(inVain.journal, passed);

  const subject = setUpStream();
  subject.send(head('new'));
  table = inner;
  waiting.answer(onDemandKey(target), 'found');
  assert.deepEqual(asked, ['route rc', 'route rc', 'virtual-host rc/new']);
  assert.deepEqual(subject.journal, []);
  const host: ResourceReference = { kind: 'virtual-host', name: 'rc/new', source: adsSource };
  waiting.answer(onDemandKey(host), 'missing');
  assert.deepEqual(subject.journal, passed);
  assert.equal(asked.length, 3);
});
