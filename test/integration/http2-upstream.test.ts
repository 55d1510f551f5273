// HTTP/2 towards applications, over real sockets: one sidecar, node:http2 servers that behave as their test needs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Http2UpstreamScene, http2Backend, portOf } from './http2-upstream-scene.ts';

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_NO_ERROR } = http2.constants;

/** Reads the request and says how many bytes it had. */
function countBody(stream: http2.ServerHttp2Stream): void {
  let bytes = 0;
  stream.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200 });
    stream.end(String(bytes));
  });
}

describe('multiplexing', () => {
  let scene: Http2UpstreamScene;
  const waiting: http2.ServerHttp2Stream[] = [];
  const hold = (stream: http2.ServerHttp2Stream): void => {
    waiting.push(stream);
  };
  const answerAll = (): void => {
    for (const stream of waiting.splice(0)) {
      if (stream.closed) continue;
      stream.respond({ ':status': 200 });
      stream.end('done');
    }
  };
  let ours: Awaited<ReturnType<typeof http2Backend>>;
  let theirs: Awaited<ReturnType<typeof http2Backend>>;

  before(async () => {
    ours = await http2Backend(hold);
    theirs = await http2Backend(hold, { maxConcurrentStreams: 3 });
    scene = await Http2UpstreamScene.start([
      {
        name: 'ours',
        ports: [ours.port],
        http: 'explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 3 } }',
      },
      { name: 'theirs', ports: [theirs.port] },
    ]);
  });

  after(async () => {
    await scene.stop();
    ours.close();
    theirs.close();
  });

  it('opens the next connection when ours is full', async () => {
    const answers = Array.from({ length: 10 }, () => scene.ask('/ours/'));
    await scene.sidecar.untilStat('cluster.ours.upstream_rq_active', (active) => active === 10);
    assert.equal(await scene.stat('cluster.ours.upstream_cx_http2_total'), 4);
    assert.equal(await scene.stat('cluster.ours.http2.streams_active'), 10);
    while (waiting.length < 10) await new Promise(setImmediate);
    answerAll();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    assert.equal(ours.mostStreams, 3);
    assert.equal(await scene.stat('cluster.ours.upstream_cx_active'), 4);
  });

  it('keeps to what the peer allows, and what it refused meanwhile is not lost', async () => {
    const answers = Array.from({ length: 50 }, () => scene.ask('/theirs/', 'body'));
    let done = 0;
    for (const answer of answers) void answer.finally(() => done++);
    while (done < answers.length) {
      answerAll();
      await new Promise(setImmediate);
    }
    for (const { status, text } of await Promise.all(answers)) {
      assert.deepEqual([status, text], [200, 'done']);
    }
    assert.ok(theirs.mostStreams <= 3, `${theirs.mostStreams}`);
  });
});

describe('GOAWAY', () => {
  /** Answers 20 requests per connection, by `leave` as the last of them comes; the others are none of its business. */
  async function underLoad(leave: (last: http2.ServerHttp2Stream) => void): Promise<number> {
    const most = 20;
    const seen = new Map<string, number>();
    const backend = await http2Backend((stream, headers, number) => {
      if (number > most) return;
      const id = String(headers['x-id']);
      seen.set(id, (seen.get(id) ?? 0) + 1);
      countBody(stream);
      if (number === most) leave(stream);
    });
    const scene = await Http2UpstreamScene.start([{ name: 'app', ports: [backend.port] }]);
    try {
      let next = 0;
      const bad: string[] = [];
      const body = Buffer.alloc(1024);
      const lane = async (): Promise<void> => {
        while (next < 3000) {
          const id = next++;
          const isPost = id % 2 === 0;
          const request = scene.open('/app/', {
            method: isPost ? 'POST' : 'GET',
            headers: { 'x-id': id },
          });
          request.end(isPost ? body : undefined);
          const [response] = await once(request, 'response');
          response.resume();
          await once(response, 'end');
          if (response.statusCode !== 200) bad.push(`${id}: ${response.statusCode}`);
        }
      };
      await Promise.all(Array.from({ length: 50 }, lane));
      assert.deepEqual(bad, []);
      assert.equal(seen.size, 3000);
      assert.deepEqual(
        [...seen].filter(([, times]) => times > 1),
        [],
      );
      assert.ok(backend.sessionCount > 20, `${backend.sessionCount} connections`);
      assert.ok((await scene.stat('cluster.app.upstream_cx_close_notify')) > 20);
      return await scene.stat('cluster.app.upstream_rq_unprocessed');
    } finally {
      await scene.stop();
      backend.close();
    }
  }

  it('of a peer that serves what it has got costs no request', async () => {
    await underLoad((last) => last.session?.close());
  });

  it('costs no request that crosses it either, and none is processed twice', async () => {
    const unprocessed = await underLoad((last) =>
      last.session?.goaway(NGHTTP2_NO_ERROR, last.id ?? 0),
    );
    assert.ok(unprocessed > 100, `${unprocessed}`);
  });

  it('sends what was above its last stream over a new connection, whatever the method', async () => {
    let first: http2.ServerHttp2Stream['session'];
    const held: http2.ServerHttp2Stream[] = [];
    const backend = await http2Backend((stream) => {
      first ??= stream.session;
      if (stream.session !== first) {
        countBody(stream);
        return;
      }
      held.push(stream);
      // Of five, two were taken.
      if (held.length === 5) first?.goaway(NGHTTP2_NO_ERROR, 3);
    });
    const scene = await Http2UpstreamScene.start([{ name: 'app', ports: [backend.port] }]);
    try {
      const answers = Array.from({ length: 5 }, () => scene.ask('/app/', 'twelve bytes'));
      await scene.sidecar.untilStat('cluster.app.upstream_rq_unprocessed', (n) => n === 3);
      for (const stream of held.slice(0, 2)) countBody(stream);
      for (const { status, text } of await Promise.all(answers)) {
        assert.deepEqual([status, text], [200, '12']);
      }
      assert.equal(await scene.stat('cluster.app.upstream_cx_total'), 2);
      assert.equal(await scene.stat('cluster.app.http2.stream_refused_errors'), 3);
      await scene.sidecar.untilStat('cluster.app.upstream_cx_active', (active) => active === 1);
    } finally {
      await scene.stop();
      backend.close();
    }
  });
});

