import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { systemClock } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import {
  assignmentPolicy,
  clusterConfig,
  defaultOutlierDetection,
  leastRequestOf,
  placedHost,
  seededRandom,
} from '../../test/fakes/cluster-config.ts';
import { FakeConnection } from '../../test/fakes/connection.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { until } from '../../test/fakes/until.ts';
import { type Cluster, ConnectionUse } from '../api/cluster.ts';
import { StreamResetReason } from '../api/codec.ts';
import type {
  ClusterConfig,
  PlacedAssignment,
  PlacedHost,
  UpstreamProtocol,
} from '../api/config/cluster.ts';
import {
  defaultRoundRobin,
  defaultZoneAware,
  type ZoneAwareData,
} from '../api/config/load-balancing.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import type { Host } from '../api/host.ts';
import { anyHost } from '../api/load-balancing.ts';
import type { Protocol } from '../api/stream-info.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import type { ClusterParts } from './cluster.ts';
import { WorkerClusterManager } from './cluster-manager.ts';
import type { UpstreamHost } from './host.ts';
import type { OutlierReport } from './outlier/outlier-event.ts';
import { ClusterWord, HostWord, readWord, SharedChunks, writeWord } from './shared-state.ts';

const clusterSlot = { chunk: 0, slot: 0 };

function setUp(given: Partial<ClusterParts> = {}) {
  const chunks = new SharedChunks();
  chunks.create();
  const stats = new HolderStore();
  const events: OutlierReport[] = [];
  let id = 0;
  const manager = new WorkerClusterManager(
    {
      clock: systemClock,
      timers: new TimerWheel(),
      random: seededRandom(1),
      chunks,
      localLocality: null,
      localClusterName: '',
      nextConnectionId: () => ++id,
      reportOutlier: (event) => events.push(event),
      reportImmediateHealthCheckFail: () => {},
      dnsCacheOf: () => assert.fail('no DNS cache here'),
      createTls: () => null,
      ...given,
    },
    stats,
  );
  const add = (given: Partial<ClusterConfig> = {}) => {
    manager.addOrUpdate(clusterConfig(given), clusterSlot);
    return manager.getCluster('orders')!;
  };
  const users = (slot: number) => readWord(chunks.ref({ chunk: 0, slot }), HostWord.Users);
  const stat = (name: string) =>
    takeSnapshot(stats).find((entry) => entry.name === `cluster.orders.${name}`)?.value;
  const eject = (slot: number, flag: 0 | 1) => {
    writeWord(chunks.ref({ chunk: 0, slot }), HostWord.HealthFlags, flag);
    const { words, base } = chunks.ref(clusterSlot);
    Atomics.add(words, base + ClusterWord.HealthEpoch, 1);
  };
  return { manager, stats, events, add, users, stat, eject };
}

const smallZones: ZoneAwareData = { ...defaultZoneAware, minClusterSize: 1 };

function assignment(...hosts: PlacedHost[]): PlacedAssignment {
  return { clusterName: 'orders', ...assignmentPolicy, hosts };
}

function chosen(cluster: Cluster, times = 20): Map<string, Host> {
  const hosts = new Map<string, Host>();
  for (let i = 0; i < times; i++) {
    const host = cluster.chooseHost(anyHost);
    if (host !== null) hosts.set(host.address.ip, host);
  }
  return hosts;
}

const backend = http.createServer((request, response) => {
  if (request.url === '/slow') request.socket.once('slow-ok', () => response.end('slow'));
  else response.end('ok');
});
let port = 0;
before(async () => {
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  port = (backend.address() as { port: number }).port; // a TCP server has one
});
after(() => {
  backend.closeAllConnections();
  backend.close();
});

/** Sends a GET; resolves with the body. */
function get(
  cluster: Cluster,
  path = '/',
  downstream: FakeConnection | null = null,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const host = cluster.chooseHost(anyHost);
    if (host === null) {
      reject(new Error('no host'));
      return;
    }
    let body = '';
    cluster.httpPool(host, 0, '', downstream)!.newStream(
      {
        decode1xxHeaders() {},
        decodeHeaders() {},
        decodeData(data, endStream) {
          body += data.toString();
          if (endStream) resolve(body);
        },
        decodeTrailers() {},
      },
      {
        onPoolReady(encoder) {
          encoder.setCallbacks({
            onResetStream: (reason) => reject(new Error(`reset ${reason}`)),
            onAboveWriteBufferHighWatermark() {},
            onBelowWriteBufferLowWatermark() {},
          });
          encoder.encodeHeaders(new RequestHeaders('GET', path, 'a', 'http', []), true);
        },
        onPoolFailure: (_reason, text) => reject(new Error(text)),
      },
      ConnectionUse.Any,
    );
  });
}

