// Large bodies through HTTP/2 streams of one upstream connection, with readers that are slow on either side.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type http2 from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { type Http2Backend, Http2UpstreamScene, http2Backend } from './http2-upstream-scene.ts';

const MIB = 1024 * 1024;
const LARGE = 64 * MIB;
const PIECE = Buffer.alloc(MIB, 'x');

/** A writable that says when it has had enough. */
interface Sink {
  write(data: Buffer): boolean;
  end(): void;
}

async function send(sink: Sink & NodeJS.EventEmitter, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += PIECE.length) {
    if (!sink.write(PIECE)) await once(sink, 'drain');
  }
  sink.end();
}

async function count(source: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const piece of source) bytes += piece.length;
  return bytes;
}

async function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

describe('bodies', () => {
  let backend: Http2Backend;
  let scene: Http2UpstreamScene;
  /** The upload that is not read until somebody does. */
  let unread: http2.ServerHttp2Stream | null = null;

  before(async () => {
    backend = await http2Backend((stream, headers) => {
      switch (headers[':path']) {
        case '/app/down':
          stream.respond({ ':status': 200 });
          void send(stream, LARGE);
          return;
        case '/app/up':
          void count(stream).then((bytes) => {
            stream.respond({ ':status': 200 });
            stream.end(String(bytes));
          });
          return;
        case '/app/unread':
          unread = stream;
          return;
        default:
          stream.respond({ ':status': 200 });
          stream.end('small');
      }
    });
    scene = await Http2UpstreamScene.start([{ name: 'app', ports: [backend.port] }]);
  });

  after(async () => {
    await scene.stop();
    backend.close();
  });

  it('of 64 MiB go both ways', async () => {
    const upload = scene.open('/app/up', { method: 'POST' });
    void send(upload, LARGE);
    assert.equal(
      String(await (await answerOf(upload)).setEncoding('latin1').toArray()),
      `${LARGE}`,
    );
    const download = scene.open('/app/down');
    download.end();
    assert.equal(await count(await answerOf(download)), LARGE);
  });

  it('that a client does not read hold up no other stream of the connection', async () => {
    const slow = scene.open('/app/down');
    slow.end();
    const response = await answerOf(slow);
    response.pause();
    const paused = 'cluster.app.upstream_flow_control_paused_reading_total';
    await scene.sidecar.untilStat(paused, (times) => times > 0);
    for (let i = 0; i < 100; i++) assert.equal((await scene.ask('/app/small')).text, 'small');
    assert.equal(await scene.stat('cluster.app.upstream_cx_total'), 1);
    assert.equal(await count(response), LARGE);
  });

  it('that two clients do not read leave the rest of the connection’s window to others', async () => {
    const responses: IncomingMessage[] = [];
    for (let i = 0; i < 2; i++) {
      const slow = scene.open('/app/down');
      slow.end();
      const response = await answerOf(slow);
      response.pause();
      responses.push(response);
    }
    for (let i = 0; i < 100; i++) assert.equal((await scene.ask('/app/small')).text, 'small');
    assert.equal(await scene.stat('cluster.app.upstream_cx_total'), 1);
    for (const response of responses) assert.equal(await count(response), LARGE);
  });

  it('that the application does not read pause their client alone', async () => {
    const upload = scene.open('/app/unread', { method: 'POST' });
    const sent = send(upload, LARGE);
    await scene.sidecar.untilStat(
      'cluster.app.upstream_flow_control_backed_up_total',
      (times) => times > 0,
    );
    for (let i = 0; i < 100; i++) assert.equal((await scene.ask('/app/small')).text, 'small');
    const stream = unread as http2.ServerHttp2Stream | null;
    assert.ok(stream);
    assert.equal(await count(stream), LARGE);
    await sent;
    stream.respond({ ':status': 200 });
    stream.end('read');
    assert.equal((await answerOf(upload)).statusCode, 200);
    assert.equal(await scene.stat('cluster.app.upstream_cx_total'), 1);
    assert.equal(await scene.stat('cluster.app.http2.pending_send_bytes'), 0);
  });
});
