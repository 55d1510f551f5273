// Rows U-06, U-22, U-23 and UP-09 where WebSockets and CONNECT are allowed: the upstream accepts every upgrade that
// it is offered, so that only the proxy stands between a broken one and a tunnel. The oracle is in harness.ts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { growth, HostileScene, isWhole, residentBytes, statusOf } from './harness.ts';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
const KEY = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const VERSION = 'Sec-WebSocket-Version: 13\r\n';
const webSocket = (path: string, head = `${KEY}${VERSION}`, method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${head}\r\n`;

interface Row {
  readonly name: string;
  readonly bytes: string;
  readonly status: number;
  readonly details: string;
  /** What grows; below `http.ingress.` or `cluster.upstream.`. */
  readonly counter: RegExp;
  /** Requests that the upstream may see. Default 0. */
  readonly forwarded?: number;
}

const wsRefused = {
  status: 403,
  details: 'upgrade_failed',
  counter: /downstream_rq_ws_on_non_ws_route/,
};

const rows: readonly Row[] = [
  { name: 'U-22 a WebSocket by POST', bytes: webSocket('/a', undefined, 'POST'), ...wsRefused },
  {
    name: 'U-22 a WebSocket by POST with a body',
    bytes: `${webSocket('/a', `${KEY}${VERSION}Content-Length: 4\r\n`, 'POST')}body`,
    ...wsRefused,
  },
  {
    name: 'U-22 a WebSocket in chunks',
    bytes: `${webSocket('/a', `${KEY}${VERSION}Transfer-Encoding: chunked\r\n`)}0\r\n\r\n`,
    ...wsRefused,
  },
  {
    name: 'U-22 a WebSocket of version 7',
    bytes: webSocket('/a', `${KEY}Sec-WebSocket-Version: 7\r\n`),
    ...wsRefused,
  },
  {
    name: 'U-22 a WebSocket of versions 13 and 7',
    bytes: webSocket('/a', `${KEY}${VERSION}Sec-WebSocket-Version: 7\r\n`),
    ...wsRefused,
  },
  { name: 'U-22 a WebSocket without a version', bytes: webSocket('/a', KEY), ...wsRefused },
  {
    name: 'U-22 two protocols at once',
    bytes: webSocket('/a', `${KEY}${VERSION}Upgrade: foo\r\n`),
    ...wsRefused,
  },
  {
    name: 'U-22 Upgrade that Connection does not name',
    bytes: `GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n${KEY}${VERSION}\r\n`,
    status: 502,
    details: 'upstream_reset_before_response_started{protocol_error}',
    counter: /upstream_cx_protocol_error/,
    forwarded: 1,
  },
  {
    name: 'UP-09 a 101 that nobody asked for',
    bytes: 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n',
    status: 502,
    details: 'upstream_reset_before_response_started{protocol_error}',
    counter: /upstream_cx_protocol_error/,
    forwarded: 1,
  },
  {
    name: 'U-22 the upstream says 200',
    bytes: webSocket('/declined') + SMUGGLED,
    status: 200,
    details: 'websocket_handshake_unsuccessful',
    counter: /downstream_cx_upgrades_total/,
    forwarded: 1,
  },
  {
    name: 'U-23 bytes behind an upgrade that the route refuses',
    bytes: webSocket('/off') + SMUGGLED,
    ...wsRefused,
  },
  {
    name: 'U-23 bytes behind an upgrade that is broken',
    bytes: webSocket('/a', '') + SMUGGLED,
    ...wsRefused,
  },
  {
    name: 'U-06 CONNECT that the route refuses, with bytes behind it',
    bytes: `CONNECT off:443 HTTP/1.1\r\nHost: off:443\r\n\r\n${SMUGGLED}`,
    ...wsRefused,
  },
  {
    name: 'U-06 CONNECT that the next proxy refuses, with bytes behind it',
    bytes: `CONNECT declined:443 HTTP/1.1\r\nHost: declined:443\r\n\r\n${SMUGGLED}`,
    status: 403,
    details: 'via_upstream',
    counter: /downstream_cx_upgrades_total/,
    forwarded: 1,
  },
  {
    name: 'U-06 CONNECT with a body',
    bytes: `CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 4\r\n\r\nbody${SMUGGLED}`,
    status: 400,
    details: 'http1.body_disallowed',
    counter: /downstream_cx_protocol_error/,
  },
];

const UPGRADES = 'upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }]';
const OFF =
  'upgrade_configs: [{ upgrade_type: websocket, enabled: false }, { upgrade_type: CONNECT, enabled: false }]';
const ROUTES = `routes: [
  { match: { connect_matcher: {}, headers: [{ name: ":authority", string_match: { exact: "off:443" } }] }, route: { cluster: upstream, ${OFF} } },
  { match: { connect_matcher: {} }, route: { cluster: upstream } },
  { match: { prefix: /off }, route: { cluster: upstream, ${OFF} } },
  { match: { prefix: / }, route: { cluster: upstream } }]`;

const MEMORY_LIMIT_BYTES = 64 * 1024 * 1024;

describe('broken and refused upgrades', () => {
  let scene: HostileScene;
  let memoryBefore = 0;

  before(async () => {
    scene = await HostileScene.start({
      hcm: [UPGRADES],
      virtualHost: ROUTES.replace(/\n\s*/g, ' '),
    });
    await scene.good();
    memoryBefore = residentBytes();
    scene.upstream.answers.set('/a', (socket) =>
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      ),
    );
    scene.upstream.answers.set('/declined', (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'),
    );
    scene.upstream.answers.set('declined:443', (socket) =>
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    );
  });

  after(() => scene.stop());

  for (const row of rows) {
    test(row.name, async () => {
      scene.upstream.take();
      const before = await scene.stats();
      const [received] = await Promise.all([scene.send(row.bytes, isWhole), scene.good()]);
      assert.equal(statusOf(received), row.status);
      assert.doesNotMatch(received.text, / 101 /, 'no tunnel, whatever the upstream says');
      const [line] = await scene.logLines(1);
      assert.equal(line?.code, row.status);
      assert.equal(line.details, row.details);
      const seen = scene.upstream.take().filter(({ target }) => target !== '/good');
      assert.equal(seen.length, row.forwarded ?? 0);
      const after = await scene.stats();
      assert.ok(growth(before, after, row.counter) > 0, `${row.counter} did not grow`);
      assert.equal(after.get('http.ingress.downstream_cx_upgrades_active'), 0, 'no tunnel is left');
    });
  }

  test('U-23 the connection of a refused upgrade answers nothing more', async () => {
    const socket = scene.connect();
    socket.write(webSocket('/off') + SMUGGLED);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    await new Promise<void>((resolve) => socket.on('end', resolve));
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.match(text, /\r\nconnection: close\r\n/);
    assert.deepEqual(scene.upstream.take(), []);
    socket.destroy();
  });

  test('memory is what it was', () => {
    assert.ok(residentBytes() - memoryBefore < MEMORY_LIMIT_BYTES);
  });
});
