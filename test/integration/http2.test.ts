// HTTP/2 clients of a whole sidecar (node:http2 over real sockets): how the protocol is chosen, and how their
// connections end without a lost request.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { ErrorCode, FrameType } from '../../dataplane/http/h2/frames.ts';
import { parseFrames } from '../fakes/http2.ts';
import { TestCa } from '../fakes/pki.ts';
import { certificatesYaml, downstreamSocket } from '../hostile/tls-sidecar.ts';
import { type Sidecar, simpleBootstrap, startSidecar } from './sidecar.ts';

const backend = http.createServer((request, response) => {
  request.resume();
  const delayMs = Number(new URL(request.url ?? '/', 'http://a').searchParams.get('ms') ?? 0);
  request.on('end', () => setTimeout(() => response.end(`${request.httpVersion} ok`), delayMs));
});
let backendPort = 0;
before(async () => {
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  backendPort = (backend.address() as AddressInfo).port; // a TCP server has one
});
after(() => {
  backend.closeAllConnections();
  backend.close();
});

/** Status of one request; throws when its stream fails. 0 = refused: nobody has seen it, it may be sent again. */
async function get(session: http2.ClientHttp2Session, path = '/'): Promise<number> {
  const stream = session.request({ ':path': path });
  let status = 0;
  stream.on('response', (headers) => {
    status = headers[':status'] ?? 0;
  });
  stream.resume();
  stream.on('error', () => {});
  await new Promise((resolve) => stream.once('close', resolve));
  if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) return 0;
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
  return status;
}

async function connect(
  authority: string,
  options: http2.SecureClientSessionOptions = {},
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(authority, options);
  await once(session, 'connect');
  session.on('error', () => {});
  return session;
}

describe('a listener of codec_type AUTO', () => {
  let ca: TestCa;
  let plain: Sidecar;
  let secure: Sidecar;
  before(async () => {
    ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['localhost'] });
    plain = await startSidecar(simpleBootstrap(backendPort));
    const common = `common_tls_context: { ${certificatesYaml(leaf)}, alpn_protocols: [h2, http/1.1] }`;
    secure = await startSidecar(
      simpleBootstrap(backendPort).replace(
        '- filters:',
        `- ${downstreamSocket(common)}\n          filters:`,
      ),
    );
  });
  after(async () => {
    await plain.stop();
    await secure.stop();
  });

  test('speaks HTTP/1.1 and h2c on one port', async () => {
    const port = plain.port('ingress');
    const session = await connect(`http://127.0.0.1:${port}`);
    assert.equal(await get(session), 200);
    session.close();
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(await response.text(), '1.1 ok');
    await plain.untilStat('http.ingress.downstream_cx_http2_total', (value) => value === 1);
    await plain.untilStat('http.ingress.downstream_cx_http1_total', (value) => value === 1);
    await plain.untilStat('http.ingress.downstream_cx_http2_active', (value) => value === 0);
  });

  test('speaks what ALPN says, and sniffs where a TLS client has none', async () => {
    const port = secure.port('ingress');
    const options = { ca: ca.certificatePem, servername: 'localhost' };
    const session = await connect(`https://localhost:${port}`, options);
    assert.equal(session.alpnProtocol, 'h2');
    assert.equal(await get(session), 200);
    session.close();
    const one = tls.connect({ ...options, port, host: '127.0.0.1', ALPNProtocols: ['http/1.1'] });
    await once(one, 'secureConnect');
    assert.equal(one.alpnProtocol, 'http/1.1');
    one.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const [head] = await once(one, 'data');
    assert.match(String(head), /^HTTP\/1.1 200 OK/);
    one.destroy();
    const silent = tls.connect({ ...options, port, host: '127.0.0.1' });
    await once(silent, 'secureConnect');
    assert.equal(silent.alpnProtocol, false);
    const sniffed = http2.connect('http://a', { createConnection: () => silent });
    assert.equal(await get(sniffed), 200);
    sniffed.close();
    await secure.untilStat('http.ingress.downstream_cx_http2_total', (value) => value === 2);
    await secure.untilStat('http.ingress.downstream_cx_http1_total', (value) => value === 1);
  });

  test('TL-13 ALPN h2 and then HTTP/1 ends with GOAWAY', async () => {
    const one = tls.connect({
      ...{ ca: ca.certificatePem, servername: 'localhost', ALPNProtocols: ['h2'] },
      ...{ port: secure.port('ingress'), host: '127.0.0.1' },
    });
    await once(one, 'secureConnect');
    assert.equal(one.alpnProtocol, 'h2');
    const pieces: Buffer[] = [];
    one.on('data', (data: Buffer) => pieces.push(data));
    one.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(one, 'end');
    one.destroy();
    const goAway = parseFrames(Buffer.concat(pieces)).find(({ type }) => type === FrameType.Goaway);
    assert.equal(goAway?.payload.readUInt32BE(4), ErrorCode.ProtocolError);
    await secure.untilStat('http.ingress.downstream_cx_protocol_error', (value) => value === 1);
  });

  test('carries a thousand requests at once, and a body of 8 MiB each way', async () => {
    const session = await connect(`http://127.0.0.1:${plain.port('ingress')}`);
    const statuses = await Promise.all(Array.from({ length: 1000 }, () => get(session, '/?ms=5')));
    assert.deepEqual(new Set(statuses), new Set([200]));
    const upload = session.request({ ':method': 'POST', ':path': '/' });
    upload.end(Buffer.alloc(8 * 1024 * 1024));
    const [headers] = await once(upload, 'response');
    assert.equal(headers[':status'], 200);
    upload.resume();
    await once(upload, 'close');
    session.close();
    await plain.untilStat('http.ingress.downstream_rq_active', (value) => value === 0);
  });
});