describe('a stream that the peer refuses', () => {
  it('is sent again, three times at most; then the client is told', async () => {
    const refusals = new Map<string, number>();
    const backend = await http2Backend((stream, headers) => {
      const path = String(headers[':path']);
      const left = refusals.get(path) ?? 0;
      refusals.set(path, left - 1);
      if (left > 0) stream.close(NGHTTP2_REFUSED_STREAM);
      else countBody(stream);
    });
    const scene = await Http2UpstreamScene.start([{ name: 'app', ports: [backend.port] }]);
    try {
      refusals.set('/app/thrice', 3).set('/app/ever', 1000);
      const again = await scene.ask('/app/thrice', 'body');
      assert.deepEqual([again.status, again.text], [200, '4']);
      const refused = await scene.ask('/app/ever', 'body');
      assert.equal(refused.status, 503);
      assert.match(refused.text, /reset reason: remote refused stream reset$/);
      assert.equal(await scene.stat('cluster.app.upstream_rq_unprocessed'), 6);
      assert.equal(await scene.stat('cluster.app.upstream_cx_total'), 1);
    } finally {
      await scene.stop();
      backend.close();
    }
  });

  it('is not sent again without the whole of its body', async () => {
    const most = 64 * 1024;
    let refusals = 0;
    const backend = await http2Backend((stream) => {
      if (refusals === 0) {
        countBody(stream);
        return;
      }
      let bytes = 0;
      // When all that has come which is kept.
      stream.on('data', (data: Buffer) => {
        bytes += data.length;
        if (bytes < most || stream.closed) return;
        refusals--;
        stream.close(NGHTTP2_REFUSED_STREAM);
      });
    });
    const scene = await Http2UpstreamScene.start([{ name: 'app', ports: [backend.port] }]);
    try {
      refusals = 1;
      assert.equal((await scene.ask('/app/', Buffer.alloc(most))).text, String(most));
      assert.equal(refusals, 0);
      refusals = 1;
      assert.equal((await scene.ask('/app/', Buffer.alloc(most + 1))).status, 503);
    } finally {
      await scene.stop();
      backend.close();
    }
  });
});

describe('F-05 a dead peer', () => {
  const http =
    'explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: 0.1s, timeout: 0.1s } } }';

  it('of an idle connection is found by PING, and the pool makes another', async () => {
    const backend = await http2Backend(countBody);
    /** Carries bytes both ways, until the cable is cut: no FIN comes, no RST. */
    const sockets = new Set<net.Socket>();
    const cable = net.createServer((socket) => {
      const onward = net.connect(backend.port, '127.0.0.1');
      for (const end of [socket, onward]) sockets.add(end.on('error', () => {}));
      socket.on('data', (data) => onward.write(data));
      onward.on('data', (data) => socket.write(data));
    });
    cable.listen(0, '127.0.0.1');
    await once(cable, 'listening');
    const scene = await Http2UpstreamScene.start([{ name: 'app', ports: [portOf(cable)], http }]);
    try {
      assert.equal((await scene.ask('/app/')).status, 200);
      for (const socket of sockets) socket.removeAllListeners('data').resume();
      await scene.sidecar.untilStat('cluster.app.upstream_cx_active', (active) => active === 0);
      assert.equal(await scene.stat('cluster.app.http2.keepalive_timeout'), 1);
      assert.equal((await scene.ask('/app/')).status, 200);
    } finally {
      await scene.stop();
      for (const socket of sockets) socket.destroy();
      cable.close();
      backend.close();
    }
  });

  it('is found by PING within its timeout, and its requests are answered', async () => {
    const sockets = new Set<net.Socket>();
    const swallower = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      // SETTINGS, so that it passes for a peer.
      socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      socket.resume();
    });
    swallower.listen(0, '127.0.0.1');
    await once(swallower, 'listening');
    const scene = await Http2UpstreamScene.start([
      { name: 'dead', ports: [portOf(swallower)], http },
    ]);
    try {
      const { status, text } = await scene.ask('/dead/');
      assert.equal(status, 503);
      assert.match(text, /reset reason: connection termination/);
      assert.equal(await scene.stat('cluster.dead.http2.keepalive_timeout'), 1);
    } finally {
      await scene.stop();
      for (const socket of sockets) socket.destroy();
      swallower.close();
    }
  });
});
