// F-22: a process with few file descriptors and more connections than it could ever hold.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../fakes/ads-harness.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const DESCRIPTORS = 256;
const FLOOD = 1000;
/** server/descriptor-limit.ts */
const LIMIT = (DESCRIPTORS - 64) / 2;

const type = 'type.googleapis.com/envoy.extensions';
const bootstrap = (port: number, adminPort: number, backendPort: number): string => `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }
static_resources:
  listeners:
  - name: l
    stat_prefix: l
    address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
    filter_chains: [{ filters: [{ name: h, typed_config: { "@type": ${type}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, http_filters: [{ name: r, typed_config: { "@type": ${type}.filters.http.router.v3.Router } }], route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: c } }] }] } } }] }]
  clusters:
  - name: c
    type: STATIC
    load_assignment: { cluster_name: c, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } } }] }] }
`;

describe('F-22 a process without file descriptors', () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-descriptors-'));
  const backend = http.createServer((_request, response) => response.end('hi'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let child: ChildProcess;
  let port: number;
  let adminPort: number;

  before(async () => {
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    port = await freePort();
    adminPort = await freePort();
    const file = join(directory, 'bootstrap.yaml');
    // The listening backend is on TCP.
    const { port: backendPort } = backend.address() as AddressInfo;
    writeFileSync(file, bootstrap(port, adminPort, backendPort));
    const command = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;
    const args = [process.execPath, main, 'proxy', '-c', file, '--concurrency', '1', '-l', 'off'];
    child = spawn('sh', ['-c', command, ...args], { stdio: 'ignore' });
    await until(
      'the sidecar is ready',
      async () => {
        const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => null);
        return (await ready?.text())?.startsWith('LIVE') === true;
      },
      20_000,
    );
  });

  after(() => {
    child.kill('SIGKILL');
    agent.destroy();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A request over the one kept connection. */
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const request = http.get({ port, host: '127.0.0.1', agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      });
      request.on('error', reject);
    });

  async function stat(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name}: `))
        ?.split(': ')[1],
    );
  }

  test('refuses what it cannot hold, counts it, and serves who is connected', async () => {
    assert.equal(await ask(), 200);
    const flood = Array.from({ length: FLOOD }, () => {
      const socket = net.connect(port, '127.0.0.1');
      return socket.on('error', () => {});
    });
    const overflow = 'listener.l.downstream_global_cx_overflow';
    await until('all were accepted or refused', async () => {
      assert.equal(await ask(), 200);
      return (await stat(overflow)) === FLOOD + 1 - LIMIT;
    });
    assert.equal(await stat('listener.l.downstream_cx_active'), LIMIT);
    for (let i = 0; i < 50; i++) assert.equal(await ask(), 200);
    for (const socket of flood) socket.destroy();
    await until(
      'a new client is served again',
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
        return response?.status === 200;
      },
      5000,
    );
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo; // TCP
      server.close(() => resolve(port));
    });
  });
}