/** A config of that protocol. */
function speaking(protocol: UpstreamProtocol): Partial<ClusterConfig> {
  const { http } = clusterConfig();
  return { http: { ...http, protocol } };
}

test('the pool of a request is that of the protocol that the cluster speaks, or its client', () => {
  const { manager, add } = setUp();
  const cases: [UpstreamProtocol, Protocol, 'HTTP/1.1' | 'HTTP/2'][] = [
    ['HTTP/1.1', 'HTTP/2', 'HTTP/1.1'],
    ['HTTP/2', 'HTTP/1.1', 'HTTP/2'],
    ['downstream', 'HTTP/2', 'HTTP/2'],
    ['downstream', 'HTTP/1.1', 'HTTP/1.1'],
    ['downstream', 'HTTP/1.0', 'HTTP/1.1'],
    ['downstream', '', 'HTTP/1.1'],
    ['downstream-or-http2', '', 'HTTP/2'],
    ['downstream-or-http2', 'HTTP/1.1', 'HTTP/1.1'],
  ];
  for (const [protocol, downstream, expected] of cases) {
    const cluster = add(speaking(protocol));
    manager.applyAssignment(assignment(placedHost('10.0.0.1', 1)));
    const host = cluster.chooseHost(anyHost) as UpstreamHost; // the only kind there is
    const pool = cluster.httpPool(host, 0, '', null, downstream);
    const text = `${protocol} ${downstream}`;
    assert.equal(pool === host.pools.http(0, 'HTTP/2'), expected === 'HTTP/2', text);
    assert.equal(pool === host.pools.http(0, 'HTTP/1.1'), expected === 'HTTP/1.1', text);
  }
});

test('a cluster that may speak HTTP/2 shows its codec’s stats, as long as it may', () => {
  const { add, stat } = setUp();
  add();
  assert.equal(stat('http2.streams_active'), undefined);
  add(speaking('downstream'));
  assert.equal(stat('http2.streams_active'), 0);
  add();
  assert.equal(stat('http2.streams_active'), undefined);
});

test('a host that stays keeps its object and counters; a changed weight shows in it', () => {
  const { manager, add } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1), placedHost('10.0.0.2', 2)));
  const before = chosen(cluster);
  before.get('10.0.0.1')!.stats.rqTotal = 7;
  manager.applyAssignment(
    assignment(placedHost('10.0.0.1', 1, { weight: 3 }), placedHost('10.0.0.3', 3)),
  );
  const now = chosen(cluster);
  assert.deepEqual([...now.keys()].sort(), ['10.0.0.1', '10.0.0.3']);
  assert.equal(now.get('10.0.0.1'), before.get('10.0.0.1'));
  assert.equal(now.get('10.0.0.1')!.weight(), 3);
  assert.equal(manager.hostReports().find(({ address }) => address === '10.0.0.1:80')!.rqTotal, 7);
});

test('very many hosts that leave at once are let go of in turns', () => {
  const timers = new FakeTimers();
  const { manager, add, users } = setUp({ timers, clock: timers.clock });
  add();
  const hosts = Array.from({ length: 1001 }, (_, i) =>
    placedHost(`10.1.${i >> 8}.${i & 255}`, i + 1),
  );
  const inUse = () => hosts.filter(({ slot }) => users(slot) > 0).length;
  manager.applyAssignment(assignment(...hosts));
  assert.equal(inUse(), 1001);
  manager.applyAssignment(assignment());
  assert.equal(inUse(), 501);
  timers.advance(0);
  assert.equal(inUse(), 0);
  manager.applyAssignment(assignment(...hosts));
  manager.applyAssignment(assignment());
  manager.remove('orders');
  timers.advance(0);
  assert.equal(users(0), 0, 'a removed cluster ends with the last of them');
});

test('an address that comes back with another slot is another host', () => {
  const { manager, add, users } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1)));
  const before = cluster.chooseHost(anyHost);
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 2)));
  assert.notEqual(cluster.chooseHost(anyHost), before);
  assert.deepEqual([users(1), users(2)], [0, 1], 'the old slot was let go of');
});