/** Asks without pause on one connection after another: an end that was announced is no loss. */
class Load {
  answered = 0;
  lost = 0;
  sessions = 0;
  readonly #authority: string;
  #isStopping = false;
  readonly #done: Promise<unknown>;

  constructor(port: number, width: number) {
    this.#authority = `http://127.0.0.1:${port}`;
    this.#done = this.#run(width);
  }

  async #run(width: number): Promise<void> {
    while (!this.#isStopping) {
      let session: http2.ClientHttp2Session;
      try {
        session = await connect(this.#authority);
      } catch {
        return; // nobody listens any more
      }
      this.sessions++;
      await Promise.all(Array.from({ length: width }, () => this.#worker(session)));
      session.close();
    }
  }

  async #worker(session: http2.ClientHttp2Session): Promise<void> {
    // Node closes a session for new requests as soon as it gets GOAWAY.
    while (!this.#isStopping && !session.closed && !session.destroyed) {
      try {
        const status = await get(session, '/?ms=3');
        // Refused: it crossed the second GOAWAY, because this process was slower than drain_timeout.
        if (status === 0) continue;
        assert.equal(status, 200);
        this.answered++;
      } catch {
        this.lost++;
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  finished(): Promise<unknown> {
    return this.#done;
  }
}

describe('the end of HTTP/2 connections under load', () => {
  test('max_requests_per_connection: no request is lost by a hundred changes of connection', async () => {
    const yaml = simpleBootstrap(backendPort).replace(
      'stat_prefix: ingress',
      'stat_prefix: ingress\n                drain_timeout: 0.05s\n                common_http_protocol_options: { max_requests_per_connection: 20 }',
    );
    const sidecar = await startSidecar(yaml);
    const load = new Load(sidecar.port('ingress'), 8);
    try {
      await sidecar.untilStat(
        'http.ingress.downstream_cx_max_requests_reached',
        (value) => value >= 100,
      );
      await load.stop();
      assert.equal(load.lost, 0);
      assert.ok(load.sessions > 10, `${load.sessions} sessions`);
      await sidecar.untilStat('http.ingress.downstream_cx_active', (value) => value === 0);
    } finally {
      await load.stop();
      await sidecar.stop();
    }
  });

  test('SIGTERM: all requests are answered, then the process ends', async () => {
    const yaml = simpleBootstrap(backendPort).replace(
      'stat_prefix: ingress',
      'stat_prefix: ingress\n                drain_timeout: 0.3s',
    );
    const sidecar = await startSidecar(yaml, { shutdownTimeMs: 8000 });
    const load = new Load(sidecar.port('ingress'), 8);
    await sidecar.untilStat('http.ingress.downstream_rq_completed', (value) => value > 50);
    const startMs = performance.now();
    sidecar.shutdown();
    assert.equal(await sidecar.finished, 0);
    assert.ok(performance.now() - startMs < 7000, 'not the whole shutdown time');
    await load.finished();
    assert.equal(load.lost, 0);
    assert.ok(load.answered > 50);
  });
});
