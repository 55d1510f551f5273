// Much data through a tunnel at a slow reader, each way: nothing lost, the sender is held back, memory is bounded.
// 64 MiB; with REMORA_SOAK=1 1 GiB (its output is noted in docs/reliability.md).

import assert from 'node:assert/strict';
import type net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { TunnelScene } from './tunnel-scene.ts';

const MIB = 1024 * 1024;
const isSoak = process.env['REMORA_SOAK'] === '1';
const TOTAL_BYTES = (isSoak ? 1024 : 64) * MIB;
/**
 * What the two hops may hold: kernel buffers of four sockets, which grow up to 6 MiB each, and the proxy's own
 * of 1 MiB on each side.
 */
const IN_FLIGHT_LIMIT_BYTES = 48 * MIB;
/** Of this process: sidecar, client and upstream together. */
const RSS_GROWTH_LIMIT_BYTES = 64 * MIB;

const REQUEST =
  'GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n';
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** Position in the stream, over and over: what is lost, doubled or out of order shows. */
const PATTERN = Buffer.alloc(251 * 260);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = i % 251;

class Flow {
  sent = 0;
  received = 0;
  maxInFlight = 0;

  /** Writes as fast as the socket takes it, then ends. */
  send(socket: net.Socket): void {
    while (this.sent < TOTAL_BYTES) {
      const length = Math.min(PATTERN.length, TOTAL_BYTES - this.sent);
      this.sent += length;
      this.maxInFlight = Math.max(this.maxInFlight, this.sent - this.received);
      if (!socket.write(PATTERN.subarray(0, length))) {
        socket.once('drain', () => this.send(socket));
        return;
      }
    }
    socket.end();
  }

  /** Reads a piece, then waits a turn of the timers; `onByte` first stays away until the sender is stuck. */
  async receive(socket: net.Socket): Promise<void> {
    let stuckAt = -1;
    while (stuckAt !== this.sent) {
      stuckAt = this.sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.ok(this.sent < TOTAL_BYTES, 'nothing held the sender back');
    let sinceRest = 0;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      const start = this.received % PATTERN.length;
      for (let at = 0; at < chunk.length; ) {
        const from = (start + at) % PATTERN.length;
        const length = Math.min(chunk.length - at, PATTERN.length - from);
        assert.ok(chunk.subarray(at, at + length).equals(PATTERN.subarray(from, from + length)));
        at += length;
      }
      this.received += chunk.length;
      sinceRest += chunk.length;
      if (sinceRest < 8 * MIB) continue;
      sinceRest = 0;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('much data through a tunnel', () => {
  let scene: TunnelScene;

  before(async () => {
    scene = await TunnelScene.start();
  });

  after(() => scene.stop());

  async function open(): Promise<[client: net.Socket, upstream: net.Socket]> {
    const accepted = new Promise<net.Socket>((resolve) => {
      scene.onHead = (socket) => {
        socket.pause();
        socket.write(SWITCHING);
        resolve(socket);
      };
    });
    const client = scene.connect();
    client.write(REQUEST);
    const upstream = await accepted;
    await new Promise<void>((resolve) => {
      client.once('readable', () => {
        const head: Buffer = client.read();
        assert.match(head.toString('latin1'), /^HTTP\/1\.1 101 .*\r\n\r\n$/s);
        resolve();
      });
    });
    return [client, upstream];
  }

  for (const direction of ['down', 'up'] as const) {
    test(`${TOTAL_BYTES / MIB} MiB ${direction} at a slow reader`, async (context) => {
      const [client, upstream] = await open();
      const [source, sink] = direction === 'up' ? [client, upstream] : [upstream, client];
      globalThis.gc?.();
      const rssBefore = process.memoryUsage.rss();
      let rssMax = 0;
      const sampler = setInterval(() => {
        rssMax = Math.max(rssMax, process.memoryUsage.rss());
      }, 20);
      const flow = new Flow();
      const startedMs = performance.now();
      flow.send(source);
      await flow.receive(sink);
      clearInterval(sampler);
      const growth = rssMax - rssBefore;
      const seconds = (performance.now() - startedMs) / 1000;
      context.diagnostic(
        `${seconds.toFixed(1)} s, at most ${(flow.maxInFlight / MIB).toFixed(1)} MiB under way, RSS grew by ${(growth / MIB).toFixed(1)} MiB`,
      );
      assert.equal(flow.received, TOTAL_BYTES);
      assert.ok(flow.maxInFlight < IN_FLIGHT_LIMIT_BYTES, `${flow.maxInFlight} bytes under way`);
      assert.ok(growth < RSS_GROWTH_LIMIT_BYTES, `RSS grew by ${growth}`);
      // The other direction is still open.
      sink.end('done');
      source.resume();
      await new Promise<void>((resolve) => source.once('end', resolve));
    });
  }

  test('flow control was used, and nothing is left', async () => {
    assert.ok(
      (await scene.stat('cluster.upstream.upstream_flow_control_paused_reading_total')) > 0,
    );
    assert.ok((await scene.stat('http.ingress.downstream_flow_control_paused_reading_total')) > 0);
    await scene.sidecar.untilStat('http.ingress.downstream_cx_upgrades_active', (n) => n === 0);
    await scene.sidecar.untilStat('cluster.upstream.upstream_cx_active', (n) => n === 0);
    const [down, up] = await scene.logs(2);
    assert.deepEqual([down?.sent, down?.received], [TOTAL_BYTES, 4]);
    assert.deepEqual([up?.received, up?.sent], [TOTAL_BYTES, 4]);
  });
});