test('an ejected host is seen at the next pick, and its return as well', () => {
  const { manager, add, eject, stat } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1), placedHost('10.0.0.2', 2)));
  assert.equal(chosen(cluster).size, 2);
  eject(1, 1);
  assert.deepEqual([...chosen(cluster).keys()], ['10.0.0.2']);
  assert.equal(stat('lb_healthy_panic'), 0, 'half is not below the threshold');
  eject(2, 1);
  assert.equal(chosen(cluster).size, 2, 'panic: all of them');
  assert.equal(stat('lb_healthy_panic'), 20);
  eject(1, 0);
  eject(2, 0);
  assert.equal(chosen(cluster).size, 2);
  assert.equal(stat('lb_healthy_panic'), 20);
});

test('membership counts who is not unhealthy, as it is now', () => {
  const { manager, add, eject } = setUp();
  const cluster = add();
  assert.deepEqual(cluster.membership(), { total: 0, usable: 0 });
  manager.applyAssignment(
    assignment(
      placedHost('10.0.0.1', 1),
      placedHost('10.0.0.2', 2, { health: 'degraded' }),
      placedHost('10.0.0.3', 3, { health: 'unhealthy' }),
    ),
  );
  assert.deepEqual(cluster.membership(), { total: 3, usable: 2 });
  eject(1, 1);
  assert.deepEqual(cluster.membership(), { total: 3, usable: 1 });
  eject(1, 0);
  assert.deepEqual(cluster.membership(), { total: 3, usable: 2 });
});

test('degraded hosts of the only priority share the load with too few healthy ones', () => {
  const { manager, add } = setUp();
  const cluster = add();
  const degraded = { health: 'degraded' } as const;
  manager.applyAssignment(
    assignment(placedHost('10.0.0.1', 1), placedHost('10.0.0.2', 2, degraded)),
  );
  let healthy = 0;
  for (let i = 0; i < 10_000; i++) {
    if (cluster.chooseHost(anyHost)!.address.ip === '10.0.0.1') healthy++;
  }
  // 140 * 1/2 = 70 %; 99.9 % interval of a binomial: +- 151
  assert.ok(Math.abs(healthy - 7_000) < 151, String(healthy));
});

test('an assignment may ask for a share of requests to be refused, or for all', () => {
  const { manager, add } = setUp();
  const cluster = add();
  const dropping = (dropPpm: number) =>
    manager.applyAssignment({ ...assignment(), dropOverload: { category: 'a', dropPpm } });
  assert.equal(cluster.dropOverload(), null);
  dropping(250_000);
  let dropped = 0;
  for (let i = 0; i < 10_000; i++) if (cluster.dropOverload() === 'drop_overload') dropped++;
  // 99.9 % interval of a binomial: +- 143
  assert.ok(Math.abs(dropped - 2_500) < 143, String(dropped));
  dropping(1_000_000);
  assert.equal(cluster.dropOverload(), 'unconditional_drop_overload');
  manager.applyAssignment(assignment());
  assert.equal(cluster.dropOverload(), null);
});

test('zone-aware picks follow the hosts of the local cluster and their health', () => {
  const zone = (name: string) => ({ locality: { region: '', zone: name, subZone: '' } });
  const { manager, add, stat, eject } = setUp({
    localClusterName: 'sidecars',
    localLocality: zone('a').locality,
  });
  const cluster = add({ loadBalancing: { ...defaultRoundRobin, locality: smallZones } });
  manager.applyAssignment(
    assignment(placedHost('10.0.0.1', 1, zone('a')), placedHost('10.0.0.2', 2, zone('b'))),
  );
  assert.equal(chosen(cluster).size, 2, 'there is no local cluster yet');
  manager.addOrUpdate(clusterConfig({ name: 'sidecars' }), { chunk: 0, slot: 9 });
  manager.applyAssignment({
    ...assignment(placedHost('10.1.0.1', 11, zone('a')), placedHost('10.1.0.2', 12, zone('b'))),
    clusterName: 'sidecars',
  });
  assert.deepEqual([...chosen(cluster).keys()], ['10.0.0.1']);
  assert.equal(stat('lb_zone_routing_all_directly'), 20);
  eject(1, 1);
  assert.deepEqual([...chosen(cluster).keys()], ['10.0.0.2']);
  assert.equal(stat('lb_zone_routing_cross_zone'), 20);
});

