// Suite G of the reliability spec, the protocol itself: TL-09 to TL-13 and TL-17. Peers: openssl s_client,
// Node, and bytes by hand.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { parseFrames } from '../fakes/http2.ts';
import { TestCa } from '../fakes/pki.ts';
import { sClient } from './openssl.ts';
import {
  certificatesYaml,
  downstreamSocket,
  httpChain,
  TlsSidecar,
  tlsInspector,
} from './tls-sidecar.ts';

/** A ClientHello record with this SNI, byte for byte, and TLS 1.2's usual offers. */
function clientHello(serverName: Buffer): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
  const vector = (...parts: readonly Buffer[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([u16(body.length), body]);
  };
  const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), vector(body)]);
  const extensions = vector(
    extension(0, vector(Buffer.from([0]), vector(serverName))),
    extension(10, vector(u16(0x1d), u16(0x17))),
    extension(11, Buffer.from([1, 0])),
    extension(13, vector(u16(0x0403), u16(0x0804), u16(0x0401))),
  );
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    vector(u16(0xc02b), u16(0xc02f)),
    Buffer.from([1, 0]),
    extensions,
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), vector(body)]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), vector(handshake)]);
}

describe('a TLS listener', () => {
  let ca: TestCa;
  let server: TlsSidecar;
  before(async () => {
    ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['a.test'] });
    const context = `common_tls_context: { ${certificatesYaml(leaf)}, alpn_protocols: [http/1.1] }`;
    server = await TlsSidecar.start({ chains: [httpChain(downstreamSocket(context))] });
  });
  after(() => server[Symbol.asyncDispose]());

  test('TL-09 plaintext on it ends the connection, and nothing passes', () =>
    server.refuses(
      async () => {
        const answer = await server.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        assert.doesNotMatch(answer.toString('latin1'), /HTTP/);
      },
      'ssl.connection_error',
      /TLS_error:.*(http request|wrong version number|HTTP_REQUEST)/i,
    ));

  for (const [name, args] of [
    ['TLS 1.0', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['CBC', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0']],
    ['CBC with SHA-256', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256']],
    ['RSA key exchange', ['-tls1_2', '-cipher', 'AES128-GCM-SHA256']],
    ['NULL', ['-tls1_2', '-cipher', 'NULL:@SECLEVEL=0']],
    ['anonymous', ['-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0']],
  ] as const) {
    test(`TL-10 ${name} is refused with an alert`, () =>
      server.refuses(
        async () => {
          const output = await sClient(server.port, args);
          assert.match(output, /alert (protocol version|handshake failure)/);
        },
        'ssl.connection_error',
        /unsupported protocol|no shared cipher|version/,
      ));
  }

  test('TL-10 SSLv3, RC4, 3DES and export suites, which no peer here can offer any more, by hand', async () => {
    const suites = [0x0005, 0x000a, 0x0003, 0x0008, 0x0000];
    for (const suite of suites) {
      const hello = clientHello(Buffer.from('a.test'));
      // The two suites of clientHello stand behind version, random and an empty session id.
      const at = 5 + 4 + 2 + 32 + 1 + 2;
      hello.writeUInt16BE(suite, at);
      hello.writeUInt16BE(suite, at + 2);
      await server.refuses(
        async () => {
          const answer = await server.send(hello);
          assert.deepEqual([answer[0], answer[5]], [0x15, 2], 'a fatal alert');
        },
        'ssl.connection_error',
        /no shared cipher/,
      );
    }
    const ssl3 = clientHello(Buffer.from('a.test'));
    ssl3.writeUInt16BE(0x0300, 1);
    ssl3.writeUInt16BE(0x0300, 9);
    await server.refuses(
      () => server.send(ssl3),
      'ssl.connection_error',
      /unsupported protocol|version/,
    );
  });

  test('TL-11 a client cannot renegotiate, however often it asks', async () => {
    const output = await sClient(server.port, ['-tls1_2'], ['R\n', 'R\n', 'Q\n']);
    assert.match(output, /RENEGOTIATING/);
    assert.match(output, /no renegotiation/);
    const handshakes = await server.stat('listener.hostile.ssl.handshake');
    const ask = () =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({
          port: server.port,
          host: '127.0.0.1',
          rejectUnauthorized: false,
          maxVersion: 'TLSv1.2',
        });
        // The answer is an alert, which is the end of it for the client.
        socket.on('error', (error) => resolve(error.message));
        socket.on('close', () => resolve('closed'));
        socket.once('secureConnect', () =>
          socket.renegotiate({}, (error) => resolve(error === null ? 'renewed' : error.message)),
        );
      });
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, ask));
      assert.ok(
        answers.every((answer) => /no renegotiation/.test(answer)),
        answers[0],
      );
    }
    await server.sidecar.untilStat(
      'listener.hostile.ssl.handshake',
      (now) => now >= handshakes + 100,
    );
    assert.equal(await server.request(), 'served');
    server.seen.pop();
  });

  test('TL-12 SNI of 300 bytes, with NUL, __proto__ or nothing at all throws nowhere', async () => {
    for (const name of [
      Buffer.alloc(300, 'x'),
      Buffer.from('a.test\0.evil'),
      Buffer.from('__proto__'),
      Buffer.from('constructor'),
      Buffer.from([0xff, 0xfe, 0x80]),
      Buffer.alloc(0),
    ]) {
      const answer = await server.send(clientHello(name), 500);
      // Either a ServerHello or an alert, and in any case the listener lives.
      assert.ok(
        answer.length === 0 || answer[0] === 0x16 || answer[0] === 0x15,
        name.toString('hex'),
      );
      await server.good();
      assert.equal(await server.request(), 'served');
    }
    server.seen.length = 0;
  });

  test('TL-12 a name in :authority other than in SNI is routed by authority, as Envoy does', async () => {
    assert.equal(await server.request({ servername: 'a.test' }, '/fronted', 'b.test'), 'served');
    assert.equal(server.seen.pop()?.path, '/fronted');
  });

  test('TL-13 without a common protocol the handshake ends with no_application_protocol', () =>
    server.refuses(
      async () => {
        const output = await sClient(server.port, ['-alpn', 'h2']);
        assert.match(output, /alert no application protocol/);
      },
      'ssl.connection_error',
      /no application protocol/,
    ));

  test('TL-17 early data is not taken: a replayed POST never is', async () => {
    // s_client sends early data only when the ticket says that the server takes some.
    const output = await sClient(
      server.port,
      ['-tls1_3'],
      ['GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'],
    );
    assert.match(output, /Max Early Data: 0/);
    assert.match(output, /Early data was not sent/);
    server.seen.length = 0;
  });

  test('TL-17 early data sent all the same is never read as a request', async () => {
    // Records of application data behind a ClientHello that announces none: OpenSSL ends the connection.
    const hello = clientHello(Buffer.from('a.test'));
    const early = Buffer.from('POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
    const record = Buffer.concat([Buffer.from([0x17, 3, 3, 0, early.length]), early]);
    await server.refuses(
      () => server.send(Buffer.concat([hello, record])),
      'ssl.connection_error',
      /TLS_error/,
    );
  });
});

