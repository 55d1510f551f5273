import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { before, test } from 'node:test';
import tls from 'node:tls';
import fc from 'fast-check';
import { parseClientHello } from './client-hello.ts';

/** The first bytes that Node's own TLS client sends. */
function captureHello(options: tls.ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (chunk: Buffer) => {
        socket.destroy();
        server.close();
        resolve(chunk);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      tls.connect({ ...options, port, host: '127.0.0.1' }).on('error', () => {});
    });
  });
}

let hello: Buffer;
before(async () => {
  hello = await captureHello({ servername: 'Orders.Example', ALPNProtocols: ['h2', 'http/1.1'] });
});

test('finds server name and protocols in a real ClientHello', () => {
  assert.deepEqual(parseClientHello(hello), {
    kind: 'client-hello',
    serverName: 'orders.example',
    applicationProtocols: ['h2', 'http/1.1'],
  });
});

test('a ClientHello without SNI and ALPN has neither', async () => {
  assert.deepEqual(parseClientHello(await captureHello({})), {
    kind: 'client-hello',
    serverName: '',
    applicationProtocols: [],
  });
});

test('every proper prefix of a ClientHello wants more, and never less', () => {
  for (let length = 0; length < hello.length; length++) {
    assert.equal(parseClientHello(hello.subarray(0, length)).kind, 'need-more', `at ${length}`);
  }
});

test('a ClientHello cut into several records is the same', () => {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += 50) {
    const fragment = body.subarray(at, at + 50);
    records.push(Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 0xff]), fragment);
  }
  assert.deepEqual(parseClientHello(Buffer.concat(records)), parseClientHello(hello));
});

test('plaintext is told at the first byte', () => {
  assert.equal(parseClientHello(Buffer.from('G')).kind, 'not-tls');
  assert.equal(parseClientHello(Buffer.from('GET / HTTP/1.1\r\n\r\n')).kind, 'not-tls');
});

test('any change of a byte is survived', () => {
  fc.assert(
    fc.property(fc.nat(hello.length - 1), fc.nat(255), (at, value) => {
      const changed = Buffer.from(hello);
      changed[at] = value;
      parseClientHello(changed);
    }),
    { numRuns: 2000 },
  );
});

test('random bytes behind a record header are survived', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      parseClientHello(Buffer.concat([Buffer.from([22, 3, 1, 0, bytes.length]), bytes]));
    }),
    { numRuns: 2000 },
  );
});
