// `node bench/eds.ts [--hosts 500] [--seconds 8] [--rate 3000]`: endpoints that change under load, and what a host costs, ours
// beside Envoy. Both learn everything from our own ADS server in this process.
//
//   churn   requests at a fixed rate, without changes and with 100 EDS updates per second; each takes five hosts out and
//           brings five back: p50, p99, CPU per request, errors
//   memory  RSS with 10,000 hosts in one cluster, less that with one, per host

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os, { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SnapshotResource } from '../controlplane/cache/resource.ts';
import { type AdsHarness, startAds } from '../test/fakes/ads-harness.ts';
import { edsCluster, httpListener, routes } from '../test/fakes/xds-resources.ts';
import { binary } from './load/binary.ts';
import { runClient } from './load/generators.ts';
import {
  cpuSeconds,
  type PinnedProcess,
  rssMib,
  startPinned,
  stop,
  waitForPort,
} from './load/processes.ts';

const { values: flags } = parseArgs({
  options: {
    hosts: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '8' },
    rate: { type: 'string', default: '3000' },
  },
});
const HOSTS = Number(flags.hosts);
const SECONDS = Number(flags.seconds);
const RATE = Number(flags.rate);
const UPDATES_PER_SECOND = 100;
const MOVED = 5;
const MANY_HOSTS = 10_000;
const SETTLE_MS = 5000;
const CONNECTIONS = 8;
const STREAMS = 100;
const PROXY_CORE = 0;
const LOAD_CORE = cpus().length > 1 ? 1 : 0;
const NODE = 'bench';
const KIB_PER_MIB = 1024;

type Peer = 'envoy' | 'remora';
const directory = mkdtempSync(join(os.tmpdir(), 'remora-eds-'));
let nextPort = 24000;

/** All hosts are one server: every address of 127/8 leads to it. */
function endpoints(count: number, port: number, isThere: (index: number) => boolean) {
  const lbEndpoints = [];
  for (let i = 0; i < count; i++) {
    if (!isThere(i)) continue;
    const address = `127.1.${i >> 8}.${i & 255}`;
    const socketAddress = { socket_address: { address, port_value: port } };
    lbEndpoints.push({ endpoint: { address: socketAddress } });
  }
  return SnapshotResource.ofMessage('endpoint', 'service', {
    cluster_name: 'service',
    endpoints: [{ locality: {}, lb_endpoints: lbEndpoints }],
  });
}

function bootstrap(adsPort: number, adminPort: number): string {
  const ads = { ads: {}, resource_api_version: 'V3' };
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  return JSON.stringify({
    node: { id: NODE, cluster: 'bench' },
    admin: { address: at(adminPort) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'ads',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            [options]: {
              '@type': `type.googleapis.com/${options}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'ads',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(adsPort) } }] }],
          },
        },
      ],
    },
  });
}

/** A proxy that has taken what `publish` says, on its own ADS server. */
async function start(peer: Peer, backendPort: number, hosts: number) {
  const [listen, admin] = [nextPort++, nextPort++];
  const ads = await startAds();
  const publish = (isThere: (index: number) => boolean) =>
    ads.publish(
      NODE,
      edsCluster('service'),
      endpoints(hosts, backendPort, isThere),
      httpListener('front', listen, 'routes'),
      routes('routes', { '/': 'service' }),
    );
  publish(() => true);
  const file = join(directory, `${peer}-${listen}.json`);
  writeFileSync(file, bootstrap(ads.port, admin));
  const args = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const proxy =
    peer === 'envoy'
      ? startPinned(peer, PROXY_CORE, binary('envoy'), [...args, '--disable-hot-restart'])
      : startPinned(peer, PROXY_CORE, process.execPath, ['bin/remora.js', 'proxy', ...args]);
  await waitForPort(listen, 60_000);
  return { proxy, ads, listen, publish };
}

async function end(proxy: PinnedProcess, ads: AdsHarness): Promise<void> {
  await stop([proxy]);
  ads.close();
}

async function churn(peer: Peer, backendPort: number, isChurning: boolean): Promise<void> {
  const { proxy, ads, listen, publish } = await start(peer, backendPort, HOSTS);
  let updates = 0;
  let timer: NodeJS.Timeout | null = null;
  try {
    const load = (seconds: number) =>
      runClient(LOAD_CORE, 'paced.ts', [listen, CONNECTIONS, STREAMS, RATE, seconds].map(String));
    await load(2);
    const startMs = performance.now();
    if (isChurning) {
      timer = setInterval(() => {
        // What is due, in case a turn came late.
        const due = Math.floor(((performance.now() - startMs) * UPDATES_PER_SECOND) / 1000);
        if (updates >= due) return;
        updates++;
        const from = (updates * MOVED) % HOSTS;
        publish((index) => (index - from + HOSTS) % HOSTS >= MOVED);
      }, 2);
    }
    const before = cpuSeconds([proxy]);
    const { operations, p50Ms, p99Ms, errors } = await load(SECONDS);
    const cpuUs = ((cpuSeconds([proxy]) - before) * 1e6) / operations;
    const seconds = (performance.now() - startMs) / 1000;
    const pace = isChurning ? `${(updates / seconds).toFixed(0)} updates/s` : 'no updates';
    process.stdout.write(
      `${peer.padEnd(7)} ${pace.padEnd(15)} p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${cpuUs.toFixed(1)} us per request, ${errors} errors\n`,
    );
  } finally {
    if (timer !== null) clearInterval(timer);
    await end(proxy, ads);
  }
}

async function memoryPerHost(peer: Peer): Promise<void> {
  const rss: number[] = [];
  for (const hosts of [1, MANY_HOSTS]) {
    const { proxy, ads } = await start(peer, 1, hosts);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    rss.push(rssMib([proxy]));
    await end(proxy, ads);
  }
  const [one = 0, many = 0] = rss;
  const each = ((many - one) * KIB_PER_MIB) / (MANY_HOSTS - 1);
  process.stdout.write(
    `${peer.padEnd(7)} a host ${each.toFixed(2)} KiB (${many.toFixed(0)} MiB with 10,000)\n`,
  );
}

const backend = http.createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  response.end('ok');
});
await new Promise<void>((resolve) => backend.listen(0, '0.0.0.0', resolve));
const { port } = backend.address() as AddressInfo; // listens on TCP
try {
  const peers = ['envoy', 'remora'] as const;
  for (const isChurning of [false, true])
    for (const peer of peers) await churn(peer, port, isChurning);
  for (const peer of peers) await memoryPerHost(peer);
} finally {
  backend.close();
  backend.closeAllConnections();
  rmSync(directory, { recursive: true, force: true });
}

// Node 24.21, 2 vCPU, load 6, Nov 2026, us per request: without updates 102 (Envoy 133), with 100 updates/s 214 (Envoy 184).
// --rate 100, by update: 3.0 to 3.7 ms (Envoy 2.4 to 2.8). A host: 1.27 KiB (Envoy 1.97).