describe('a listener that peeks at the ClientHello', () => {
  let server: TlsSidecar;
  before(async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['a.test'] });
    const other = await ca.issue({ dns: ['b.test', '*.w.test'] });
    const context = `common_tls_context: { ${certificatesYaml(leaf, other)}, alpn_protocols: [h2, http/1.1] }`;
    server = await TlsSidecar.start({
      listener: tlsInspector,
      chains: [
        httpChain(downstreamSocket(context), '{ transport_protocol: tls }'),
        httpChain('', '{ transport_protocol: raw_buffer }'),
      ],
    });
  });
  after(() => server[Symbol.asyncDispose]());

  test('TL-12 SNI of 300 bytes, with NUL or __proto__ throws nowhere', async () => {
    for (const name of ['x'.repeat(300), 'a.test\0.evil', '__proto__', 'hasOwnProperty']) {
      await server.send(clientHello(Buffer.from(name)), 300);
      await server.good();
    }
    assert.equal(await server.request({ servername: 'a.test' }), 'served');
    server.seen.length = 0;
  });

  test('TL-13 without a common protocol the connection goes on without one, as in Envoy', async () => {
    assert.equal(await server.request({ ALPNProtocols: ['foo'] }), 'served');
    server.seen.length = 0;
  });

  test('TL-13 a client that agreed on h2 and speaks HTTP/1 gets GOAWAY', async () => {
    const counter = 'http.hostile.downstream_cx_protocol_error';
    const before = await server.stat(counter);
    const client = tls.connect({
      port: server.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    client.on('error', () => {}); // the end is what counts
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    client.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
    await once(client, 'close');
    const goaway = parseFrames(Buffer.concat(received)).find(({ type }) => type === 7);
    assert.equal(goaway?.payload.readUInt32BE(4), 1);
    assert.equal(await server.stat(counter), before + 1);
    assert.deepEqual(server.seen, []);
    await server.good();
  });

  test('TL-09 what begins like TLS and is not passes nothing', async () => {
    const junk = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 50]), Buffer.alloc(50, 1)]);
    const answer = await server.send(junk, 1000);
    assert.ok(answer.length === 0 || answer[0] === 0x15 || /^HTTP\/1.1 400/.test(String(answer)));
    assert.deepEqual(server.seen, []);
    await server.good();
  });
});

describe('a plaintext listener', () => {
  test('TL-09 TLS on it is answered with 400 and the end', async () => {
    await using server = await TlsSidecar.start({ chains: [httpChain('')] });
    const answer = await server.send(clientHello(Buffer.from('a.test')));
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 400 /);
    assert.deepEqual(server.seen, []);
    await server.good();
  });
});
