import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import { test } from 'node:test';
import { xxhash64 } from '../../../../common/xxhash64.ts';
import { networkFilterData } from '../../../../test/fakes/config.ts';
import { FakeConnection } from '../../../../test/fakes/connection.ts';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import {
  deadPort,
  type Given,
  listen,
  manyTurns,
  proxy,
  readAll,
} from '../../../../test/fakes/tcp-proxy.ts';
import type { WorkerContext } from '../../../api/factory.ts';
import { metadataMatchOf } from '../../../api/metadata-match.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { TcpProxyData } from './data.ts';
import { TcpProxyShared } from './shared.ts';

test('carries bytes both ways, counts them, and logs once at the end', async () => {
  const gone = Promise.withResolvers<void>();
  const hostPort = await listen((socket) => {
    socket.once('data', (data) => socket.end(`you said ${String(data)}`));
    socket.once('close', () => gone.resolve());
  });
  const { connect, log, stat } = await proxy({ hostPort });
  const client = await connect();
  client.write('hello');
  assert.equal(await readAll(client), 'you said hello');
  client.end();
  const info = await log();
  assert.deepEqual([info.bytesReceived, info.bytesSent, info.responseFlags], [5, 14, 0]);
  assert.equal(info.upstreamCluster, 'orders');
  assert.equal(info.upstreamHost?.port, hostPort);
  assert.equal(info.upstreamRequestAttemptCount, 1);
  assert.equal(stat('tcp.db.downstream_cx_total'), 1);
  assert.equal(stat('tcp.db.downstream_cx_rx_bytes_total'), 5);
  assert.equal(stat('tcp.db.downstream_cx_tx_bytes_total'), 14);
  assert.equal(stat('cluster.orders.upstream_rq_total'), 1, 'as Envoy counts tcp_proxy');
  await gone.promise;
  assert.equal(stat('cluster.orders.upstream_rq_active'), 0);
  assert.equal(stat('cluster.orders.upstream_cx_active'), 0);
});

test("the client's FIN goes up and what the server says afterwards still comes down", async () => {
  const hostPort = await listen((socket) => {
    void readAll(socket).then((text) => socket.end(`all of ${text}`));
  });
  const { connect, log } = await proxy({ hostPort });
  const client = await connect();
  client.end('it');
  assert.equal(await readAll(client), 'all of it');
  assert.equal((await log()).responseFlags, 0);
});

test("the server's FIN comes down and what the client says afterwards still goes up", async () => {
  const got = Promise.withResolvers<string>();
  const hostPort = await listen((socket) => {
    socket.end('bye');
    got.resolve(readAll(socket));
  });
  const { connect, log } = await proxy({ hostPort });
  const client = await connect();
  assert.equal(await readAll(client), 'bye');
  client.end('last words');
  assert.equal(await got.promise, 'last words');
  assert.equal((await log()).bytesReceived, 10);
});

test('a refused host is UF, then URX, counted for the outlier detection', async () => {
  const hostPort = await deadPort();
  const { connect, log, stat, outlierEvents } = await proxy({
    hostPort,
    data: { maxConnectAttempts: 2 },
  });
  const client = await connect();
  assert.equal(await readAll(client).catch(() => ''), '');
  const info = await log();
  assert.equal(
    info.responseFlags,
    ResponseFlag.UpstreamConnectionFailure | ResponseFlag.UpstreamRetryLimitExceeded,
  );
  assert.equal(info.upstreamTransportFailureReason, 'delayed connect error: Connection refused');
  assert.equal(info.upstreamRequestAttemptCount, 2);
  assert.equal(info.upstreamHost?.port, hostPort);
  assert.equal(info.upstreamLocalAddress, null);
  assert.equal(info.downstreamLocalCloseReason, 'tcp_initializion_failure:0', "Envoy's spelling");
  assert.equal(stat('cluster.orders.upstream_cx_connect_fail'), 2);
  assert.equal(stat('cluster.orders.upstream_cx_connect_attempts_exceeded'), 1);
  assert.equal(stat('cluster.orders.upstream_rq_pending_failure_eject'), 2);
  assert.equal(stat('cluster.orders.upstream_rq_total'), 0);
  assert.deepEqual(
    outlierEvents.map(({ kind }) => kind),
    ['consecutive_5xx'],
  );
});