test('without hosts: no host, and counted', () => {
  const { add, stat } = setUp();
  assert.equal(add().chooseHost(anyHost), null);
  assert.equal(stat('upstream_cx_none_healthy'), 1);
  assert.equal(stat('lb_healthy_panic'), 1, 'as Envoy');
});

test('a retry asks for another host as often as it may, then takes what it got', () => {
  const { manager, add } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1), placedHost('10.0.0.2', 2)));
  const context = {
    ...anyHost,
    hostSelectionRetryCount: 3,
    shouldSelectAnotherHost: (host: Host) => host.address.ip === '10.0.0.1',
  };
  for (let i = 0; i < 10; i++) assert.equal(cluster.chooseHost(context)!.address.ip, '10.0.0.2');
  let asked = 0;
  const nobody = { ...context, shouldSelectAnotherHost: () => ++asked > 0 };
  assert.notEqual(cluster.chooseHost(nobody), null);
  assert.equal(asked, 3);
});

test('reports a run of failures with cluster and address', () => {
  const { manager, add, events } = setUp();
  const cluster = add({ outlierDetection: { ...defaultOutlierDetection, consecutive5xx: 2 } });
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1)));
  const { outlier } = cluster.chooseHost(anyHost)!;
  outlier.putHttpResponseCode(500);
  outlier.putHttpResponseCode(500);
  assert.deepEqual(events, [
    { cluster: 'orders', address: '10.0.0.1:80', kind: 'consecutive_5xx' },
  ]);
});

test('outlier detection of a cluster heeds its error matcher, and degraded hosts where it is to', () => {
  const { manager, add, events } = setUp();
  const notFound = {
    name: ':status',
    match: {
      kind: 'string' as const,
      matcher: { kind: 'exact' as const, value: '404', ignoreCase: false },
    },
    invert: false,
    treatMissingAsEmpty: false,
  };
  const cluster = add({
    outlierDetection: { ...defaultOutlierDetection, consecutive5xx: 2, detectDegradedHosts: true },
    http: {
      ...clusterConfig().http,
      errorMatcher: { kind: 'headers', headers: [notFound] },
    },
  });
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1)));
  const { outlier } = cluster.chooseHost(anyHost)!;
  outlier.putResponse(404, new ResponseHeaders(404, ['x-envoy-degraded', '']));
  outlier.putResponse(503, new ResponseHeaders(503, ['x-envoy-degraded', '']));
  outlier.putResponse(404, new ResponseHeaders(404, []));
  outlier.putResponse(404, new ResponseHeaders(404, []));
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['degraded', 'consecutive_5xx'],
  );
});

test('a changed config replaces the cluster at once and loses no request', async () => {
  const { manager, add, stat, users } = setUp();
  const former = add();
  manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
  assert.equal(await get(former), 'ok');
  const slow = get(former, '/slow');
  const [request] = (await once(backend, 'request')) as [http.IncomingMessage];
  const cluster = add({ connectTimeoutMs: 1_000 });
  assert.notEqual(cluster, former);
  assert.equal(cluster.config.connectTimeoutMs, 1_000);
  assert.equal(users(1), 2, 'both clusters use the host');
  assert.equal(await get(cluster), 'ok', 'the new one has the hosts of the old one');
  assert.equal(await get(former), 'ok', 'who still holds the old one is served');
  request.socket.emit('slow-ok');
  assert.equal(await slow, 'slow');
  assert.equal(stat('upstream_rq_total'), 4, 'counters went on');
  manager.closeAll();
  assert.deepEqual([users(0), users(1)], [1, 1], 'the old cluster let go of its slots');
  assert.equal(stat('upstream_cx_active'), 0);
});

test('a removed cluster is unknown, forgets its stats, and finishes what is under way', async () => {
  const { manager, add, users, stat } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
  const slow = get(cluster, '/slow');
  const [request] = (await once(backend, 'request')) as [http.IncomingMessage];
  manager.remove('orders');
  assert.equal(manager.getCluster('orders'), null);
  assert.equal(stat('upstream_rq_total'), undefined);
  assert.deepEqual([users(0), users(1)], [1, 1]);
  request.socket.emit('slow-ok');
  assert.equal(await slow, 'slow');
  assert.deepEqual([users(0), users(1)], [0, 0]);
});

test('an assignment for an unknown cluster is ignored', () => {
  const { manager, users } = setUp();
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1)));
  assert.equal(users(1), 0);
});

