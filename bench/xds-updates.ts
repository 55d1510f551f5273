// What a thousand xDS updates per second do to traffic: a sidecar with 200 EDS clusters, a route table and a listener
// under steady requests, once left alone and once with a response every millisecond (of ten: eight assignments, one
// cluster, one route table). Prints the event-loop delay of the workers and the latency of the requests.
//
//   node bench/xds-updates.ts [seconds, default 10] [updates per second, default 1000]

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { XdsKind } from '../controlplane/cache/kinds.ts';
import { typeUrlOfKind } from '../controlplane/cache/kinds.ts';
import type { SnapshotResource } from '../controlplane/cache/resource.ts';
import {
  adsPath,
  decodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
} from '../proto/discovery.ts';
import { assignment, edsCluster, httpListener, routes } from '../test/fakes/xds-resources.ts';

const CLUSTERS = 200;
const WORKERS = 2;
const REQUESTS_PER_SECOND = 500;
const seconds = Number(process.argv[2] ?? 10);
const updatesPerSecond = Number(process.argv[3] ?? 1000);
const root = fileURLToPath(new URL('..', import.meta.url));
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const backend = createServer((_request, answer) => answer.end('ok'));
await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
const backendPort = (backend.address() as AddressInfo).port;
const names = Array.from({ length: CLUSTERS }, (_, i) => `service-${i}`);

/** A hundred routes; `round` makes one table different from the next. */
const table = (round: number): SnapshotResource => {
  const byPrefix = names.slice(0, 100).map((name, i) => [`/${i}-${round}`, name]);
  return routes('main', { ...Object.fromEntries(byPrefix), '/': 'service-0' });
};
const hosts = (name: string, round: number): SnapshotResource =>
  // The first cluster has the traffic: its real host stays.
  assignment(
    name,
    backendPort,
    ...(name === 'service-0' ? [] : [1 + (round % 1000), 2000 + (round % 999)]),
  );

let stream: ServerDuplexStream<Buffer, Buffer> | null = null;
let version = 0;
let acked = 0;
let nacked = 0;
const send = (kind: XdsKind, ...resources: readonly SnapshotResource[]): void => {
  version++;
  stream?.write(
    encodeDeltaDiscoveryResponse({
      systemVersionInfo: `${version}`,
      resources: resources.map(({ name, typeUrl, bytes }) => ({
        name,
        version: `${version}`,
        resource: { typeUrl, value: bytes },
      })),
      typeUrl: typeUrlOfKind(kind),
      removedResources: [],
      nonce: `${version}`,
      controlPlane: 'bench',
    }),
  );
};

const server = new Server();
const identity = (bytes: Buffer): Buffer => bytes;
server.addService(
  {
    DeltaAggregatedResources: {
      path: adsPath.delta,
      requestStream: true,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  },
  {
    DeltaAggregatedResources: (call: ServerDuplexStream<Buffer, Buffer>) => {
      stream = call;
      call.on('data', (bytes: Buffer) => {
        const { responseNonce, errorDetail, typeUrl, subscribe } =
          decodeDeltaDiscoveryRequest(bytes);
        if (responseNonce !== '') {
          if (errorDetail === null) acked++;
          else nacked++;
        } else if (typeUrl === typeUrlOfKind('cluster')) {
          send('cluster', ...names.map((name) => edsCluster(name)));
        } else if (typeUrl === typeUrlOfKind('endpoint') && subscribe.length > 0) {
          send('endpoint', ...subscribe.map((name) => hosts(name, 0)));
        } else if (typeUrl === typeUrlOfKind('listener')) {
          send('listener', httpListener('web', listenPort, 'main'));
        } else if (typeUrl === typeUrlOfKind('route') && subscribe.length > 0)
          send('route', table(0));
      });
      call.on('error', () => {});
    },
  },
);
const adsPort = await new Promise<number>((resolve, reject) =>
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  ),
);

