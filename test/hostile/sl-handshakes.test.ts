// Suite E, the rows of TLS: handshakes that crawl, and too many of them. REMORA_SOAK=1 takes the figures of the spec.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { certificatesYaml, downstreamSocket, httpChain, TlsSidecar } from './tls-sidecar.ts';

const isSoak = process.env['REMORA_SOAK'] === '1';
const HALF = isSoak ? 2000 : 100;
const HANDSHAKES = isSoak ? 10_000 : 200;
const AT_ONCE = 20;
const GOOD_WITHIN_MS = 900;
const TIMEOUT = 'listener.hostile.downstream_cx_transport_socket_connect_timeout';

/** A whole ClientHello, as the first bytes of a client that is told to go on by nobody. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.once('data', (hello) => {
        resolve(hello);
        socket.destroy();
        server.close();
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo; // it listens on TCP
      tls.connect({ port, host: '127.0.0.1' }).on('error', () => {});
    });
  });
}

describe('suite E: handshakes', { timeout: 600_000 }, () => {
  let sidecar: TlsSidecar;
  let leaf: TestCertificate;

  before(async () => {
    const ca = await TestCa.create();
    leaf = await ca.issue({ dns: ['a.test'] });
    const chain = httpChain(downstreamSocket(`common_tls_context: { ${certificatesYaml(leaf)} }`));
    sidecar = await TlsSidecar.start({
      chains: [chain.replace('{ ', '{ transport_socket_connect_timeout: 2s, ')],
    });
  });
  after(() => sidecar?.[Symbol.asyncDispose]());

  /** Good requests on another listener while `work` goes on; the 90th percentile in ms. */
  async function goodWhile(work: Promise<unknown>): Promise<number> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    const times: number[] = [];
    while (!isDone) {
      const startedMs = performance.now();
      await sidecar.good();
      times.push(performance.now() - startedMs);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await done;
    return times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)] ?? 0;
  }

  test('SL-05 handshakes byte by byte and half handshakes end at their timeout', async () => {
    const hello = await clientHello();
    const before = await sidecar.stat(TIMEOUT);
    const sockets = Array.from({ length: HALF }, (_, i) => {
      const socket = net.connect(sidecar.port, '127.0.0.1');
      socket.on('error', () => {}); // a reset is an end as well
      socket.resume();
      // Every other one says its whole hello and then nothing.
      if (i % 2 === 0) socket.write(hello);
      return socket;
    });
    let at = 0;
    const drip = setInterval(() => {
      const byte = hello.subarray(at % hello.length, (at % hello.length) + 1);
      at++;
      for (let i = 1; i < HALF; i += 2) if (sockets[i]!.writable) sockets[i]!.write(byte);
    }, 100);
    const work = Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    const goodMs = await goodWhile(work);
    clearInterval(drip);
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    assert.equal((await sidecar.stat(TIMEOUT)) - before, HALF);
    await sidecar.sidecar.untilStat(
      'listener.hostile.downstream_cx_active',
      (value) => value === 0,
    );
    assert.equal(sidecar.seen.length, 0);
    if (isSoak)
      process.stdout.write(`# SL-05: ${HALF} handshakes, good p90 ${goodMs.toFixed(1)} ms\n`);
  });

  test('SL-06 full handshakes without end starve nobody', async () => {
    let left = HANDSHAKES;
    const startedMs = performance.now();
    const client = async () => {
      while (left-- > 0) assert.equal(await sidecar.request({ session: undefined }), 'served');
    };
    const work = Promise.all(Array.from({ length: AT_ONCE }, client));
    const goodMs = await goodWhile(work);
    const seconds = (performance.now() - startedMs) / 1000;
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    assert.equal(await sidecar.stat('listener.hostile.ssl.session_reused'), 0);
    assert.ok((await sidecar.stat('listener.hostile.ssl.handshake')) >= HANDSHAKES);
    if (isSoak) {
      process.stdout.write(
        `# SL-06: ${HANDSHAKES} handshakes in ${seconds.toFixed(0)} s, good p90 ${goodMs.toFixed(1)} ms\n`,
      );
    }
  });
});
