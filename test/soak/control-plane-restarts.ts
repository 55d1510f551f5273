// The control plane is restarted again and again under load, with many sidecars that all come back (reliability F-12): no
// request fails, they come back spread out, soon all are in sync, and nothing is sent again or rebuilt.
//
//   node test/soak/control-plane-restarts.ts --restarts 20 --fleet 200
//
// test/integration/control-plane-restarts.test.ts runs a short form. The fleet are our xDS clients on real streams, without a data
// plane behind them; three real sidecars serve the traffic.

import { parseArgs } from 'node:util';
import { credentials, Metadata } from '@grpc/grpc-js';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { silentLogger } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import { adsSource } from '../../dataplane/api/config/config-source.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { grpcChannelFactory } from '../../dataplane/xds/ads-channel.ts';
import { sourceOpener } from '../../dataplane/xds/open-source.ts';
import { XdsClient } from '../../dataplane/xds/xds-client.ts';
import { until } from '../fakes/ads-harness.ts';
import { grpcApi } from '../fakes/config-source.ts';
import { FakeCompiler, RecordingSink } from '../fakes/xds-client.ts';
import { setUpXdsServices } from '../fakes/xds-client-setup.ts';
import { Load } from '../integration/load.ts';
import { TestMesh } from '../integration/mesh.ts';

export interface RestartsOptions {
  readonly restarts: number;
  /** Clients without a data plane. */
  readonly fleet: number;
  /** The limit that the control plane is given. */
  readonly streamsPerSecond: number;
}

export interface RestartsReport {
  readonly restarts: number;
  readonly answers: number;
  readonly failed: readonly string[];
  /** From the start of a control plane until everybody is in sync again, at most. */
  readonly slowestMs: number;
  /** Streams that began in any one second. */
  readonly peakPerSecond: number;
  /** Resources that the fleet was given again although nothing had changed. */
  readonly sentAgain: number;
  readonly listenersModified: number;
}

const SAMPLE_MS = 100;
const SIDECARS = 3;
const SECOND_MS = 1000;

function documents(fleet: number): string {
  const service = (name: string) =>
    `apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80}]}\n`;
  const workload = (i: number) =>
    `apiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: w${i}}\nspec: {service: fleet, address: 127.0.0.1, inboundPort: ${20_000 + i}, appPort: 1}\n`;
  return [
    ...['frontend', 'orders', 'fleet'].map(service),
    ...Array.from({ length: fleet }, (_, i) => workload(i)),
  ].join('---\n');
}

/** One of the fleet; `sink.calls` has what it was told. */
class Member {
  readonly sink = new RecordingSink();
  readonly client: XdsClient;

  constructor(id: string, port: number) {
    const logger = silentLogger();
    const [clock, random, timers] = [systemClock, systemRandom, new TimerWheel()];
    const factory = grpcChannelFactory({
      target: `ipv4:127.0.0.1:${port}`,
      credentials: credentials.createInsecure(),
      metadata: () => new Metadata(),
    });
    this.client = new XdsClient({
      hasAds: true,
      cds: adsSource,
      lds: adsSource,
      staticReferences: [],
      compiler: new FakeCompiler(),
      sink: this.sink,
      stats: new HolderStore(),
      open: sourceOpener({
        ...setUpXdsServices(),
        ads: grpcApi(),
        channelFactory: () => factory,
        node: { id },
        ...{ clock, random, timers, logger },
      }),
      ...{ clock, timers, logger },
    });
  }
}