const freePort = async (): Promise<number> => {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
};
const listenPort = await freePort();
const directory = mkdtempSync(join(tmpdir(), 'xds-updates-'));
const delayFile = join(directory, 'delay');
writeFileSync(
  join(directory, 'bootstrap.yaml'),
  `
node: {id: bench, cluster: bench}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{google_grpc: {target_uri: "127.0.0.1:${adsPort}", stat_prefix: ads}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
`,
);
const sidecar = spawn(
  process.execPath,
  [
    join(root, 'cli/main.ts'),
    'proxy',
    '-c',
    join(directory, 'bootstrap.yaml'),
    '--concurrency',
    `${WORKERS}`,
    '-l',
    'error',
  ],
  {
    env: {
      ...process.env,
      LOOP_DELAY_FILE: delayFile,
      NODE_OPTIONS: `--import=${join(root, 'bench/loop-delay.ts')}`,
    },
    stdio: 'inherit',
  },
);

const agent = new Agent({ keepAlive: true, maxSockets: 32 });
let failed = 0;
const get = () =>
  new Promise<number>((resolve) => {
    const begin = performance.now();
    const call = request({ port: listenPort, host: '127.0.0.1', path: '/', agent }, (answer) => {
      if (answer.statusCode !== 200) failed++;
      answer.resume();
      answer.on('end', () => resolve(performance.now() - begin));
    });
    call.on('error', () => {
      failed++;
      resolve(Number.NaN);
    });
    call.end();
  });

const lines = (): number =>
  existsSync(delayFile) ? readFileSync(delayFile, 'utf8').trim().split('\n').length : 0;

async function measure(what: string, updates: number): Promise<void> {
  const latencies: number[] = [];
  const [ackedBefore, begin] = [acked, performance.now()];
  let [sent, asked, round] = [0, 0, 0];
  while (performance.now() - begin < seconds * 1000) {
    const elapsed = (performance.now() - begin) / 1000;
    for (; sent < elapsed * updates; sent++) {
      round++;
      const name = names[1 + (round % (CLUSTERS - 1))] ?? '';
      if (round % 10 === 0) send('cluster', edsCluster(name, 1000 + (round % 5000)));
      else if (round % 10 === 5) send('route', table(round));
      else send('endpoint', hosts(name, round));
    }
    for (; asked < elapsed * REQUESTS_PER_SECOND; asked++) {
      void get().then((latency) => latencies.push(latency));
    }
    await sleep(1);
  }
  // Under other load the main thread may come after: workers are measured until all is applied.
  for (let i = 0; i < 300 && acked - ackedBefore < sent; i++) await sleep(100);
  const took = (performance.now() - begin) / 1000;
  const perSecond = Math.round((acked - ackedBefore) / took);
  rmSync(delayFile, { force: true });
  sidecar.kill('SIGUSR2');
  for (let i = 0; i < 100 && lines() < WORKERS; i++) await sleep(100);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  console.log(
    `${what}: ${sent} sent in ${seconds} s, all acknowledged after ${took.toFixed(1)} s (${perSecond} per second), ${nacked} refused`,
  );
  console.log(
    `  requests: ${latencies.length}, failed ${failed}, p50 ${at(0.5)} p99 ${at(0.99)} ms`,
  );
  for (const line of readFileSync(delayFile, 'utf8').trim().split('\n')) {
    const { thread, p50, p99, p999, max } = JSON.parse(line);
    const text = [p50, p99, p999, max].map((ms: number) => ms.toFixed(2));
    console.log(
      `  worker ${thread}: loop delay p50 ${text[0]} p99 ${text[1]} p99.9 ${text[2]} max ${text[3]} ms`,
    );
  }
}

try {
  while (Number.isNaN(await get())) await sleep(50);
  failed = 0;
  await sleep(1000);
  sidecar.kill('SIGUSR2');
  await sleep(300);
  await measure('left alone', 0);
  await measure(`${updatesPerSecond} updates per second`, updatesPerSecond);
} finally {
  sidecar.kill('SIGTERM');
  server.forceShutdown();
  backend.close();
  agent.destroy();
  rmSync(directory, { recursive: true, force: true });
}