test('no host is UH, no cluster NC, a full cluster UO', async () => {
  const closed = async (given: Given) => {
    const { connect, log, stat } = await proxy(given);
    const client = await connect();
    await readAll(client).catch(() => '');
    const { responseFlags, upstreamCluster, upstreamRequestAttemptCount } = await log();
    return { responseFlags, upstreamCluster, upstreamRequestAttemptCount, stat };
  };
  const noHost = await closed({ hostPort: null });
  assert.equal(noHost.responseFlags, ResponseFlag.NoHealthyUpstream);
  assert.equal(noHost.upstreamRequestAttemptCount, 0);
  assert.equal(noHost.stat('cluster.orders.upstream_cx_none_healthy'), 1);
  const noCluster = await closed({
    data: { clusters: [{ name: 'nobody', weight: 1, metadataMatch: null }] },
  });
  assert.equal(noCluster.responseFlags, ResponseFlag.NoClusterFound);
  assert.equal(noCluster.stat('tcp.db.downstream_cx_no_route'), 1);
  const full = await closed({ hostPort: 1, thresholds: { maxConnections: 0 } });
  assert.equal(full.responseFlags, ResponseFlag.UpstreamOverflow);
  assert.equal(full.upstreamCluster, 'orders');
  assert.equal(full.stat('cluster.orders.upstream_cx_overflow'), 1);
});

test('closes when both directions were silent for idle_timeout', async () => {
  const connected = Promise.withResolvers<net.Socket>();
  const hostPort = await listen((socket) => connected.resolve(socket));
  const { timers, connect, log, stat } = await proxy({ hostPort, data: { idleTimeoutMs: 1_000 } });
  const client = await connect();
  client.write('a');
  const server = await connected.promise;
  await once(server, 'data');
  timers.advance(900);
  server.write('b');
  await once(client, 'data');
  timers.advance(999);
  assert.equal(stat('tcp.db.idle_timeout'), 0, 'not yet: a byte came 999 ms ago');
  timers.advance(1);
  const info = await log();
  assert.deepEqual([info.bytesReceived, info.bytesSent], [1, 1]);
  assert.equal(stat('tcp.db.idle_timeout'), 1);
  assert.equal(info.downstreamLocalCloseReason, 'tcp_session_idle_timeout');
  await once(server, 'end');
});

test('max_downstream_connection_duration closes a busy connection', async () => {
  const hostPort = await listen((socket) => socket.pipe(socket));
  const { timers, connect, log, stat } = await proxy({
    hostPort,
    data: { maxDownstreamConnectionDurationMs: 5_000 },
  });
  const client = await connect();
  client.write('a');
  await once(client, 'data');
  timers.advance(5_000);
  const info = await log();
  assert.equal(stat('tcp.db.max_downstream_connection_duration'), 1);
  assert.equal(info.responseFlags, ResponseFlag.DurationTimeout);
  assert.equal(info.downstreamLocalCloseReason, 'max_connection_duration_reached');
});

test('a client that does not read stops the server, and resumes it', async () => {
  const size = 24 * 1024 * 1024;
  let written = 0;
  const hostPort = await listen((socket) => {
    socket.write(Buffer.alloc(size), () => {
      written = size;
      socket.end();
    });
  });
  const { connect, log, stat } = await proxy({ hostPort });
  const client = await connect();
  client.pause();
  const paused = 'cluster.orders.upstream_flow_control_paused_reading_total';
  while (stat(paused) === 0) await new Promise((resolve) => setImmediate(resolve));
  await manyTurns();
  assert.equal(written, 0, 'the server still has bytes that nobody took');
  const taken = Number(stat('cluster.orders.upstream_cx_rx_bytes_total'));
  assert.ok(taken < size / 2, `${taken} bytes were read for a client that takes none`);
  let received = 0;
  for await (const chunk of client) received += (chunk as Buffer).length;
  assert.equal(received, size);
  client.end();
  assert.equal((await log()).bytesSent, size);
  assert.equal(stat('cluster.orders.upstream_flow_control_resumed_reading_total'), stat(paused));
});

