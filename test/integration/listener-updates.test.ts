// What an update of a listener does to its connections, in one worker's listener manager: real sockets, real
// filters, config as LDS would bring it.

import assert from 'node:assert/strict';
import net from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { silentLogger } from '../../common/logger.ts';
import type { ClusterManager } from '../../dataplane/api/cluster.ts';
import type { ListenerConfig } from '../../dataplane/api/config/listener.ts';
import { ListenerManager } from '../../dataplane/listener/listener-manager.ts';
import { heartBeatMemory } from '../../dataplane/server/watchdog.ts';
import { LiveWorkerContext } from '../../dataplane/server/worker-context.ts';
import { buildRouteTable, workerFactories } from '../../dataplane/server/worker-extensions.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { SecretStore } from '../../dataplane/tls/secret-store.ts';
import { until } from '../fakes/ads-harness.ts';
import { compiledData } from '../fakes/config.ts';
import { FrameClient } from '../fakes/http2-client.ts';

const type = 'type.googleapis.com/envoy.extensions';
const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const hcm = (fields: string, filters = ''): string =>
  `{ name: h, typed_config: { "@type": ${type}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, ${fields}, http_filters: [${filters}{ name: r, typed_config: { "@type": ${type}.filters.http.router.v3.Router } }] } }`;
/** Answers with `text`. */
const answering = (text: string): string =>
  hcm(
    `route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: ${text} } } }] }] }`,
  );
const fromHost = (ip: string, filter: string): string =>
  `{ name: "${ip}", filter_chain_match: { source_prefix_ranges: [{ address_prefix: ${ip}, prefix_len: 32 }] }, filters: [${filter}] }`;
const listener = (port: number, chains: string, more = ''): ListenerConfig =>
  // That kind.
  compiledData(
    'listener',
    `{ name: l, stat_prefix: l, address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }, filter_chains: [${chains}]${more} }`,
  ) as ListenerConfig;

class TestWorker {
  readonly context: LiveWorkerContext;
  readonly store: HolderStore;
  readonly manager: ListenerManager;

  constructor(drainTimeMs = 5000) {
    this.context = new LiveWorkerContext(
      {
        workerIndex: 0,
        concurrency: 1,
        logLevel: 'off',
        drainTimeMs,
        drainStrategy: 'immediate',
        globalConnectionLimit: null,
        node: { id: '', cluster: '', zone: '' },
        locality: null,
        localClusterName: '',
        heartBeats: heartBeatMemory(1),
        ticketSeed: new Uint8Array(32),
      },
      silentLogger(),
      workerFactories,
      buildRouteTable,
      // No request of these tests goes anywhere.
      () => ({ getCluster: () => null }) as unknown as ClusterManager,
      { dns: () => {}, onDemand: () => {} },
    );
    assert.ok(this.context.stats instanceof HolderStore);
    this.store = this.context.stats;
    this.manager = new ListenerManager(
      {
        context: this.context,
        secrets: new SecretStore(),
        createNetworkFilters: (chain, config) =>
          chain.filters.map((filter) => this.context.createNetworkFilter(filter, config)),
        createListenerFilters: (config) =>
          config.listenerFilters.map((filter) => this.context.createListenerFilter(filter, config)),
      },
      { drainTimeMs, drainStrategy: 'immediate', globalLimit: null },
    );
  }

  /** Resolves with the port of the main address. */
  async apply(config: ListenerConfig): Promise<number> {
    const [address] = await this.manager.addOrUpdate(config, null);
    assert.ok(address !== undefined);
    return address.port;
  }
}

/** One kept connection. */
class Client {
  readonly socket: net.Socket;
  isClosed = false;

  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = net.connect({ port, host: '127.0.0.1', localAddress });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Body of the answer, with '!' behind it when the connection is to be closed; '' = it was closed. */
  ask(): Promise<string> {
    this.socket.write(request);
    return new Promise((resolve) => {
      this.socket.once('close', () => resolve(''));
      this.socket.once('data', (chunk: Buffer) => {
        const [head = '', body = ''] = chunk.toString().split('\r\n\r\n');
        resolve(/\r\nconnection: close/i.test(head) ? `${body}!` : body);
      });
    });
  }
}

