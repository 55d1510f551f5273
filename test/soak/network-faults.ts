// The network between the sidecar and its upstreams fails (reliability F-03 to F-06), in a network namespace of the
// soak's own. Needs root, and `unshare`, `ip`, `iptables`, `tc` and `ss`.
//
//   node test/soak/network-faults.ts --fault reset --seconds 60        F-03: RSTs, for connections old and new
//   node test/soak/network-faults.ts --fault black-hole --seconds 30   F-04: all to one upstream of three vanishes
//   node test/soak/network-faults.ts --fault half-open                 F-05: HTTP/1 peers that are gone without a FIN
//   node test/soak/network-faults.ts --fault half-open-http2           F-05
//   node test/soak/network-faults.ts --fault loss --percent 5          F-06: 1 % by default
//   node test/soak/network-faults.ts --fault slow --seconds 20         F-06: an upload into 1 Mbit/s
//   ... --control                                                      without what helps: must not hold
//
// test/integration/network-faults.test.ts runs short forms.

import http from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Http2Application } from './http2-application.ts';
import { IdentifiedClient } from './identified-client.ts';
import { expectedBody, IdentifiedUpstream } from './identified-upstream.ts';
import { insideNamespace, isInside, NetworkNamespace } from './network-namespace.ts';
import { PacedClient, percentile, type TimedAnswer } from './paced-client.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';
import { MIB, pump, rssBytes } from './slow-stream.ts';

const faults = ['reset', 'black-hole', 'half-open', 'half-open-http2', 'loss', 'slow'] as const;
export type NetworkFault = (typeof faults)[number];

export interface NetworkFaultOptions {
  readonly fault: NetworkFault;
  readonly seconds: number;
  /** GETs in a second. */
  readonly rate: number;
  /** What `loss` loses. */
  readonly percent: number;
  readonly control: boolean;
}

export interface NetworkFaultReport {
  /** What was counted and measured. */
  readonly counts: Readonly<Record<string, number>>;
  /** What does not hold. */
  readonly failures: readonly string[];
}

/** Starting and ending all of it. */
const OVERHEAD_MS = 60_000;
const UPSTREAMS = 3;
const POLL_MS = 50;

/** Runs a fault in a namespace of its own. */
export async function networkFault(options: NetworkFaultOptions): Promise<NetworkFaultReport> {
  const { fault, seconds, rate, percent, control } = options;
  const numbers = { seconds, rate, percent };
  const args = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  if (control) args.push('--control');
  const printed = await insideNamespace(
    fileURLToPath(import.meta.url),
    ['--fault', fault, ...args],
    seconds * 1000 + OVERHEAD_MS,
  );
  return JSON.parse(printed) as NetworkFaultReport; // main() inside printed it
}

/** What runs inside. */
function inject(options: NetworkFaultOptions): Promise<NetworkFaultReport> {
  const network = new NetworkNamespace();
  switch (options.fault) {
    case 'reset':
      return resets(network, options);
    case 'black-hole':
      return blackHole(network, options);
    case 'loss':
      return loss(network, options);
    case 'slow':
      return slowLine(network, options);
    default:
      return halfOpen(network, options);
  }
}

/** Each storm refuses all packets to one upstream for half a second, and resets all connections to another. */
async function resets(
  network: NetworkNamespace,
  { seconds, rate, control }: NetworkFaultOptions,
): Promise<NetworkFaultReport> {
  const scene = new Scene();
  // The control retries what must not be, and does not retry what may be.
  const gets = control ? {} : retries('connect-failure,refused-stream,reset');
  const posts = retries(control ? 'connect-failure,reset' : 'connect-failure');
  try {
    await scene.start({}, gets, posts);
    const { sidecar, ports } = scene;
    const getting = new PacedClient(sidecar.port, rate);
    const posting = new IdentifiedClient({
      ports: () => [sidecar.port],
      ...{ ratePerSecond: rate / 4, durationMs: seconds * 1000, postEvery: 1 },
      ...{ streams: 0, streamMs: 0, webSockets: 0, maxConnections: 50 },
    });
    const posted = posting.run();
    const endMs = performance.now() + seconds * 1000;
    let storms = 0;
    while (performance.now() < endMs) {
      const refusing = ports[storms % UPSTREAMS]!;
      const resetting = ports[(storms + 1) % UPSTREAMS]!;
      storms++;
      network.refuse(refusing);
      for (let i = 0; i < 5; i++) {
        network.resetConnections(resetting);
        await sleep(100);
      }
      network.heal();
      await sleep(300);
    }
    const answers = await getting.stop();
    const report = await posted;
    const failed = answers.filter(({ status }) => status !== 200).length;
    let postsTwice = 0;
    for (let id = 1; id <= posting.lastId; id++) if (scene.arrivals(id) > 1) postsTwice++;
    const counts = {
      ...{ storms, gets: answers.length, getsFailed: failed },
      ...{ posts: report.sent, postsFailed: report.lost, postsTwice },
      crossedOrCut: report.crossed + report.truncated,
    };
    const failures: string[] = [];
    if (failed > 0) failures.push(`${failed} of ${answers.length} GETs failed`);
    if (postsTwice > 0) failures.push(`${postsTwice} of ${report.sent} POSTs arrived twice`);
    if (counts.crossedOrCut > 0) failures.push(`${counts.crossedOrCut} wrong answers`);
    if (report.answered === 0) failures.push('no POST was answered');
    return { counts, failures };
  } finally {
    await scene.stop();
  }
}

