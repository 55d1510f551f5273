// An application closes idle connections after exactly the time after which the sidecar's pool does, and clients
// pause for just that long: requests meet connections that are being closed (reliability F-07).
//
//   node test/soak/keepalive-race.ts --requests 300000
//   node test/soak/keepalive-race.ts --requests 5000 --control     POSTs, and a pool that keeps for an hour: must lose
//
// `healed` in the report are requests that a proxy without ADR 11 would have lost.
// test/integration/pool.test.ts runs a short form.

import http from 'node:http';
import { parseArgs } from 'node:util';
import { expectedBody, IdentifiedUpstream } from './identified-upstream.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface KeepaliveRaceOptions {
  readonly requests: number;
  /** Clients, each with one request at a time. */
  readonly lanes: number;
  /** Idle timeout of the application, ms. */
  readonly timeoutMs: number;
  /** idle_timeout of the pool, ms. */
  readonly poolTimeoutMs: number;
  /** Every n-th request is a POST with a body; 0 = none, 1 = all. */
  readonly postEvery: number;
}

export interface KeepaliveRaceReport {
  requests: number;
  lostGet: number;
  lostPost: number;
  /** Requests that the application saw twice. */
  duplicatedGet: number;
  duplicatedPost: number;
  /** cluster.backend.upstream_rq_stale_connection */
  healed: number;
  upstreamConnections: number;
  errors: string[];
}

/** Around the timeout, so that all sides of the race are met. */
const SPREAD_MS = 6;

/** See the file head. */
export async function keepaliveRace(options: KeepaliveRaceOptions): Promise<KeepaliveRaceReport> {
  const { requests, lanes, timeoutMs, poolTimeoutMs, postEvery } = options;
  const upstream = new IdentifiedUpstream({
    delayMs: () => 0,
    keepAliveTimeoutMs: timeoutMs,
    announcesTimeout: false,
  });
  const upstreamPort = await upstream.listen();
  const optionsType = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, upstreamPort, {
        cluster: {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': optionsType,
              common_http_protocol_options: { idle_timeout: `${poolTimeoutMs / 1000}s` },
              explicit_http_config: { http_protocol_options: {} },
            },
          },
        },
      }),
    flags: ['--log-level', 'warning'],
  });
  const agent = new http.Agent({ keepAlive: true });
  const report: KeepaliveRaceReport = {
    ...{ requests, lostGet: 0, lostPost: 0, duplicatedGet: 0, duplicatedPost: 0 },
    ...{ healed: 0, upstreamConnections: 0, errors: [] },
  };
  const isPost = (id: number) => postEvery > 0 && id % postEvery === 0;
  let nextId = 1;
  const lane = async (): Promise<void> => {
    while (nextId <= requests) {
      const id = nextId++;
      const error = await send(sidecar.port, id, isPost(id), agent);
      if (error !== '') {
        if (isPost(id)) report.lostPost++;
        else report.lostGet++;
        if (report.errors.length < 10) report.errors.push(`${id}: ${error}`);
      }
      const pauseMs = timeoutMs + (Math.random() - 0.5) * SPREAD_MS;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  try {
    await sidecar.start();
    await Promise.all(Array.from({ length: lanes }, lane));
    for (let id = 1; id <= requests; id++) {
      if (upstream.arrivals(id) < 2) continue;
      if (isPost(id)) report.duplicatedPost++;
      else report.duplicatedGet++;
    }
    const stats = await sidecar.admin('/stats');
    const stat = (name: string) =>
      Number(new RegExp(`^cluster\\.backend\\.${name}: (\\d+)$`, 'm').exec(stats)?.[1] ?? 0);
    report.healed = stat('upstream_rq_stale_connection');
    report.upstreamConnections = stat('upstream_cx_total');
    return report;
  } finally {
    agent.destroy();
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

/** '' = answered as it should be. */
function send(port: number, id: number, isPost: boolean, agent: http.Agent): Promise<string> {
  return new Promise((resolve) => {
    const method = isPost ? 'POST' : 'GET';
    const path = `/?id=${id}`;
    const request = http.request({ host: '127.0.0.1', port, path, method, agent }, (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) resolve(`${method} ${response.statusCode} ${body}`);
        else resolve(body === expectedBody(id) ? '' : 'the body of another request');
      });
      response.on('error', (error) => resolve(error.message));
    });
    request.on('error', (error) => resolve(error.message));
    request.end(isPost ? expectedBody(id) : undefined);
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '300000' },
      lanes: { type: 'string', default: '100' },
      'timeout-ms': { type: 'string', default: '60' },
      control: { type: 'boolean', default: false },
    },
  });
  const timeoutMs = Number(values['timeout-ms']);
  const report = await keepaliveRace({
    requests: Number(values.requests),
    lanes: Number(values.lanes),
    timeoutMs,
    poolTimeoutMs: values.control ? 3_600_000 : timeoutMs,
    postEvery: values.control ? 1 : 4,
  });
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.lostGet + report.lostPost + report.duplicatedPost === 0 ? 0 : 1;
}
