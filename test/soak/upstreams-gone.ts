// F-28: every upstream is killed, stays away, and comes back. Meanwhile each request is answered with 503 at once; behind
// the return the first success comes within 2 s; and the panic rule is the one that was configured.
//
//   node test/soak/upstreams-gone.ts --seconds 60 --rate 100            with panic (Envoy's default)
//   node test/soak/upstreams-gone.ts --seconds 60 --no-panic            healthy_panic_threshold 0, active checks
//   node test/soak/upstreams-gone.ts --seconds 5 --control              no checks, no panic, ejected for a minute: too late

import { parseArgs } from 'node:util';
import { KillableUpstream } from './killable-upstream.ts';
import { PacedClient, percentile } from './paced-client.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface UpstreamsGoneOptions {
  /** How long they stay away. */
  readonly seconds: number;
  readonly rate: number;
  readonly mode: 'panic' | 'no-panic' | 'control';
}

export interface UpstreamsGoneReport {
  readonly answersWhileGone: number;
  /** Of those: other than 503. */
  readonly notRefused: number;
  readonly refusalP50Ms: number;
  readonly refusalP99Ms: number;
  /** From the moment when all of them listen again; null = none within 10 s. */
  readonly firstSuccessMs: number | null;
  /** Requests that went to hosts although too few were healthy. */
  readonly panics: number;
  /** Requests for which there was no host. */
  readonly noneHealthy: number;
  readonly ejections: number;
  /** Behind the first success. */
  readonly failedAfterReturn: number;
}

const UPSTREAMS = 3;
const BEFORE_MS = 1000;
/** Requests under way when the kill comes, and checks that notice it, are not judged. */
const SETTLE_MS = 1200;
const AFTER_MS = 1000;
const RETURN_LIMIT_MS = 10_000;

function clusterOf(ports: readonly number[], mode: UpstreamsGoneOptions['mode']): object {
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
      consecutive_5xx: 5,
      interval: '1s',
      base_ejection_time: '60s',
      max_ejection_percent: 100,
    },
    ...(mode === 'panic' ? {} : { common_lb_config: { healthy_panic_threshold: { value: 0 } } }),
    ...(mode === 'no-panic'
      ? {
          health_checks: [
            {
              timeout: '1s',
              interval: '0.5s',
              no_traffic_interval: '0.5s',
              unhealthy_threshold: 1,
              healthy_threshold: 1,
              http_health_check: { path: '/' },
            },
          ],
        }
      : {}),
  };
}

/** See the file head. */
export async function upstreamsGone(options: UpstreamsGoneOptions): Promise<UpstreamsGoneReport> {
  const upstreams = Array.from({ length: UPSTREAMS }, (_, i) => new KillableUpstream(`u${i}`));
  await Promise.all(upstreams.map((upstream) => upstream.start()));
  const ports = upstreams.map(({ port }) => port);
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, 0, { cluster: { ...clusterOf(ports, options.mode) } }),
    flags: ['--log-level', 'error'],
  });
  try {
    await sidecar.start();
    const client = new PacedClient(sidecar.port, options.rate);
    await sleep(BEFORE_MS);
    await Promise.all(upstreams.map((upstream) => upstream.kill()));
    const goneMs = performance.now() + SETTLE_MS;
    await sleep(SETTLE_MS + options.seconds * 1000);
    const beforeReturnMs = performance.now();
    const stat = await stats(sidecar);
    await Promise.all(upstreams.map((upstream) => upstream.start()));
    const returnMs = performance.now();
    const isBack = (): boolean =>
      client.answers.some(({ sentMs, status }) => sentMs > beforeReturnMs && status === 200);
    while (!isBack() && performance.now() < returnMs + RETURN_LIMIT_MS) await sleep(20);
    await sleep(AFTER_MS);
    const answers = await client.stop();
    const refusals = answers.filter(({ sentMs }) => sentMs > goneMs && sentMs < beforeReturnMs);
    const successes = answers.filter(
      ({ sentMs, status }) => sentMs > beforeReturnMs && status === 200,
    );
    const first = successes.map(({ sentMs, tookMs }) => sentMs + tookMs).sort((a, b) => a - b)[0];
    const times = refusals.map(({ tookMs }) => tookMs);
    return {
      answersWhileGone: refusals.length,
      notRefused: refusals.filter(({ status }) => status !== 503).length,
      refusalP50Ms: percentile(times, 0.5),
      refusalP99Ms: percentile(times, 0.99),
      firstSuccessMs: first === undefined ? null : Math.max(0, first - returnMs),
      panics: stat('lb_healthy_panic'),
      noneHealthy: stat('upstream_cx_none_healthy'),
      ejections: stat('outlier_detection.ejections_enforced_total'),
      failedAfterReturn: answers.filter(
        ({ sentMs, status }) => first !== undefined && sentMs > first && status !== 200,
      ).length,
    };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    await Promise.all(upstreams.map((upstream) => upstream.kill()));
  }
}

/** What does not hold. `limitMs`: of a refusal, at the median; the tail depends on who else uses the machine. */
export function upstreamsGoneFailures(
  report: UpstreamsGoneReport,
  mode: UpstreamsGoneOptions['mode'],
  limitMs = 10,
): string[] {
  const failures: string[] = [];
  if (report.answersWhileGone === 0) failures.push('nobody asked meanwhile');
  if (report.notRefused > 0) failures.push(`${report.notRefused} answers were no 503`);
  if (report.refusalP50Ms >= limitMs) failures.push(`a 503 took ${report.refusalP50Ms} ms`);
  if (report.firstSuccessMs === null || report.firstSuccessMs >= 2000) {
    failures.push(`the first success came ${report.firstSuccessMs} ms after the return`);
  }
  if (mode === 'panic' && report.panics === 0) failures.push('no request was sent in panic');
  if (mode !== 'panic' && report.panics > 0) failures.push(`${report.panics} were sent in panic`);
  if (mode !== 'panic' && report.noneHealthy === 0) failures.push('there was a healthy host');
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
      rate: { type: 'string', default: '100' },
      'no-panic': { type: 'boolean', default: false },
      control: { type: 'boolean', default: false },
    },
  });
  const mode = values.control ? 'control' : values['no-panic'] ? 'no-panic' : 'panic';
  const report = await upstreamsGone({
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    mode,
  });
  const failures = upstreamsGoneFailures(report, mode);
  console.log(JSON.stringify({ mode, ...report, failures }, null, 1));
  // The control must fail.
  process.exitCode = failures.length === 0 ? 0 : 1;
}