/** See the file head. */
export async function controlPlaneRestarts(options: RestartsOptions): Promise<RestartsReport> {
  const { restarts, fleet, streamsPerSecond } = options;
  const mesh = await TestMesh.start(documents(fleet), { xdsLimits: { streamsPerSecond } });
  const members: Member[] = [];
  const everybody = SIDECARS + fleet;
  try {
    await mesh.join('orders', '', 'one');
    await mesh.join('orders', '', 'two');
    const frontend = await mesh.join('frontend', '', 'frontend');
    for (let i = 0; i < fleet; i++) {
      const member = new Member(`default/w${i}`, mesh.plaintextXdsPort);
      members.push(member);
      member.client.start();
    }
    await mesh.synced(everybody);
    const modified = async () =>
      Number((await frontend.admin('/stats?filter=listener_modified$')).split(': ')[1]);
    const modifiedBefore = await modified();
    // Certificates are made anew by every control plane: their keys are nowhere on a disk.
    const told = () =>
      members.flatMap(({ sink }) => sink.calls).filter((call) => !call.includes('secret')).length;
    const load = new Load({ port: frontend.outboundPort, host: 'orders' });
    let [slowestMs, peakPerSecond, sentAgain] = [0, 0, 0];
    for (let restart = 0; restart < restarts; restart++) {
      const toldBefore = told();
      await mesh.stopControlPlane();
      const startedMs = performance.now();
      await mesh.startControlPlane();
      const peak = watchStreams(mesh.restUrl);
      await until('all are in sync', () => mesh.api.allSynced(everybody), 60_000);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      peakPerSecond = Math.max(peakPerSecond, await peak.stop());
      sentAgain += told() - toldBefore;
    }
    await load.more(20);
    await load.stop();
    return {
      restarts,
      answers: load.answered,
      failed: load.failures,
      slowestMs: Math.round(slowestMs),
      peakPerSecond,
      sentAgain,
      listenersModified: (await modified()) - modifiedBefore,
    };
  } finally {
    for (const { client } of members) client.stop();
    await mesh.stop();
  }
}

/** Looks at the counter of streams until it is stopped; then tells the most of any second. */
function watchStreams(restUrl: string): { stop(): Promise<number> } {
  const samples: { readonly atMs: number; readonly count: number }[] = [];
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      const text = await (await fetch(`${restUrl}/metrics`)).text();
      const count = [...text.matchAll(/^remora_cp_streams_total\S* (\d+)$/gm)].reduce(
        (sum, [, value]) => sum + Number(value),
        0,
      );
      samples.push({ atMs: performance.now(), count });
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await running;
      let peak = 0;
      for (const [i, { atMs, count }] of samples.entries()) {
        const before = samples.slice(0, i).findLast((sample) => sample.atMs <= atMs - SECOND_MS);
        if (before !== undefined) peak = Math.max(peak, count - before.count);
      }
      return peak;
    },
  };
}

/** What does not hold. `withinMs`: for all to be in sync. */
export function restartsFailures(
  report: RestartsReport,
  { streamsPerSecond }: RestartsOptions,
  withinMs = 30_000,
): string[] {
  const failures: string[] = [];
  if (report.failed.length > 0)
    failures.push(`${report.failed.length} of ${report.answers} failed: ${report.failed[0]}`);
  if (report.slowestMs > withinMs) failures.push(`in sync after ${report.slowestMs} ms`);
  // The limit is a bucket of one second's streams, on each of the two ports.
  if (report.peakPerSecond > 4 * streamsPerSecond)
    failures.push(`${report.peakPerSecond} streams in one second`);
  if (report.sentAgain > 0) failures.push(`${report.sentAgain} resources were sent again`);
  if (report.listenersModified > 0) failures.push(`${report.listenersModified} listeners rebuilt`);
  return failures;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      restarts: { type: 'string', default: '20' },
      fleet: { type: 'string', default: '200' },
    },
  });
  const options = {
    restarts: Number(values.restarts),
    fleet: Number(values.fleet),
    streamsPerSecond: 25,
  };
  const report = await controlPlaneRestarts(options);
  const failures = restartsFailures(report, options);
  console.log(JSON.stringify({ ...report, failures }, null, 1));
  process.exitCode = failures.length === 0 ? 0 : 1;
}
