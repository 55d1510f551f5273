// All hosts of a cluster answer 503, and the route wants everything retried: how much more than the clients' requests
// reaches the upstream (reliability F-26).
//
//   node test/soak/retry-storm.ts --requests 20000
//   node test/soak/retry-storm.ts --requests 2000 --control     no budget: must amplify
//
// test/integration/retry-storm.test.ts runs a short form.

import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface RetryStormOptions {
  readonly requests: number;
  /** Clients, each with one request at a time. */
  readonly lanes: number;
  /** False = as many retries as the route allows. */
  readonly hasBudget: boolean;
}

export interface RetryStormReport {
  readonly requests: number;
  /** What the upstream saw. */
  readonly tries: number;
  /** tries / requests */
  readonly load: number;
  readonly retried: number;
  readonly overflows: number;
}

/** The pass line of F-26. */
export const MOST_LOAD = 1.2;
const UPSTREAM_DELAY_MS = 5;
const NUM_RETRIES = 3;

/** See the file head. */
export async function retryStorm(options: RetryStormOptions): Promise<RetryStormReport> {
  const { requests, lanes, hasBudget } = options;
  let tries = 0;
  const upstream = http.createServer((_request, response) => {
    tries++;
    setTimeout(() => response.writeHead(503, { 'content-length': 0 }).end(), UPSTREAM_DELAY_MS);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port: upstreamPort } = upstream.address() as AddressInfo;
  const ceiling = hasBudget
    ? { retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 0 } }
    : { max_retries: 1_000_000 };
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, upstreamPort, {
        cluster: { circuit_breakers: { thresholds: [ceiling] } },
        route: { retry_policy: { retry_on: '5xx', num_retries: NUM_RETRIES } },
      }),
    flags: ['--log-level', 'warning'],
  });
  const agent = new http.Agent({ keepAlive: true });
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < requests) {
      sent++;
      await send(sidecar.port, agent);
    }
  };
  try {
    await sidecar.start();
    await Promise.all(Array.from({ length: lanes }, lane));
    const stats = await sidecar.admin('/stats');
    const stat = (name: string) =>
      Number(new RegExp(`^cluster\\.backend\\.${name}: (\\d+)$`, 'm').exec(stats)?.[1] ?? 0);
    return {
      requests,
      tries,
      load: tries / requests,
      retried: stat('upstream_rq_retry'),
      overflows: stat('upstream_rq_retry_overflow'),
    };
  } finally {
    agent.destroy();
    await sidecar[Symbol.asyncDispose]();
    upstream.closeAllConnections();
    upstream.close();
  }
}

function send(port: number, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 503) resolve();
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '20000' },
      lanes: { type: 'string', default: '50' },
      control: { type: 'boolean', default: false },
    },
  });
  const report = await retryStorm({
    requests: Number(values.requests),
    lanes: Number(values.lanes),
    hasBudget: !values.control,
  });
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.load <= MOST_LOAD ? 0 : 1;
}