/** The middle of the time, all to one upstream vanishes. */
async function blackHole(
  network: NetworkNamespace,
  { seconds, rate, control }: NetworkFaultOptions,
): Promise<NetworkFaultReport> {
  const FIRST_MS = 5000;
  const scene = new Scene();
  const outliers = {
    outlier_detection: {
      ...{ consecutive_5xx: 3, interval: '0.2s', max_ejection_percent: 34 },
      ...{ base_ejection_time: '300s' },
    },
  };
  const retry = retries('connect-failure,refused-stream,reset', '1s');
  try {
    await scene.start(control ? {} : outliers, control ? {} : retry);
    const client = new PacedClient(scene.sidecar.port, rate);
    await sleep(2000);
    const beganMs = performance.now();
    network.drop(scene.ports[0]!);
    await sleep(Math.max(FIRST_MS, seconds * 1000 - 2000) + 2000);
    // The requests of the control that wait for an answer find it now.
    if (control) network.heal();
    const answers = await client.stop();
    const p99 = (from: number, to: number) =>
      Math.round(p99Of(answers.filter(({ sentMs }) => sentMs >= from && sentMs < to)));
    const counts = {
      answers: answers.length,
      failed: answers.filter(({ status }) => status !== 200).length,
      p99BeforeMs: p99(0, beganMs),
      p99FirstMs: p99(beganMs, beganMs + FIRST_MS),
      p99ThenMs: p99(beganMs + FIRST_MS, Number.POSITIVE_INFINITY),
    };
    const failures: string[] = [];
    if (counts.failed > 0) failures.push(`${counts.failed} of ${answers.length} failed`);
    if (counts.p99FirstMs >= 1500) failures.push(`first p99 ${counts.p99FirstMs} ms`);
    // Nothing waits for a timeout any more.
    if (counts.p99ThenMs >= 500) failures.push(`then p99 ${counts.p99ThenMs} ms`);
    return { counts, failures };
  } finally {
    await scene.stop();
  }
}

/** Everything between the sidecar and its one upstream vanishes; nobody asks meanwhile but once. */
async function halfOpen(
  network: NetworkNamespace,
  { fault, control }: NetworkFaultOptions,
): Promise<NetworkFaultReport> {
  const FOUND_MS = 15_000;
  const CONNECTIONS = 5;
  const isHttp2 = fault === 'half-open-http2';
  const application = isHttp2 ? new Http2Application(new Map(), () => 100) : null;
  const upstream = new IdentifiedUpstream({ delayMs: () => 100 });
  await application?.start();
  const port = application?.port ?? (await upstream.listen());
  const protocol = isHttp2
    ? http2Options(control ? {} : { connection_keepalive: { interval: '3s', timeout: '2s' } })
    : { upstream_connection_options: control ? {} : { tcp_keepalive: { keepalive_time: 2 } } };
  const sidecar = new SidecarProcess({
    bootstrap: (listening) =>
      proxyBootstrap(listening, port, {
        cluster: { ...protocol },
        route: { timeout: control || isHttp2 ? '0s' : '2s' },
      }),
    flags: ['--log-level', 'error'],
  });
  try {
    await sidecar.start();
    const ask = (count: number) =>
      Promise.all(Array.from({ length: count }, () => postOnce(sidecar.port, 1)));
    const before = await ask(CONNECTIONS);
    const connections = await activeConnections(sidecar);
    const startMs = performance.now();
    network.drop(port);
    // One finds the peer silent while it waits, the other connections have nobody who waits.
    const waiting = control ? null : postOnce(sidecar.port, 1);
    let foundMs = Number.POSITIVE_INFINITY;
    while (performance.now() < startMs + FOUND_MS + 1000) {
      await sleep(POLL_MS);
      if ((await activeConnections(sidecar)) > 0) continue;
      foundMs = Math.round(performance.now() - startMs);
      break;
    }
    const waited = await waiting;
    network.heal();
    const after = await ask(1);
    const counts = {
      connections,
      foundMs: Number.isFinite(foundMs) ? foundMs : -1,
      waited: waited ?? -1,
      after: after[0]!,
    };
    const failures: string[] = [];
    if (before.some((status) => status !== 200)) failures.push(`at first: ${before}`);
    if (connections === 0) failures.push('nothing was connected');
    if (foundMs > FOUND_MS) failures.push('not found');
    if (waited !== null && waited < 500) failures.push(`who waited got ${waited}`);
    if (after[0] !== 200) failures.push(`afterwards: ${after[0]}`);
    return { counts, failures };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
    await application?.stop(true);
  }
}

