// A HealthChecker with real timers and sockets and one host, for tests that give it a server to check.

import { once } from 'node:events';
import type net from 'node:net';
import type { Server } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../dataplane/api/config/cluster.ts';
import type { HealthCheckConfig } from '../../dataplane/api/config/health-check.ts';
import { takeSnapshot } from '../../dataplane/stats/snapshot.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { SecretStore } from '../../dataplane/tls/secret-store.ts';
import { createClusterTls } from '../../dataplane/upstream/cluster-tls.ts';
import { HealthCheckStats } from '../../dataplane/upstream/health/health-check-stats.ts';
import { HealthChecker } from '../../dataplane/upstream/health/health-checker.ts';
import { HostWord, readWord, SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import { clusterConfig, placedHost } from './cluster-config.ts';
import { healthCheck } from './health-check.ts';

/** On loopback, port 0; the real port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port; // a TCP server has one
}

/** Checks as fast as it can; every wait of the config is 1 ms unless given. */
export class CheckedHost {
  readonly stats = new HealthCheckStats();
  readonly store = new HolderStore();
  readonly secrets = new SecretStore();
  readonly checker: HealthChecker;
  readonly #chunks = new SharedChunks();
  readonly #host: PlacedHost;
  readonly #results: string[] = [];
  #wake: (() => void) | null = null;

  constructor(
    port: number,
    given: Partial<HealthCheckConfig>,
    cluster: Partial<ClusterConfig> = {},
    host: Partial<PlacedHost> = {},
  ) {
    this.#chunks.create();
    this.#host = placedHost('127.0.0.1', 1, { port, ...host });
    let id = 0;
    const fast = {
      timeoutMs: 10_000,
      intervalMs: 1,
      unhealthyIntervalMs: 1,
      unhealthyEdgeIntervalMs: 1,
      healthyEdgeIntervalMs: 1,
    };
    this.checker = new HealthChecker({
      cluster: clusterConfig(cluster),
      check: healthCheck({ ...fast, ...given }),
      stats: this.stats,
      parts: {
        clock: systemClock,
        random: () => 0,
        timers: new TimerWheel(),
        stats: this.store,
        createTls: (config) => createClusterTls(config, this.secrets, this.store),
        nextConnectionId: () => ++id,
        onHealthCheckEvent: () => {},
      },
      hasTraffic: () => true,
      onResult: (_host, _transition, isHealthy) => {
        const flags = readWord(this.#chunks.ref(this.#host), HostWord.HealthFlags);
        this.#results.push(`${isHealthy ? 'ok' : 'failed'} ${flags}`);
        this.#wake?.();
      },
    });
    const slot = this.#chunks.ref(this.#host);
    this.checker.setHosts([{ host: this.#host, slot }], new Set([`127.0.0.1:${port}`]));
    this.checker.start();
  }

  /** The next `count` results in turn: `ok 0`, `failed 1`, with the host's flags after it. */
  async results(count: number): Promise<string[]> {
    while (this.#results.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#results.splice(0, count);
  }

  stat(name: string): number | undefined {
    const found = takeSnapshot(this.store).find((entry) => entry.name === `cluster.orders.${name}`);
    return typeof found?.value === 'number' ? found.value : undefined;
  }

  [Symbol.dispose](): void {
    this.checker.close();
  }
}