const ask = async (port: number, localAddress?: string): Promise<string> => {
  const client = new Client(port, localAddress);
  const answer = await client.ask();
  client.socket.destroy();
  return answer;
};

describe('a listener update', () => {
  const workers: TestWorker[] = [];
  const start = (drainTimeMs?: number): TestWorker => {
    const worker = new TestWorker(drainTimeMs);
    workers.push(worker);
    return worker;
  };
  afterEach(() => {
    for (const worker of workers.splice(0)) worker.manager.closeAll();
  });

  test('ends HTTP/2 connections of a replaced chain by GOAWAY, and serves what crosses it', async () => {
    const worker = start();
    const chain = (text: string) =>
      fromHost(
        '127.0.0.1',
        answering(text).replace('stat_prefix: s,', 'stat_prefix: s, drain_timeout: 1s,'),
      );
    const port = await worker.apply(listener(0, chain('old')));
    const client = await FrameClient.connect(port);
    client.send(client.request(1, '/'));
    assert.ok(await client.until(() => client.stream(1).ended));
    await worker.apply(listener(port, chain('new')));
    assert.ok(await client.until(() => client.goAways.length === 1));
    client.send(client.request(3, '/'));
    assert.ok(await client.until(() => client.isClosed));
    assert.equal(client.stream(3).body, 'old');
    assert.deepEqual(client.goAways, [
      [0x7fffffff, 0],
      [3, 0],
    ]);
    assert.equal(await ask(port), 'new');
  });

  test('leaves connections of unchanged chains alone and drains those of the others', async () => {
    const worker = start();
    const chains = (first: string, second: string) =>
      `${fromHost('127.0.0.1', answering(first))}, ${fromHost('127.0.0.2', answering(second))}`;
    const port = await worker.apply(listener(0, chains('one', 'two')));
    const kept = new Client(port, '127.0.0.1');
    const drained = new Client(port, '127.0.0.2');
    assert.deepEqual([await kept.ask(), await drained.ask()], ['one', 'two']);
    await worker.apply(listener(0, chains('one', 'three')));
    assert.equal(worker.manager.drainingStats.filterChains, 1);
    assert.equal(await kept.ask(), 'one');
    assert.equal(await drained.ask(), 'two!');
    await until('the drained chain is gone', () => worker.manager.drainingStats.filterChains === 0);
    assert.equal(await ask(port, '127.0.0.2'), 'three');
    assert.equal(await kept.ask(), 'one');
    kept.socket.destroy();
  });

  test('closes what drains longer than the drain time', async () => {
    const worker = start(150);
    const echo = (name: string) =>
      `{ name: ${name}, filters: [{ name: e, typed_config: { "@type": ${type}.filters.network.echo.v3.Echo } }] }`;
    const port = await worker.apply(listener(0, echo('a')));
    const client = new Client(port);
    client.socket.write('x');
    await new Promise((resolve) => client.socket.once('data', resolve));
    await worker.apply(listener(0, echo('b')));
    await until('the connection is closed', () => client.isClosed);
    assert.equal(worker.manager.drainingStats.filterChains, 0);
  });

  test('to another address listens there before the old one closes', async () => {
    const worker = start();
    const chain = `{ filters: [${answering('one')}] }`;
    const port = await worker.apply(listener(0, chain));
    const kept = new Client(port);
    assert.equal(await kept.ask(), 'one');
    const other = await worker.apply(
      compiledData(
        'listener',
        `{ name: l, address: { socket_address: { address: 127.0.0.2, port_value: 0 } }, filter_chains: [${chain}] }`,
      ) as ListenerConfig,
    );
    assert.equal(worker.manager.drainingStats.listeners, 1);
    const moved = net.connect(other, '127.0.0.2');
    await new Promise<void>((resolve, reject) => moved.on('connect', resolve).on('error', reject));
    moved.destroy();
    assert.equal(await kept.ask(), 'one!');
    await until('the old one is gone', () => worker.manager.drainingStats.listeners === 0);
    assert.equal(await ask(port), '');
  });

  test('that needs a new socket on the same address refuses nobody', async () => {
    const worker = start();
    const chain = `{ filters: [${answering('one')}] }`;
    const port = await worker.apply(listener(0, chain));
    let isOver = false;
    let answered = 0;
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        assert.match(await ask(port), /^one!?$/);
        answered++;
      }
    });
    for (let backlog = 100; backlog < 120; backlog++) {
      await worker.apply(listener(port, chain, `, tcp_backlog_size: ${backlog}`));
      const seen = answered;
      await until('more were answered', () => answered > seen + 5);
    }
    isOver = true;
    await Promise.all(clients);
  });

  test('that cannot be bound leaves the former as it was', async () => {
    const worker = start();
    const chain = `{ filters: [${answering('one')}] }`;
    const port = await worker.apply(listener(0, chain));
    const before = worker.store.size;
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const takenPort = (taken.address() as net.AddressInfo).port;
    await assert.rejects(worker.apply(listener(takenPort, chain)), /EADDRINUSE/);
    taken.close();
    assert.equal(await ask(port), 'one');
    assert.equal(worker.store.size, before);
  });

  test('a hundred times over leaves no subscription and no stat holder behind', async () => {
    const worker = start();
    const filters = `{ name: b, typed_config: { "@type": ${type}.filters.http.rbac.v3.RBAC } }, { name: f, typed_config: { "@type": ${type}.filters.http.fault.v3.HTTPFault } }, `;
    const rds =
      'rds: { route_config_name: r, config_source: { ads: {}, resource_api_version: V3 } }';
    const withInspectors = `, listener_filters: [{ name: p, typed_config: { "@type": ${type}.filters.listener.proxy_protocol.v3.ProxyProtocol, allow_requests_without_proxy_protocol: true } }, { name: t, typed_config: { "@type": ${type}.filters.listener.tls_inspector.v3.TlsInspector } }, { name: h, typed_config: { "@type": ${type}.filters.listener.http_inspector.v3.HttpInspector } }]`;
    const version = (i: number) =>
      listener(0, `{ name: v${i}, filters: [${hcm(rds, filters)}] }`, withInspectors);
    const port = await worker.apply(version(0));
    assert.equal(await ask(port), '');
    const holders = worker.store.size;
    assert.equal(worker.context.routeSubscriberCount, 1);
    for (let i = 1; i <= 100; i++) {
      await worker.apply(version(i));
      if (i % 10 === 0) await ask(port);
    }
    await until('all chains are drained', () => worker.manager.drainingStats.filterChains === 0);
    assert.equal(worker.store.size, holders);
    assert.equal(worker.context.routeSubscriberCount, 1);
    worker.manager.remove('l');
    await until('the listener is gone', () => worker.manager.drainingStats.listeners === 0);
    assert.equal(worker.context.routeSubscriberCount, 0);
    assert.equal(new TestWorker().store.size, worker.store.size);
  });
});

