// F-24: the sidecar gets a fifth of one CPU (20 ms of every 100, as a cgroup quota gives it) and stands still for some
// seconds now and then, as a suspended machine does. Nobody healthy may be blamed for that: no ejection, no failed
// check; and the admin interface answers within a second of CPU being there.
//
//   node test/soak/starved.ts --seconds 60 --busy 1        beside one process that takes all CPU it gets
//   node test/soak/starved.ts --seconds 20 --control       one upstream really fails: it must be ejected
//
// By SIGSTOP and SIGCONT, which need no rights and no cgroup file system.

import { type ChildProcess, spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { KillableUpstream } from './killable-upstream.ts';
import { PacedClient, percentile } from './paced-client.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface StarvedOptions {
  readonly seconds: number;
  readonly rate: number;
  /** Processes that take all CPU they get. */
  readonly busy: number;
  /** From one long pause to the next. */
  readonly pauseEveryMs: number;
  readonly control: boolean;
}

export interface StarvedReport {
  readonly answers: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly pauses: number;
  readonly ejections: number;
  readonly failedChecks: number;
  readonly checks: number;
  readonly membershipHealthy: number;
  /** While there is some CPU. */
  readonly slowestAdminMs: number;
}

const UPSTREAMS = 3;
const RUN_MS = 20;
const STOP_MS = 80;
/** Longer than every timeout below. */
const PAUSE_MS = 2500;
const ADMIN_EVERY_MS = 300;

/** See the file head. */
export async function starved(options: StarvedOptions): Promise<StarvedReport> {
  const upstreams = Array.from(
    { length: UPSTREAMS },
    (_, i) => new KillableUpstream(`u${i}`, options.control && i === 0 ? 500 : 200),
  );
  await Promise.all(upstreams.map((upstream) => upstream.start()));
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, 0, {
        cluster: clusterOf(upstreams.map((upstream) => upstream.port)),
        route: { timeout: '1s' },
      }),
    flags: ['--log-level', 'error'],
  });
  const busy: ChildProcess[] = [];
  try {
    await sidecar.start();
    for (let i = 0; i < options.busy; i++) {
      busy.push(spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }));
    }
    const client = new PacedClient(sidecar.port, options.rate);
    const { pauses, slowestAdminMs } = await starve(sidecar, options);
    const answers = await client.stop();
    const stat = await stats(sidecar);
    const times = answers.map(({ tookMs }) => tookMs);
    return {
      answers: answers.length,
      failed: answers.filter(({ status }) => status !== 200).length,
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
      pauses,
      ejections: stat('outlier_detection.ejections_enforced_total'),
      failedChecks: stat('health_check.failure'),
      checks: stat('health_check.attempt'),
      membershipHealthy: stat('membership_healthy'),
      slowestAdminMs,
    };
  } finally {
    for (const process of busy) process.kill('SIGKILL');
    await sidecar[Symbol.asyncDispose]();
    await Promise.all(upstreams.map((upstream) => upstream.kill()));
  }
}

function clusterOf(ports: readonly number[]): Record<string, unknown> {
  return {
    load_assignment: {
      cluster_name: 'backend',
      endpoints: [
        {
          lb_endpoints: ports.map((port) => ({
            endpoint: {
              address: { socket_address: { address: '127.0.0.1', port_value: port } },
            },
          })),
        },
      ],
    },
    outlier_detection: {
      consecutive_5xx: 3,
      consecutive_gateway_failure: 1,
      enforcing_consecutive_gateway_failure: 100,
      interval: '1s',
      base_ejection_time: '60s',
      max_ejection_percent: 100,
      success_rate_minimum_hosts: 2,
      success_rate_request_volume: 5,
      failure_percentage_minimum_hosts: 2,
      failure_percentage_request_volume: 5,
      enforcing_failure_percentage: 100,
    },
    health_checks: [
      {
        timeout: '1s',
        interval: '0.2s',
        no_traffic_interval: '0.2s',
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        tcp_health_check: {},
      },
    ],
  };
}

/** Gives it its share, with the pauses; ends with the process running. */
async function starve(
  sidecar: SidecarProcess,
  options: StarvedOptions,
): Promise<{ readonly pauses: number; readonly slowestAdminMs: number }> {
  const endMs = performance.now() + options.seconds * 1000;
  let nextPauseMs = performance.now() + options.pauseEveryMs;
  let pauses = 0;
  let slowestAdminMs = 0;
  let isPaused = false;
  let askedMs: number | null = null;
  const ask = async (): Promise<void> => {
    if (askedMs !== null || isPaused) return;
    askedMs = performance.now();
    await sidecar.admin('/ready');
    // One that a pause came into says nothing.
    if (askedMs > 0) slowestAdminMs = Math.max(slowestAdminMs, performance.now() - askedMs);
    askedMs = null;
  };
  const timer = setInterval(() => void ask(), ADMIN_EVERY_MS);
  while (performance.now() < endMs) {
    process.kill(sidecar.pid, 'SIGSTOP');
    const isPause = performance.now() >= nextPauseMs;
    if (isPause) {
      pauses++;
      isPaused = true;
      if (askedMs !== null) askedMs = -1;
      nextPauseMs = performance.now() + PAUSE_MS + options.pauseEveryMs;
    }
    await sleep(isPause ? PAUSE_MS : STOP_MS);
    process.kill(sidecar.pid, 'SIGCONT');
    isPaused = false;
    await sleep(RUN_MS);
  }
  clearInterval(timer);
  return { pauses, slowestAdminMs };
}

/** What does not hold. */
export function starvedFailures(report: StarvedReport): string[] {
  const failures: string[] = [];
  if (report.answers === 0 || report.checks === 0) failures.push('nothing was asked');
  if (report.pauses === 0) failures.push('there was no pause');
  if (report.failed > 0) failures.push(`${report.failed} requests failed`);
  if (report.ejections > 0) failures.push(`${report.ejections} healthy hosts were ejected`);
  if (report.failedChecks > 0) failures.push(`${report.failedChecks} checks failed`);
  if (report.membershipHealthy !== UPSTREAMS) {
    failures.push(`${report.membershipHealthy} hosts were healthy at the end`);
  }
  if (report.slowestAdminMs >= 1000) failures.push(`admin took ${report.slowestAdminMs} ms`);
  return failures;
}

async function stats(sidecar: SidecarProcess): Promise<(name: string) => number> {
  const text = await sidecar.admin('/stats?filter=^cluster.backend');
  return (name) =>
    Number(
      new RegExp(`^cluster\\.backend\\.${name.replace('.', '\\.')}: (\\d+)$`, 'm').exec(text)?.[1],
    );
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      rate: { type: 'string', default: '50' },
      busy: { type: 'string', default: '1' },
      control: { type: 'boolean', default: false },
    },
  });
  const report = await starved({
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    busy: Number(values.busy),
    pauseEveryMs: 5000,
    control: values.control,
  });
  const failures = starvedFailures(report);
  console.log(JSON.stringify({ ...report, failures }, null, 1));
  // The control must fail.
  process.exitCode = failures.length === 0 ? 0 : 1;
}