/** Packets to and from all upstreams get lost. The control has no time to send them again. */
async function loss(
  network: NetworkNamespace,
  { seconds, rate, percent, control }: NetworkFaultOptions,
): Promise<NetworkFaultReport> {
  const MAX_GROWTH_MB = 40;
  const scene = new Scene();
  const route = control ? { timeout: '0.15s' } : retries('connect-failure,refused-stream,reset');
  try {
    await scene.start({}, route);
    const { sidecar } = scene;
    const load = async (forMs: number): Promise<readonly TimedAnswer[]> => {
      const client = new PacedClient(sidecar.port, rate);
      await sleep(forMs);
      return client.stop();
    };
    for (const port of scene.ports) network.lose(port, percent / 100);
    await load(Math.min(5000, seconds * 500));
    const baseline = rssBytes(sidecar.pid);
    const answers = await load(seconds * 1000);
    const counts = {
      answers: answers.length,
      failed: answers.filter(({ status }) => status !== 200).length,
      p50Ms: Math.round(
        percentile(
          answers.map(({ tookMs }) => tookMs),
          0.5,
        ),
      ),
      p99Ms: Math.round(p99Of(answers)),
      growthMb: megabytes(rssBytes(sidecar.pid) - baseline),
    };
    const failures: string[] = [];
    if (counts.failed > 0) failures.push(`${counts.failed} of ${answers.length} failed`);
    if (counts.growthMb > MAX_GROWTH_MB) failures.push(`grew by ${counts.growthMb} MB`);
    return { counts, failures };
  } finally {
    await scene.stop();
  }
}