test('connection_pool_per_downstream_connection: what one client uses, no other does', async () => {
  const { manager, add, stat } = setUp();
  const cluster = add({ connectionPoolPerDownstreamConnection: true });
  manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
  const [one, other] = [new FakeConnection(), new FakeConnection()];
  await get(cluster, '/', one);
  await get(cluster, '/', other);
  assert.equal(stat('upstream_cx_total'), 2);
  await get(cluster, '/', one);
  await get(cluster, '/', other);
  assert.equal(stat('upstream_cx_total'), 2, 'each has kept its own');
  manager.closeAll();
});

test('predictive_preconnect_ratio connects to the hosts whose turn comes next', async () => {
  const { manager, add, stat } = setUp();
  const cluster = add({ preconnect: { perUpstreamRatio: 1, predictiveRatio: 2 } });
  manager.applyAssignment(
    assignment(placedHost('127.0.0.1', 1, { port }), placedHost('127.0.0.2', 2, { port: 1 })),
  );
  const first = cluster.chooseHost(anyHost)!;
  cluster.httpPool(first, 0);
  assert.equal(stat('upstream_cx_total'), 2, 'twice the request that comes now');
  const next = [cluster.chooseHost(anyHost)!, cluster.chooseHost(anyHost)!];
  assert.deepEqual(
    next.map(({ stats }) => stats.cxTotal),
    [1, 1],
  );
  manager.closeAll();
});

test('least request cannot tell who comes next, so nothing is preconnected', () => {
  const { manager, add, stat } = setUp();
  const preconnect = { perUpstreamRatio: 1, predictiveRatio: 3 };
  const cluster = add({
    loadBalancing: leastRequestOf({ choiceCount: 2 }),
    preconnect,
  });
  manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
  cluster.httpPool(cluster.chooseHost(anyHost)!, 0);
  assert.equal(stat('upstream_cx_total'), 0);
});

test('an ejected host loses its idle connections at once', async () => {
  const { manager, add, stat } = setUp();
  const cluster = add();
  manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
  await get(cluster);
  assert.equal(stat('upstream_cx_active'), 1);
  manager.onHostHealthFailure('orders', { chunk: 0, slot: 9 });
  assert.equal(stat('upstream_cx_active'), 1, 'another host');
  manager.onHostHealthFailure('orders', { chunk: 0, slot: 1 });
  assert.equal(stat('upstream_cx_active'), 0);
});

for (const closes of [false, true]) {
  const what = closes ? 'closes' : 'leaves';
  test(`close_connections_on_host_health_failure ${closes}: an ejection ${what} TCP connections in use`, async () => {
    const { manager, add, stat } = setUp();
    const cluster = add({ closeConnectionsOnHostHealthFailure: closes });
    manager.applyAssignment(assignment(placedHost('127.0.0.1', 1, { port })));
    await new Promise<void>((resolve, reject) => {
      cluster.tcpPool(cluster.chooseHost(anyHost)!, 0).newConnection({
        onPoolReady: () => resolve(),
        onPoolFailure: (_reason, text) => reject(new Error(text)),
      });
    });
    manager.onHostHealthFailure('orders', { chunk: 0, slot: 1 });
    assert.equal(stat('upstream_cx_active'), closes ? 0 : 1);
    manager.closeAll();
  });
}

test('a removed cluster keeps its slot until the last host is done, also when another was idle', async () => {
  const { manager, add, users } = setUp();
  const cluster = add();
  const busy = placedHost('127.0.0.1', 2, { port });
  manager.applyAssignment(assignment(placedHost('10.0.0.1', 1), busy));
  const host = chosen(cluster).get('127.0.0.1')!;
  const ended = new Promise<void>((resolve) => {
    const pool = cluster.httpPool(host, 0)!;
    // Nothing of a stream is used: it is given back at once, when the connection is there.
    const decoder = {} as Parameters<typeof pool.newStream>[0];
    const onPoolReady: Parameters<typeof pool.newStream>[1]['onPoolReady'] = (encoder) => {
      encoder.resetStream(StreamResetReason.LocalReset);
      resolve();
    };
    pool.newStream(decoder, { onPoolReady, onPoolFailure: () => assert.fail() }, ConnectionUse.Any);
  });
  manager.remove('orders');
  assert.deepEqual([users(0), users(1), users(2)], [1, 0, 1]);
  await ended;
  await until('the slots are free', () => users(0) === 0 && users(2) === 0);
});
