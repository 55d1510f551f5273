// Suite E: slow, big and many clients. The commit suite uses some hundred clients and timeouts of a second or two;
// REMORA_SOAK=1 takes the figures of the spec (5,000 clients). SL-05 and SL-06 (TLS): sl-handshakes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import type net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  growth,
  HostileScene,
  isWhole,
  type Received,
  receive,
  residentBytes,
  statusOf,
} from './harness.ts';

const isSoak = process.env['REMORA_SOAK'] === '1';
const CLIENTS = isSoak ? 5000 : 200;
/** With an upstream behind each there are four descriptors of this process. */
const BODIES = isSoak ? 4500 : CLIENTS;
/** Each fills the kernel's buffers, up to 10 MB on either side of the proxy. */
const READERS = isSoak ? 100 : 16;
const PIPELINED = isSoak ? 10_000 : 2000;
const LIMIT = { timeout: isSoak ? 900_000 : 120_000 };
/** Timeouts are a second or two, in the soak ten times as much. */
const SCALE = isSoak ? 10 : 1;
const DRIP_MS = 200 * SCALE;

/** Opens `count` connections, in batches that a listen queue takes. */
async function openMany(scene: HostileScene, count: number): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(100, count - sockets.length) }, () => {
      const socket = scene.connect();
      return new Promise<net.Socket>((resolve) => {
        socket.once('connect', () => resolve(socket));
        socket.once('close', () => resolve(socket));
      });
    });
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** Each socket sends its next byte of `bytes` every DRIP_MS until it is answered or closed. */
async function drip(sockets: readonly net.Socket[], bytes: string): Promise<Received[]> {
  let at = 0;
  const timer = setInterval(() => {
    const byte = bytes[at++ % bytes.length] ?? '';
    for (const socket of sockets) if (socket.writable) socket.write(byte, 'latin1');
  }, DRIP_MS);
  try {
    return await Promise.all(sockets.map((socket) => receive(socket, () => false, 60_000 * SCALE)));
  } finally {
    clearInterval(timer);
  }
}

/** Good requests, one after the other, until `work` is done; the 90th percentile in ms. */
async function goodWhile(scene: HostileScene, work: Promise<unknown>): Promise<number> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  const times: number[] = [];
  while (!isDone) {
    times.push(await scene.good());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await done;
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)] ?? 0;
}

/** The machine may be busy: not a measure of speed, but nobody waits for the slow ones' timeouts. */
const GOOD_WITHIN_MS = 900;

function report(name: string, text: string): void {
  if (isSoak) process.stdout.write(`# ${name}: ${text}\n`);
}