/** A body that comes far faster than the upstream's line takes it. The control buffers all of it. */
async function slowLine(
  network: NetworkNamespace,
  { seconds, control }: NetworkFaultOptions,
): Promise<NetworkFaultReport> {
  const BODY_BYTES = 256 * MIB;
  const MAX_GROWTH_MB = 25;
  const LINE_BYTES_PER_SECOND = 125_000;
  let arrived = 0;
  const upstream = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      arrived += chunk.length;
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as net.AddressInfo; // a TCP server has one
  network.slow(port);
  const limit = { per_connection_buffer_limit_bytes: control ? 0 : MIB };
  const sidecar = new SidecarProcess({
    bootstrap: (listening) => proxyBootstrap(listening, port, { listener: limit, cluster: limit }),
    flags: ['--log-level', 'error'],
  });
  try {
    await sidecar.start();
    const socket = net.connect(sidecar.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PUT / HTTP/1.1\r\nhost: soak\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`);
    const baseline = rssBytes(sidecar.pid);
    pump(socket, BODY_BYTES);
    let max = 0;
    const timer = setInterval(() => {
      max = Math.max(max, rssBytes(sidecar.pid));
    }, POLL_MS);
    await sleep(1000);
    const startBytes = arrived;
    const startMs = performance.now();
    await sleep(seconds * 1000);
    const perSecond = (arrived - startBytes) / ((performance.now() - startMs) / 1000);
    clearInterval(timer);
    socket.destroy();
    const counts = {
      kbPerSecond: Math.round(perSecond / 1000),
      growthMb: megabytes(max - baseline),
    };
    const failures: string[] = [];
    const share = perSecond / LINE_BYTES_PER_SECOND;
    if (share < 0.7 || share > 1.1) failures.push(`${counts.kbPerSecond} kB/s of 125`);
    if (counts.growthMb > MAX_GROWTH_MB) failures.push(`grew by ${counts.growthMb} MB`);
    return { counts, failures };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

/** Three upstreams behind a sidecar. */
class Scene {
  ports: readonly number[] = [];
  readonly #upstreams = Array.from(
    { length: UPSTREAMS },
    () => new IdentifiedUpstream({ delayMs: (id) => 5 + (id % 20) }),
  );
  #sidecar: SidecarProcess | null = null;

  get sidecar(): SidecarProcess {
    if (this.#sidecar === null) throw new Error('start() it first');
    return this.#sidecar;
  }

  /** `posts`: the route of POSTs, where it differs. */
  async start(cluster: object, route: object, posts: object = route): Promise<void> {
    const ports = await Promise.all(this.#upstreams.map((upstream) => upstream.listen()));
    this.ports = ports;
    const endpoint = (port: number) => ({
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    });
    const to = (action: object) => ({ route: { cluster: 'backend', timeout: '0s', ...action } });
    const post = { name: ':method', string_match: { exact: 'POST' } };
    const routes = [
      { match: { prefix: '/', headers: [post] }, ...to(posts) },
      { match: { prefix: '/' }, ...to(route) },
    ];
    const overrides = {
      cluster: {
        // Not Envoy's three at a time: all that an upstream had are retried at once.
        circuit_breakers: { thresholds: [{ max_retries: 1000 }] },
        load_assignment: {
          cluster_name: 'backend',
          endpoints: [{ lb_endpoints: ports.map(endpoint) }],
        },
        ...cluster,
      },
      hcm: { route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] } },
    };
    this.#sidecar = new SidecarProcess({
      bootstrap: (port) => proxyBootstrap(port, 0, overrides),
      flags: ['--log-level', 'error'],
    });
    await this.#sidecar.start();
  }

  /** How often a POST of that id arrived anywhere; GETs have the id 0. */
  arrivals(id: number): number {
    return this.#upstreams.reduce((sum, upstream) => sum + upstream.arrivals(id), 0);
  }

  async stop(): Promise<void> {
    await this.#sidecar?.[Symbol.asyncDispose]();
    for (const upstream of this.#upstreams) upstream.close();
  }
}

function retries(retryOn: string, perTryTimeout = '5s'): object {
  const previousHosts = {
    name: 'envoy.retry_host_predicates.previous_hosts',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    },
  };
  return {
    retry_policy: {
      ...{ retry_on: retryOn, num_retries: 3, per_try_timeout: perTryTimeout },
      ...{ retry_host_predicate: [previousHosts], host_selection_retry_max_attempts: 5 },
    },
  };
}

function http2Options(options: object): object {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: options },
      },
    },
  };
}

/** Resolves with the status; 0 = the connection broke. */
function postOnce(port: number, id: number): Promise<number> {
  return new Promise((resolve) => {
    const request = http.request(
      {
        ...{ host: '127.0.0.1', port, path: `/soak/Echo?id=${id}`, method: 'POST', agent: false },
        headers: { 'x-id': id },
      },
      (response) => {
        response.resume();
        response.on('error', () => resolve(0));
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('error', () => resolve(0));
    request.end(expectedBody(id));
  });
}

async function activeConnections(sidecar: SidecarProcess): Promise<number> {
  const stats = await sidecar.admin('/stats?filter=upstream_cx_active');
  return Number(/^cluster\.backend\.upstream_cx_active: (\d+)$/m.exec(stats)?.[1]);
}

function p99Of(answers: readonly TimedAnswer[]): number {
  return percentile(
    answers.map(({ tookMs }) => tookMs),
    0.99,
  );
}

function megabytes(bytes: number): number {
  return Math.round(Math.max(0, bytes) / 1e5) / 10;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fault: { type: 'string', default: 'reset' },
      seconds: { type: 'string', default: '20' },
      rate: { type: 'string', default: '200' },
      percent: { type: 'string', default: '1' },
      control: { type: 'boolean', default: false },
    },
  });
  const fault = faults.find((known) => known === values.fault);
  if (fault === undefined) throw new Error(`--fault is one of ${faults.join(', ')}`);
  const options = {
    fault,
    ...{ seconds: Number(values.seconds), rate: Number(values.rate) },
    ...{ percent: Number(values.percent), control: values.control },
  };
  if (isInside()) {
    process.stdout.write(JSON.stringify(await inject(options)));
    process.exit(0);
  }
  const report = await networkFault(options);
  console.log(JSON.stringify({ fault, ...report }, null, 1));
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