test('a server that does not read stops the client', async () => {
  const size = 24 * 1024 * 1024;
  const accepted = Promise.withResolvers<net.Socket>();
  const hostPort = await listen((socket) => {
    socket.pause();
    accepted.resolve(socket);
  });
  const { connect, stat } = await proxy({ hostPort });
  const client = await connect();
  client.end(Buffer.alloc(size));
  const server = await accepted.promise;
  const paused = 'tcp.db.downstream_flow_control_paused_reading_total';
  while (stat(paused) === 0) await new Promise((resolve) => setImmediate(resolve));
  await manyTurns();
  const taken = Number(stat('tcp.db.downstream_cx_rx_bytes_total'));
  assert.ok(taken < size / 2, `${taken} bytes were read for a server that takes none`);
  let received = 0;
  for await (const chunk of server) received += (chunk as Buffer).length;
  assert.equal(received, size);
});

test('weighted clusters are chosen by chance', async () => {
  const hostPort = await listen((socket) => socket.end('orders'));
  const clusters = [
    { name: 'nobody', weight: 1, metadataMatch: null },
    { name: 'orders', weight: 3, metadataMatch: null },
  ];
  for (const [draw, expected] of [
    [0.249, ''],
    [0.25, 'orders'],
    [0.999, 'orders'],
  ] as const) {
    const { connect } = await proxy({ hostPort, data: { clusters }, random: () => draw });
    const client = await connect();
    assert.equal(await readAll(client).catch(() => ''), expected, String(draw));
  }
});

test('the jitter adds up to its percentage to max_downstream_connection_duration', async () => {
  const hostPort = await listen((socket) => socket.pipe(socket));
  const { timers, connect, log } = await proxy({
    hostPort,
    data: { maxDownstreamConnectionDurationMs: 5_000, maxDurationJitterPercent: 50 },
    random: () => 0.5,
  });
  const client = await connect();
  client.write('a');
  await once(client, 'data');
  timers.advance(6_249);
  client.write('b');
  await once(client, 'data');
  timers.advance(1);
  assert.equal((await log()).bytesReceived, 2);
});

test('what a filter before it said is the cluster, and NC when there is none of that name', async () => {
  const hostPort = await listen((socket) => socket.end('orders'));
  const told = await proxy({
    hostPort,
    data: { clusters: [{ name: 'nobody', weight: 1, metadataMatch: null }] },
    toldCluster: 'orders',
  });
  assert.equal(await readAll(await told.connect()), 'orders');
  const lost = await proxy({ hostPort, toldCluster: 'nobody' });
  const client = await lost.connect();
  await readAll(client).catch(() => '');
  assert.equal((await lost.log()).responseFlags, ResponseFlag.NoClusterFound);
});