describe('suite E: slow clients', LIMIT, () => {
  let scene: HostileScene;

  before(async () => {
    scene = await HostileScene.start({
      // The route's own timeout is another's row.
      virtualHost: 'routes: [{ match: { prefix: / }, route: { cluster: upstream, timeout: 0s } }]',
      hcm: [
        `request_headers_timeout: ${SCALE}s`,
        `request_timeout: ${2 * SCALE}s`,
        `stream_idle_timeout: ${3 * SCALE}s`,
        'delayed_close_timeout: 0.5s',
        'drain_timeout: 0.5s',
        `common_http_protocol_options: { idle_timeout: ${3 * SCALE}s }`,
      ],
      listener: ['per_connection_buffer_limit_bytes: 32768'],
      cluster: [
        'per_connection_buffer_limit_bytes: 32768',
        // Ours are the ceilings of the listener's side.
        'circuit_breakers: { thresholds: [{ max_connections: 20000, max_pending_requests: 20000, max_requests: 20000 }] }',
      ],
    });
  });
  after(() => scene?.stop());

  test('SL-01 heads byte by byte are answered 408 when the time for heads is over', async () => {
    const rss = residentBytes();
    const before = await scene.stats();
    const sockets = await openMany(scene, CLIENTS);
    const work = drip(
      sockets,
      'GET / HTTP/1.1\r\nHost: a\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    );
    const goodMs = await goodWhile(scene, work);
    const received = await work;
    assert.deepEqual(new Set(received.map(statusOf)), new Set([408]));
    assert.ok(received.every(({ end }) => end !== null));
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    const entries = await scene.logLines(CLIENTS);
    assert.deepEqual(
      new Set(entries.map(({ details }) => details)),
      new Set(['request_header_timeout']),
    );
    assert.equal(
      growth(before, await scene.stats(), /^http\.ingress\.downstream_rq_header_timeout$/),
      CLIENTS,
    );
    const seen = scene.upstream.take().filter(({ target }) => target !== '/good');
    assert.deepEqual(seen, []);
    report(
      'SL-01',
      `${CLIENTS} clients, good p90 ${goodMs.toFixed(1)} ms, RSS ${(residentBytes() - rss) >> 20} MB`,
    );
  });

  test('SL-02 bodies byte by byte are answered 408, and the upstream sees no whole request', async () => {
    const rss = residentBytes();
    const before = await scene.stats();
    const sockets = await openMany(scene, BODIES);
    for (const socket of sockets) {
      socket.write('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
    }
    const work = drip(sockets, 'b');
    const goodMs = await goodWhile(scene, work);
    const received = await work;
    assert.deepEqual(new Set(received.map(statusOf)), new Set([408]));
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    const entries = await scene.logLines(BODIES);
    assert.deepEqual(
      new Set(entries.map(({ details }) => details)),
      new Set(['request_overall_timeout']),
    );
    assert.equal(
      growth(before, await scene.stats(), /^http\.ingress\.downstream_rq_timeout$/),
      BODIES,
    );
    const seen = scene.upstream.take().filter(({ target }) => target !== '/good');
    assert.deepEqual(seen, [], 'nothing was padded to be whole');
    report(
      'SL-02',
      `${BODIES} clients, good p90 ${goodMs.toFixed(1)} ms, RSS ${(residentBytes() - rss) >> 20} MB`,
    );
  });

  test('SL-03 readers that do not read are given up, and cost their buffers only', async () => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    const bodyBytes = 16 * 1024 * 1024;
    scene.upstream.answers.set('/big', (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bodyBytes}\r\n\r\n`);
      let sent = 0;
      const fill = () => {
        while (!socket.destroyed && sent < bodyBytes && socket.write(piece)) sent += piece.length;
      };
      socket.on('drain', fill);
      fill();
    });
    const before = await scene.stats();
    const rss = residentBytes();
    const sockets = await openMany(scene, READERS);
    for (const socket of sockets) {
      socket.pause();
      socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    let mostBytes = 0;
    const work = scene.sidecar
      .untilStat('http.ingress.downstream_rq_active', (value) => value >= READERS / 2)
      .then(async () => {
        mostBytes = Math.max(mostBytes, residentBytes() - rss);
        const isOver = async () =>
          ((await scene.stats()).get('http.ingress.downstream_cx_active') ?? 0) <= 1;
        while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, 100));
      });
    const goodMs = await goodWhile(scene, work);
    for (const socket of sockets) socket.destroy();
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    assert.ok(mostBytes < 40 * 1024 * 1024 + READERS * 256 * 1024, `${mostBytes} bytes`);
    assert.equal(
      growth(before, await scene.stats(), /^http\.ingress\.downstream_rq_idle_timeout$/),
      READERS,
    );
    const entries = await scene.logLines(READERS);
    assert.deepEqual(
      new Set(entries.map(({ details }) => details)),
      new Set(['stream_idle_timeout']),
    );
    scene.upstream.take();
    report(
      'SL-03',
      `${READERS} readers, good p90 ${goodMs.toFixed(1)} ms, RSS ${mostBytes >> 20} MB at most`,
    );
  });

  test('SL-04 who connects and says nothing is closed, and admin answers meanwhile', async () => {
    const before = await scene.stats();
    const sockets = await openMany(scene, CLIENTS);
    const startedMs = performance.now();
    await scene.sidecar.admin('/ready');
    assert.ok(performance.now() - startedMs < GOOD_WITHIN_MS);
    const work = Promise.all(sockets.map((socket) => receive(socket, () => false, 60_000 * SCALE)));
    const goodMs = await goodWhile(scene, work);
    const received = await work;
    assert.ok(received.every(({ text, end }) => text === '' && end !== null));
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    assert.ok(
      growth(before, await scene.stats(), /^http\.ingress\.downstream_cx_idle_timeout$/) >= CLIENTS,
    );
    report('SL-04', `${CLIENTS} clients, good p90 ${goodMs.toFixed(1)} ms`);
  });

  test('SL-07 ten gigabytes announced, and never sent, cost nothing', async () => {
    const rss = residentBytes();
    const before = await scene.stats();
    const sockets = await openMany(scene, 50);
    for (const socket of sockets) {
      socket.write('POST /huge HTTP/1.1\r\nHost: a\r\nContent-Length: 10737418240\r\n\r\nstart');
    }
    const received = await Promise.all(
      sockets.map((socket) => receive(socket, () => false, 60_000 * SCALE)),
    );
    assert.deepEqual(new Set(received.map(statusOf)), new Set([408]));
    assert.equal(growth(before, await scene.stats(), /^http\.ingress\.downstream_rq_timeout$/), 50);
    assert.ok(residentBytes() - rss < 40 * 1024 * 1024);
    await scene.logLines(50);
    const seen = scene.upstream.take().filter(({ target }) => target !== '/good');
    assert.deepEqual(seen, []);
  });

  test('SL-08 pipelined requests are served in turn, beside others', async () => {
    let open = 0;
    let mostOpen = 0;
    scene.upstream.answers.set('/pipe', (socket) => {
      mostOpen = Math.max(mostOpen, ++open);
      setImmediate(() => {
        open--;
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\np');
      });
    });
    const work = scene.send(
      'GET /pipe HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(PIPELINED),
      (text) => text.length > PIPELINED * 100 && countOf(text) === PIPELINED,
      60_000,
    );
    const goodMs = await goodWhile(scene, work);
    assert.equal(countOf((await work).text), PIPELINED);
    assert.ok(goodMs < GOOD_WITHIN_MS, `good requests took ${goodMs} ms`);
    assert.equal(mostOpen, 1, 'one at a time is in flight');
    assert.equal(
      scene.upstream.take().filter(({ target }) => target === '/pipe').length,
      PIPELINED,
    );
    await scene.logLines(PIPELINED);
    report('SL-08', `${PIPELINED} requests, good p90 ${goodMs.toFixed(1)} ms`);
  });

  test('SL-09 a thousand ranges are passed on as one request', async () => {
    const range = `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-`).join(',')}`;
    const received = await scene.send(
      `GET /range HTTP/1.1\r\nHost: a\r\nRange: ${range}\r\n\r\n`,
      isWhole,
    );
    assert.equal(statusOf(received), 200);
    const seen = scene.upstream.take().filter(({ target }) => target === '/range');
    assert.equal(seen.length, 1);
    assert.equal(seen[0]?.headers.find(([name]) => name === 'range')?.[1], range);
    await scene.logLines(1);
  });
});

const countOf = (text: string) => text.split('HTTP/1.1 200 OK\r\n').length - 1;

describe('suite E: ceilings', LIMIT, () => {
  test('SL-04 past the ceiling connections are refused at accept and counted', async () => {
    const scene = await HostileScene.start({
      bootstrap:
        'layered_runtime: { layers: [{ name: s, static_layer: { envoy.resource_limits.listener.ingress.connection_limit: 20 } }] }',
      listener: ['stat_prefix: ingress'],
    });
    try {
      const sockets = await openMany(scene, 60);
      await scene.sidecar.untilStat(
        'listener.ingress.downstream_cx_overflow',
        (value) => value >= 40,
      );
      await scene.sidecar.untilStat(
        'listener.ingress.downstream_cx_active',
        (value) => value <= 20,
      );
      for (const socket of sockets) socket.destroy();
      await scene.sidecar.untilStat(
        'listener.ingress.downstream_cx_active',
        (value) => value === 0,
      );
      await scene.good();
    } finally {
      await scene.stop();
    }
  });

  test('SL-10 a log that nobody reads loses lines, not requests', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'remora-fifo-'));
    const fifo = join(directory, 'log');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    // Both ends, so that the pipe has a reader that does not read.
    const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const line = 'x'.repeat(2000);
    const scene = await HostileScene.start({
      hcm: [],
      logs: [
        `{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${fifo}, log_format: { text_format_source: { inline_string: "%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%%REQ(X-LINE)%\\n" } } } }`,
      ],
    });
    let isDraining = true;
    try {
      // 20 KB a line: 4 MiB may wait, the rest is dropped.
      for (let round = 0; round < 40; round++) {
        const answers = await Promise.all(
          Array.from({ length: 10 }, () =>
            scene.send(`GET /good HTTP/1.1\r\nHost: a\r\nx-line: ${line}\r\n\r\n`, isWhole),
          ),
        );
        assert.ok(answers.every((received) => statusOf(received) === 200));
      }
      const stats = await scene.stats();
      assert.ok(growth(new Map(), stats, /lines_dropped$/) > 50, 'lines were dropped and counted');
    } finally {
      const bytes = Buffer.alloc(1 << 20);
      const drain = setInterval(() => {
        try {
          while (isDraining && readSync(reader, bytes) > 0);
        } catch {
          // empty for now
        }
      }, 5);
      await scene.stop();
      isDraining = false;
      clearInterval(drain);
      closeSync(reader);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
