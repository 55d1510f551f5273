// Restarts two sidecars in turn with SIGTERM under traffic and counts what is lost (reliability F-15).
//
//   node test/soak/rolling-restart.ts --rps 500 --seconds 600 --every 30 --streams 50
//   node test/soak/rolling-restart.ts --seconds 30 --every 5 --control     SIGKILL instead: must lose
//
// test/integration/drain.test.ts runs a short form.

import { parseArgs } from 'node:util';
import { IdentifiedClient } from './identified-client.ts';
import { IdentifiedUpstream } from './identified-upstream.ts';
import type { ClientReport } from './open-loop.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface RollingRestartOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** From the end of one restart to the beginning of the next. */
  readonly everyMs: number;
  /** Long responses that are open all the time, and how long each takes. */
  readonly streams: number;
  readonly streamMs: number;
  /** WebSockets that are open all the time, each for streamMs. */
  readonly webSockets: number;
  readonly shutdownTimeS: number;
  /** The control run: no drain. */
  readonly signal: 'SIGTERM' | 'SIGKILL';
}

export interface RollingRestartReport extends ClientReport {
  /** Ids that reached the application more than once. */
  duplicated: number;
  restarts: number;
  /** From the signal to the end of the process, ms. */
  slowestExitMs: number;
  /** Restarts whose exit code was not 0. */
  badExits: number;
}

/** See the file head. */
export async function rollingRestart(
  options: RollingRestartOptions,
): Promise<RollingRestartReport> {
  const { ratePerSecond, durationMs, everyMs, streams, streamMs, webSockets } = options;
  const { shutdownTimeS, signal } = options;
  const upstream = new IdentifiedUpstream({ delayMs: (id) => (id % 100 === 0 ? 500 : id % 20) });
  const upstreamPort = await upstream.listen();
  const sidecars = [0, 1].map(
    () =>
      new SidecarProcess({
        bootstrap: (port) =>
          proxyBootstrap(port, upstreamPort, {
            hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
          }),
        flags: ['--shutdown-time-s', String(shutdownTimeS), '--log-level', 'warning'],
      }),
  );
  try {
    await Promise.all(sidecars.map((sidecar) => sidecar.start()));
    const client = new IdentifiedClient({
      ...{ ratePerSecond, durationMs, streams, streamMs, webSockets },
      ports: () => sidecars.map(({ port }) => port),
      postEvery: 4,
      maxConnections: 64,
    });
    const traffic = client.run();
    const endMs = performance.now() + durationMs;
    let restarts = 0;
    let slowestExitMs = 0;
    let badExits = 0;
    const pause = () =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.max(0, Math.min(everyMs, endMs - performance.now()))),
      );
    for (await pause(); performance.now() < endMs; await pause()) {
      const sidecar = sidecars[restarts % 2]!;
      const { code, ms } = await sidecar.stop(signal);
      restarts++;
      slowestExitMs = Math.max(slowestExitMs, Math.round(ms));
      if (code !== 0) badExits++;
      await sidecar.start();
    }
    const report = await traffic;
    let duplicated = 0;
    for (let id = 1; id <= client.lastId; id++) if (upstream.arrivals(id) > 1) duplicated++;
    return { ...report, duplicated, restarts, slowestExitMs, badExits };
  } finally {
    for (const sidecar of sidecars) await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rps: { type: 'string', default: '500' },
      seconds: { type: 'string', default: '600' },
      every: { type: 'string', default: '10' },
      streams: { type: 'string', default: '50' },
      'stream-ms': { type: 'string', default: '3000' },
      websockets: { type: 'string', default: '20' },
      'shutdown-time-s': { type: 'string', default: '8' },
      control: { type: 'boolean', default: false },
    },
  });
  const report = await rollingRestart({
    ratePerSecond: Number(values.rps),
    durationMs: Number(values.seconds) * 1000,
    everyMs: Number(values.every) * 1000,
    streams: Number(values.streams),
    streamMs: Number(values['stream-ms']),
    webSockets: Number(values.websockets),
    shutdownTimeS: Number(values['shutdown-time-s']),
    signal: values.control ? 'SIGKILL' : 'SIGTERM',
  });
  console.log(JSON.stringify(report, null, 2));
  const { lost, crossed, truncated, duplicated } = report;
  process.exitCode = lost + crossed + truncated + duplicated === 0 ? 0 : 1;
}