test('connections that the kernel has accepted are served when their listener closes', async () => {
  const worker = new TestWorker();
  const port = await worker.apply(listener(0, `{ filters: [${answering('one')}] }`));
  const CLIENTS = 50;
  // The worker's thread stands still while the clients connect, so that all of them wait in the queue.
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const clients = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const net = require('node:net');
     let ended = 0; const answers = [];
     for (let i = 0; i < ${CLIENTS}; i++) {
       const socket = net.connect(workerData.port, '127.0.0.1', () => {
         socket.write(${JSON.stringify(request)});
         if (Atomics.add(workerData.connected, 0, 1) === ${CLIENTS - 1}) Atomics.notify(workerData.connected, 0);
       });
       let text = '';
       socket.on('data', (chunk) => { text += chunk; });
       socket.on('error', (error) => { text += error.code; });
       socket.on('close', () => { answers.push(text); if (++ended === ${CLIENTS}) parentPort.postMessage(answers); });
     }`,
    { eval: true, workerData: { port, connected } },
  );
  const answers = new Promise<string[]>((resolve) => clients.once('message', resolve));
  await new Promise((resolve) => clients.once('online', resolve));
  const deadline = performance.now() + 10_000;
  while (Atomics.load(connected, 0) < CLIENTS && performance.now() < deadline) {
    Atomics.wait(connected, 0, Atomics.load(connected, 0), 100);
  }
  assert.equal(Atomics.load(connected, 0), CLIENTS);
  worker.manager.remove('l');
  for (const answer of await answers) assert.match(answer, /^HTTP\/1\.1 200 .*one$/s);
  await clients.terminate();
});
