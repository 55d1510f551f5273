// tcp_proxy between a real listener and real hosts of a cluster `orders`, with timers that stand still. For tests of
// its worker half; importing it closes what a test opened when the test has ended.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import type { LogContext } from '../../dataplane/api/access-log.ts';
import type { ThresholdsConfig } from '../../dataplane/api/config/cluster.ts';
import type { WorkerContext } from '../../dataplane/api/factory.ts';
import type { StreamInfo } from '../../dataplane/api/stream-info.ts';
import type { TcpProxyData } from '../../dataplane/extensions/network/tcp-proxy/data.ts';
import { tcpProxyFilterFactory } from '../../dataplane/extensions/network/tcp-proxy/filter.ts';
import { HttpStreamInfo } from '../../dataplane/http/stream-info.ts';
import { SocketConnection } from '../../dataplane/network/connection.ts';
import { takeSnapshot } from '../../dataplane/stats/snapshot.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { WorkerClusterManager } from '../../dataplane/upstream/cluster-manager.ts';
import type { OutlierReport } from '../../dataplane/upstream/outlier/outlier-event.ts';
import { SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import {
  assignmentPolicy,
  clusterConfig,
  defaultOutlierDetection,
  defaultThresholds,
  placedHost,
} from './cluster-config.ts';
import { FakeTimers } from './timers.ts';

const servers: net.Server[] = [];
const sockets = new Set<net.Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server of this test's. */
export async function listen(onSocket: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port; // a TCP server has one
}

/** A port that refuses. */
export async function deadPort(): Promise<number> {
  const port = await listen(() => {});
  const server = servers.pop()!;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Given {
  readonly data?: Partial<TcpProxyData>;
  readonly thresholds?: Partial<ThresholdsConfig>;
  readonly hostPort?: number | null;
  readonly random?: () => number;
  readonly upstreamBufferBytes?: number;
  /** What a filter before tcp_proxy says. */
  readonly toldCluster?: string;
}

/** A listener with tcp_proxy in front of cluster `orders`; its timers stand still. */
export async function proxy(given: Given) {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const stats = new HolderStore();
  const outlierEvents: OutlierReport[] = [];
  const logged: StreamInfo[] = [];
  const lines: { type: string; bytesReceived: number; cluster: string }[] = [];
  let onLogged = () => {};
  let id = 0;
  const random = given.random ?? (() => 0);
  const clusterManager = new WorkerClusterManager(
    {
      clock: timers.clock,
      timers,
      random,
      chunks,
      nextConnectionId: () => ++id,
      localLocality: null,
      localClusterName: '',
      reportOutlier: (event) => outlierEvents.push(event),
      reportImmediateHealthCheckFail: () => {},
      dnsCacheOf: () => assert.fail('no DNS cache here'),
      createTls: () => null,
    },
    stats,
  );
  const thresholds = { ...defaultThresholds, ...given.thresholds };
  clusterManager.addOrUpdate(
    clusterConfig({
      circuitBreakers: [thresholds, thresholds],
      outlierDetection: { ...defaultOutlierDetection, consecutive5xx: 2 },
      perConnectionBufferLimitBytes: given.upstreamBufferBytes ?? 64 * 1024,
    }),
    { chunk: 0, slot: 0 },
  );
  const { hostPort = null } = given;
  clusterManager.applyAssignment({
    clusterName: 'orders',
    ...assignmentPolicy,
    hosts: hostPort === null ? [] : [placedHost('127.0.0.1', 1, { port: hostPort })],
  });
  // The filter uses no more of its context than this.
  const context = {
    clusterManager,
    stats,
    timers,
    clock: timers.clock,
    random,
    logger: silentLogger(),
    createAccessLogger: () => ({
      log: ({ streamInfo, type }: LogContext) => {
        const { bytesReceived, upstreamCluster: cluster } = streamInfo;
        lines.push({ type: type ?? '', bytesReceived, cluster });
        if (type !== 'TcpConnectionEnd') return;
        logged.push(streamInfo);
        onLogged();
      },
    }),
  } as unknown as WorkerContext;
  const data: TcpProxyData = {
    statPrefix: 'db',
    clusters: [{ name: 'orders', weight: 1, metadataMatch: null }],
    metadataMatch: null,
    idleTimeoutMs: 3_600_000,
    maxConnectAttempts: 1,
    hashPolicy: [],
    backoff: null,
    maxDownstreamConnectionDurationMs: 0,
    maxDurationJitterPercent: 0,
    proxyProtocolTlvs: [],
    tunneling: null,
    accessLogOptions: { onStart: false, onConnected: false, intervalMs: 0 },
    accessLogs: [{ name: 'log', extension: 'log', data: null }],
    ...given.data,
  };
  const config = tcpProxyFilterFactory.create(data, context);
  const port = await listen((socket) => {
    const connection = new SocketConnection(socket, {
      id: ++id,
      timers,
      bufferLimitBytes: 64 * 1024,
    });
    const streamInfo = new HttpStreamInfo(connection, '', '', timers.clock.nowMs(), 0);
    if (given.toldCluster !== undefined) {
      streamInfo.filterState = new Map([['envoy.tcp_proxy.cluster', given.toldCluster]]);
    }
    const filter = config.createFilter();
    filter.initializeReadFilterCallbacks({ connection, streamInfo, continueReading() {} });
    filter.onNewConnection();
    if (connection.isOpen()) {
      connection.setReadSink({
        // What listener/downstream-connection.ts does.
        onData: (bytes, end) => {
          streamInfo.bytesReceived += bytes.length;
          filter.onData(bytes, end);
        },
      });
    }
  });
  return {
    timers,
    outlierEvents,
    clusterManager,
    /** All lines of the access log. */
    lines,
    connect: async (): Promise<net.Socket> => {
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.add(socket);
      socket.on('error', () => {});
      await once(socket, 'connect');
      return socket;
    },
    /** The next line of the access log. */
    log: async (): Promise<StreamInfo> => {
      if (logged.length === 0) {
        await new Promise<void>((resolve) => {
          onLogged = resolve;
        });
      }
      return logged.shift()!;
    },
    stat: (name: string) => takeSnapshot(stats).find((entry) => entry.name === name)?.value,
  };
}

/** Gives the loop every chance to read what it should not. */
export async function manyTurns(): Promise<void> {
  for (let i = 0; i < 3_000; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** All that comes until the end. */
export async function readAll(socket: net.Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