test('the next attempt waits for its back-off, the last failure ends at once', async () => {
  const { timers, connect, log, stat } = await proxy({
    hostPort: await deadPort(),
    data: { maxConnectAttempts: 3, backoff: { baseMs: 1_000, maxMs: 1_500 } },
    random: () => 0.5,
  });
  const failures = async (count: number) => {
    while (stat('cluster.orders.upstream_cx_connect_fail') !== count) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await connect();
  await failures(1);
  timers.advance(499);
  await manyTurns();
  assert.equal(stat('cluster.orders.upstream_cx_total'), 1);
  timers.advance(1);
  await failures(2);
  timers.advance(749);
  await manyTurns();
  assert.equal(stat('cluster.orders.upstream_cx_total'), 2);
  timers.advance(1);
  const info = await log();
  assert.equal(info.upstreamRequestAttemptCount, 3);
  assert.ok(info.responseFlags & ResponseFlag.UpstreamRetryLimitExceeded);
});

test('a client that leaves during a back-off is forgotten', async () => {
  const { timers, connect, stat } = await proxy({
    hostPort: await deadPort(),
    data: {
      maxConnectAttempts: 3,
      backoff: { baseMs: 60_000, maxMs: 60_000 },
      maxDownstreamConnectionDurationMs: 1_000,
    },
    random: () => 0.5,
  });
  await connect();
  while (stat('cluster.orders.upstream_cx_connect_fail') !== 1) await manyTurns();
  timers.advance(1_000);
  timers.advance(60_000);
  assert.equal(stat('cluster.orders.upstream_cx_total'), 1);
  assert.equal(timers.armedCount(), 0);
});

test('log lines at the start, when connected and at intervals', async () => {
  const hostPort = await listen((socket) => socket.pipe(socket));
  const { timers, connect, log, lines } = await proxy({
    hostPort,
    data: { accessLogOptions: { onStart: true, onConnected: true, intervalMs: 2_000 } },
  });
  const client = await connect();
  client.write('abc');
  await once(client, 'data');
  timers.advance(2_000);
  timers.advance(2_000);
  client.end();
  await log();
  assert.deepEqual(
    lines.map(({ type, bytesReceived, cluster }) => `${type} ${bytesReceived} ${cluster}`),
    [
      'TcpConnectionStart 0 ',
      'TcpUpstreamConnected 0 orders',
      'TcpPeriodic 3 orders',
      'TcpPeriodic 3 orders',
      'TcpConnectionEnd 3 orders',
    ],
  );
  timers.advance(2_000);
  assert.equal(lines.length, 5);
});

test("the host's reset reaches the client as a reset: UR, never a clean end", async () => {
  const hostPort = await listen((socket) => socket.on('data', () => socket.resetAndDestroy()));
  const { connect, log } = await proxy({ hostPort });
  const client = await connect();
  const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>; // what sockets fail with
  client.write('x');
  assert.equal((await failed)[0].code, 'ECONNRESET');
  assert.equal((await log()).responseFlags, ResponseFlag.UpstreamRemoteReset);
});

test("the client's reset reaches the host as a reset", async () => {
  const failed = Promise.withResolvers<string>();
  const hostPort = await listen((socket) => {
    socket.on('error', (error: NodeJS.ErrnoException) => failed.resolve(error.code ?? ''));
    socket.on('end', () => failed.resolve('end'));
    socket.on('data', () => socket.write('y'));
  });
  const { connect } = await proxy({ hostPort });
  const client = await connect();
  client.write('x');
  await once(client, 'data');
  client.resetAndDestroy();
  assert.equal(await failed.promise, 'ECONNRESET');
});

test('what a client sent before both sides ended all goes up, however slowly the host reads', async () => {
  const size = 24 * 1024 * 1024;
  const accepted = Promise.withResolvers<net.Socket>();
  const hostPort = await listen((socket) => {
    socket.pause();
    socket.end('done');
    accepted.resolve(socket);
  });
  const { connect, log, stat } = await proxy({ hostPort });
  const client = await connect();
  assert.equal(await readAll(client), 'done');
  client.end(Buffer.alloc(size));
  const server = await accepted.promise;
  await manyTurns();
  let received = 0;
  for await (const chunk of server) received += (chunk as Buffer).length;
  assert.equal(received, size);
  assert.equal((await log()).bytesReceived, size);
  assert.equal(stat('tcp.db.upstream_flush_active'), 0);
});

test('bytes that wait for the client are in downstream_cx_tx_bytes_buffered', async () => {
  const size = 24 * 1024 * 1024;
  const hostPort = await listen((socket) => socket.end(Buffer.alloc(size)));
  const { connect, stat } = await proxy({ hostPort });
  const client = await connect();
  client.pause();
  const buffered = 'tcp.db.downstream_cx_tx_bytes_buffered';
  while (!(Number(stat(buffered)) > 0)) await new Promise((resolve) => setImmediate(resolve));
  for await (const chunk of client) void chunk;
  assert.equal(stat(buffered), 0);
});

for (const isTaken of [true, false]) {
  const title = isTaken
    ? 'what waits for the host when both sides have ended is still written'
    : 'a host that takes nothing of it is given up after idle_timeout';
  test(title, async () => {
    const size = 24 * 1024 * 1024;
    const accepted = Promise.withResolvers<net.Socket>();
    const hostPort = await listen((socket) => {
      socket.pause();
      socket.end('done');
      accepted.resolve(socket);
    });
    const { timers, connect, log, stat } = await proxy({
      hostPort,
      data: { idleTimeoutMs: 9_000 },
      upstreamBufferBytes: 2 * size,
    });
    const client = await connect();
    assert.equal(await readAll(client), 'done');
    client.end(Buffer.alloc(size));
    const server = await accepted.promise;
    await log();
    assert.equal(stat('tcp.db.upstream_flush_total'), 1);
    assert.equal(stat('tcp.db.upstream_flush_active'), 1);
    if (isTaken) {
      let received = 0;
      for await (const chunk of server) received += (chunk as Buffer).length;
      assert.equal(received, size);
    } else timers.advance(9_000);
    while (stat('tcp.db.upstream_flush_active') !== 0) await manyTurns();
    assert.equal(stat('cluster.orders.upstream_cx_active'), 0);
  });
}

test('source_ip makes the address of the client, without its port, the hash of the balancer', () => {
  const context = {
    createAccessLogger: () => ({ log() {} }),
    stats: new HolderStore(),
  } as unknown as WorkerContext; // no more is used
  const data = networkFilterData(
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    'stat_prefix: t, cluster: c, hash_policy: [{source_ip: {}}]',
  ) as TcpProxyData; // config.ts makes it
  const info = new FakeStreamInfo();
  const connection = new FakeConnection();
  const picked = { name: 'c', metadataMatch: null };
  const hashing = new TcpProxyShared(data, context);
  assert.equal(
    hashing.balancerContext(picked, info, connection).hashKey(),
    xxhash64(Buffer.from('10.1.2.3')),
  );
  const plain = new TcpProxyShared({ ...data, hashPolicy: [] }, context);
  const chosenBy = plain.balancerContext(picked, info, connection);
  assert.equal(chosenBy.hashKey(), null);
  assert.equal(chosenBy.downstreamConnection, connection);
});

test('metadata_match of the filter, of its clusters and of the connection are merged', () => {
  const context = {
    createAccessLogger: () => ({ log() {} }),
    stats: new HolderStore(),
    random: () => 0,
  } as unknown as WorkerContext; // no more is used
  const match = (lb: string) => `metadata_match: {filter_metadata: {envoy.lb: {${lb}}}}`;
  const data = networkFilterData(
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    `stat_prefix: t, ${match('a: 1, b: 1, c: 1')}, weighted_clusters: {clusters: [{name: c, weight: 1, ${match('b: 2, c: 2')}}]}`,
  ) as TcpProxyData; // config.ts makes it
  const shared = new TcpProxyShared(data, context);
  const info = new FakeStreamInfo();
  const matchOf = () =>
    shared.balancerContext(shared.pickCluster(info), info, new FakeConnection()).metadataMatch;
  assert.deepEqual(matchOf(), metadataMatchOf({ a: 1, b: 2, c: 2 }));
  info.dynamicMetadata = { 'envoy.lb': { c: 3 } };
  assert.deepEqual(matchOf(), metadataMatchOf({ a: 1, b: 2, c: 3 }));
  info.filterState = new Map([['envoy.tcp_proxy.cluster', 'other']]);
  assert.deepEqual(matchOf(), metadataMatchOf({ a: 1, b: 1, c: 3 }));
});
