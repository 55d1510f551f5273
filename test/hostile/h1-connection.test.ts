// Suite A, rows that need more than one request, time or a measure; and the suite's memory. The oracle is harness.ts.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { growth, HostileScene, isWhole, receive, residentBytes, statusOf } from './harness.ts';
import { hostileRequests } from './requests.ts';

/** Without a forced collection a worker's young generation alone moves by more than 5 MB. */
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;
const CHUNKED_POST = 'POST /hostile HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe('suite A, connections', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      hcm: ['request_timeout: 0.3s'],
      // The upstream's early answer is armed per connection.
      cluster: ['max_requests_per_connection: 1'],
    });
  });
  after(() => scene.stop());

  test('H1-40 a request behind a bad one is never run', async () => {
    const before = await scene.stats();
    const [received] = await Promise.all([
      scene.send('GET /a HTTP/1.1\r\nHost: a\r\nX\r\n\r\nGET /hostile HTTP/1.1\r\nHost: a\r\n\r\n'),
      scene.good(),
    ]);
    assert.deepEqual(received.text.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 400']);
    assert.notEqual(received.end, null);
    assert.deepEqual(hostileRequests(scene), []);
    const after = await scene.stats();
    assert.equal(growth(before, after, /^http\.ingress\.downstream_cx_protocol_error$/), 1);
    const [entry] = await scene.logLines(1);
    assert.equal(entry?.details, 'http1.codec_error');
  });

  test('H1-41 a body that stops coming is a 408, and the upstream gets no padding', async () => {
    const before = await scene.stats();
    const [received] = await Promise.all([
      scene.send('POST /hostile HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab'),
      scene.good(),
    ]);
    assert.equal(statusOf(received), 408);
    assert.notEqual(received.end, null);
    assert.deepEqual(hostileRequests(scene), [], 'no whole request came');
    const after = await scene.stats();
    assert.equal(growth(before, after, /^http\.ingress\.downstream_rq_timeout$/), 1);
    const [entry] = await scene.logLines(1);
    assert.equal(entry?.details, 'request_overall_timeout');
  });

  test('H1-42 Expect: 100-continue with the body at once gets one final status', async () => {
    const [received] = await Promise.all([
      scene.send(
        'POST /hostile HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
        (text) => text.includes('good'),
      ),
      scene.good(),
    ]);
    assert.deepEqual(received.text.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 100', 'HTTP/1.1 200']);
    const [request] = hostileRequests(scene);
    assert.equal(request?.body.toString('latin1'), 'ab');
    const [entry] = await scene.logLines(1);
    assert.equal(entry?.code, 200);
  });

  test('H1-42 an answer before the body ends the connection, and the body is no request', async () => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const socket = scene.connect();
    scene.upstream.onConnection = (upstream) =>
      upstream.once('data', () => {
        upstream.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n');
      });
    socket.write(
      `POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${smuggled.length}\r\n\r\n`,
    );
    const first = await receive(socket, (text) => text.includes('401'));
    scene.upstream.onConnection = null;
    assert.match(first.text, /HTTP\/1\.1 401 .*connection: close\r\n/s);
    socket.write(smuggled);
    const rest = await receive(socket, () => false);
    socket.destroy();
    assert.notEqual(rest.end, null, 'the connection is still open');
    assert.doesNotMatch(rest.text, /HTTP\/1\.1/);
    assert.ok(scene.upstream.take().every(({ target }) => target !== '/smuggled'));
    const [entry] = await scene.logLines(1);
    assert.equal(entry?.code, 401);
    await scene.good();
  });

  test('H1-45 a request that is cut at any byte is the same request', async () => {
    const request = `\r\n${CHUNKED_POST.replace('Host: a', 'Host: a\r\nX: \x80 y')}3;e\r\nabc\r\n0\r\nT: u\r\n\r\n`;
    const socket = scene.connect();
    socket.setNoDelay(true);
    const results = new Set<string>();
    for (let cut = 1; cut < request.length; cut++) {
      socket.write(Buffer.from(request.slice(0, cut), 'latin1'));
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(Buffer.from(request.slice(cut), 'latin1'));
      const { text } = await receive(socket, isWhole);
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/, `cut at ${cut}`);
      for (const seen of hostileRequests(scene)) {
        const headers = seen.headers.filter(([name]) => name !== 'x-request-id');
        results.add(JSON.stringify({ ...seen, headers, end: 0, body: seen.body.toString() }));
      }
    }
    socket.destroy();
    assert.equal(results.size, 1, [...results].join('\n'));
    await scene.good();
    assert.equal((await scene.logLines(request.length - 1)).length, request.length - 1);
  });

  test('memory and descriptors come back to where they were', async () => {
    const attack = () =>
      Promise.all([
        scene.send(`${CHUNKED_POST}${'1\r\nx\r\n'.repeat(200_000)}zz\r\n`),
        scene.send(`GET /hostile HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`),
        scene.send(`GET /hostile HTTP/1.1\r\n${'X: y\r\n'.repeat(5_000)}\r\n`),
      ]);
    for (let round = 0; round < 10; round++) await attack(); // warm-up
    const fds = openFds();
    const before = residentBytes();
    for (let round = 0; round < 40; round++) await attack();
    await scene.good();
    hostileRequests(scene);
    const grownBytes = residentBytes() - before;
    assert.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes more`);
    assert.ok(openFds() <= fds + 4, `${openFds()} descriptors, ${fds} before`);
  });
});
