// Our ADS server on a real loopback port, for tests that drive real clients.

import { type ChannelOptions, Server, ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../../common/clock.ts';
import { createLogger, silentLogger } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import {
  AdsServer,
  type AdsServerOptions,
  adsChannelOptions,
} from '../../controlplane/ads/server.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { Snapshot } from '../../controlplane/cache/snapshot.ts';
import { SnapshotCache } from '../../controlplane/cache/snapshot-cache.ts';

export interface AdsHarness {
  readonly port: number;
  readonly cache: SnapshotCache;
  readonly ads: AdsServer;
  /** The snapshot of every node: its id is the key. */
  publish(nodeId: string, ...resources: readonly SnapshotResource[]): void;
  close(): void;
}

/** `port` 0 = any. Every node gets the snapshot of its own id. */
export async function startAds(
  port = 0,
  cache: SnapshotCache = new SnapshotCache(),
  options: Partial<AdsServerOptions> = {},
  channelOptions: ChannelOptions = {},
): Promise<AdsHarness> {
  const server = new Server({ ...adsChannelOptions, ...channelOptions });
  const ads = new AdsServer({
    cache,
    authenticate: (_peer, node) => ({ ok: true, snapshotKey: node.id, nodeId: node.id }),
    clock: systemClock,
    timers: new TimerWheel(),
    logger:
      process.env['REMORA_TEST_LOG'] === undefined ? silentLogger() : createLogger('debug', 'ads'),
    identifier: 'test-control-plane',
    ...options,
  });
  ads.addTo(server);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  return {
    port: bound,
    cache,
    ads,
    publish: (nodeId, ...resources) => cache.set(nodeId, Snapshot.of(resources)),
    close: () => {
      ads.close();
      server.forceShutdown();
    },
  };
}

export { until } from './until.ts';
